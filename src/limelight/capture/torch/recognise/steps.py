"""Deals the softmaxes of a pass out to sites: the steps of one loop over time are one site.

Room: capture, torch. Comes in: the softmaxes of a pass, in the order they ran. Goes out: for each,
the site it belongs to. Two calls of one line are steps of one loop over time where each is one
query more: of the same memory, as a recurrent decoder asks, or of a memory that grows with the
queries, as a cache does. Else the queries are the same positions once more, as where a layer is
used again and again, and each call is a site of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from limelight.capture.torch.trace.labels import Factor, root
from limelight.capture.torch.trace.recorder import CallSite, SoftmaxCall
from limelight.capture.torch.trace.roles import KEY, QUERY


@dataclass(eq=False)
class Site:
    """One attention module in one role.

    Attributes
    ----------
    path : str
        Unique: ``encoder/attn``, and ``encoder/attn:1`` for what the same module did next.
    softmax_calls : list of SoftmaxCall
        More than one where a model generates, or a decoder takes step after step.
    loops : bool
        Whether it is a loop within one call of the model.
    crossing : bool
        Whether that loop asks the same memory again and again.
    """

    path: str
    softmax_calls: list[SoftmaxCall] = field(default_factory=list)
    loops: bool = False
    crossing: bool = False

    @property
    def shares(self) -> bool:
        """Whether its calls are each of some of the examples."""
        return _share(self.softmax_calls[0]) is not None

    @property
    def call_sites(self) -> tuple[CallSite, ...]:
        """Where its attention happens, in every pass of the model."""
        return tuple(dict.fromkeys(softmax_call.call_site for softmax_call in self.softmax_calls))


class Sites:
    """The sites of a pass, found as its softmaxes come in.

    Attributes
    ----------
    every : list of Site
        In the order they ran.
    """

    def __init__(self) -> None:
        self.every: list[Site] = []
        self._by_ordinal: dict[tuple[str, int], Site] = {}
        self._by_turn: dict[tuple[int, CallSite], Site] = {}
        self._by_line: dict[tuple[int, str, int], Site] = {}
        self._ordinals: dict[tuple[int, str], int] = {}
        self._left_out: dict[tuple[int, str, int], int] = {}
        self._numbers: dict[str, int] = {}

    def add(self, softmax_call: SoftmaxCall, path: str) -> Site:
        """Return the site that a softmax belongs to, with the softmax in it.

        Parameters
        ----------
        softmax_call : SoftmaxCall
            One that is attention.
        path : str
            Of its module.

        Returns
        -------
        Site
        """
        site = self._shared(softmax_call, path) or self._looped(softmax_call)
        if site is None:
            ordinal = path, self._next(softmax_call)
            site = self._by_ordinal.get(ordinal)
            if site is None:
                number = self._numbers.get(path, 0)
                self._numbers[path] = number + 1
                site = self._by_ordinal[ordinal] = Site(f"{path}:{number}" if number else path)
                self.every.append(site)
        site.softmax_calls.append(softmax_call)
        self._by_turn[softmax_call.number, softmax_call.call_site] = site
        self._by_line[_line_of(softmax_call)] = site
        return site

    def _shared(self, softmax_call: SoftmaxCall, path: str) -> Site | None:
        """Return the site whose loop over the examples goes on with a softmax."""
        share = _share(softmax_call)
        if share is None:
            return None
        for site in self.every:
            last = site.softmax_calls[-1]
            before = _share(last)
            if (
                site.path.partition(":")[0] == path
                and before
                and before[1] == share[0]
                and (last.number == softmax_call.number)
            ):
                return site
        return None

    def leave_out(self, softmax_call: SoftmaxCall, path: str) -> bool:
        """Count a softmax that is not taken; say whether another pass took it.

        Parameters
        ----------
        softmax_call : SoftmaxCall
        path : str

        Returns
        -------
        bool
        """
        line = _line_of(softmax_call)
        if line not in self._left_out:
            self._left_out[line] = self._next(softmax_call)
        return (path, self._left_out[line]) in self._by_ordinal

    def _next(self, softmax_call: SoftmaxCall) -> int:
        """Count what a module does in one call of the model, each loop once.

        The same softmax has the same number in every call, however many steps loops took before.
        """
        key = softmax_call.number, softmax_call.call_site.path
        ordinal = self._ordinals.get(key, 0)
        self._ordinals[key] = ordinal + 1
        return ordinal

    def _looped(self, softmax_call: SoftmaxCall) -> Site | None:
        """Return the site whose next step a softmax is, in the same call of the model."""
        turn = softmax_call.call_site.turn
        before = softmax_call.call_site._replace(turn=turn - 1)
        for site in (
            self._by_line.get(_line_of(softmax_call)),
            self._by_turn.get((softmax_call.number, before)),
        ):
            if site is None or not _with_examples(softmax_call):
                continue
            last = site.softmax_calls[-1]
            crossing = _asks_again(last, softmax_call)
            if crossing or (last.line == softmax_call.line and _grew(last, softmax_call)):
                site.loops, site.crossing = True, crossing
                return site
        return None


def _share(softmax_call: SoftmaxCall) -> tuple[int, int] | None:
    """Return which of the examples a softmax is of, None where it is of all."""
    return None if softmax_call.roles is None else softmax_call.roles.share


def _line_of(softmax_call: SoftmaxCall) -> tuple[int, str, int]:
    return softmax_call.number, softmax_call.call_site.path, softmax_call.line


def _with_examples(softmax_call: SoftmaxCall) -> bool:
    """Say whether a softmax is of all examples, not of one of them in a loop over examples."""
    if softmax_call.vectors is not None:
        return softmax_call.vectors.factors is not None
    return softmax_call.batch_axis is not None or softmax_call.logits.dim() > 1


def _asks_again(last: SoftmaxCall, softmax_call: SoftmaxCall) -> bool:
    """Say whether one query follows another, or some follow others, all of the same memory."""
    before, now = sizes_of(last), sizes_of(softmax_call)
    if before[1] != now[1] or not memory_of(last) & memory_of(softmax_call):
        return False
    if before[0] == now[0] == 1:
        return True
    return last.line == softmax_call.line and _next_part(last, softmax_call)


def _next_part(last: SoftmaxCall, softmax_call: SoftmaxCall) -> bool:
    """Say whether queries are the next part of a sequence that is asked in parts."""
    before, now = (
        [root(f)[0] for f, role in _factors(call) if role == QUERY] for call in (last, softmax_call)
    )
    if len(before) != 1 or not before[0].source or len(now) > 1:
        return False
    # A last part of one position has no label.
    return not now or (now[0] is not before[0] and now[0].source == before[0].source)


def _factors(softmax_call: SoftmaxCall) -> list[tuple[Factor, str]]:
    """Return the factors of all axes, with their roles."""
    axes, roles = softmax_call.axes or (), softmax_call.roles
    if roles is None or len(roles.roles) != len(axes):
        return []
    return [pair for axis, names in zip(axes, roles.roles, strict=True)
            for pair in zip(axis, names, strict=False)]  # fmt: skip


def _grew(last: SoftmaxCall, softmax_call: SoftmaxCall) -> bool:
    """Say whether a sequence became a position longer, asked as a whole or by the new position."""
    (before, keys), (queries, more) = sizes_of(last), sizes_of(softmax_call)
    return more == keys + 1 and (
        (queries == 1 and before in {1, keys}) or (before == keys and queries == more)
    )


def memory_of(softmax_call: SoftmaxCall) -> frozenset[object]:
    """Return the origin of what a softmax's weights were applied to.

    Parameters
    ----------
    softmax_call : SoftmaxCall

    Returns
    -------
    frozenset
    """
    return softmax_call.use.memory if softmax_call.use is not None else softmax_call.memory


def sizes_of(softmax_call: SoftmaxCall) -> tuple[int, int]:
    """Return how many queries and keys there are.

    Parameters
    ----------
    softmax_call : SoftmaxCall

    Returns
    -------
    int, int
    """
    if softmax_call.vectors is not None:
        factors = softmax_call.vectors.factors
        return (0, 0) if factors is None else (factors.shape[2], factors.shape[3])
    if softmax_call.roles is not None and softmax_call.roles.roles:
        return softmax_call.roles.count(QUERY), softmax_call.roles.count(KEY)
    shape, axis = tuple(softmax_call.logits.shape), softmax_call.axis
    others = [size for index, size in enumerate(shape) if index != axis]
    return (others[-1] if len(others) > 1 else 1), shape[axis]


def pools(site: Site) -> bool:
    """Say whether a site is a single query's, as where the outputs of a recurrent layer are pooled.

    Parameters
    ----------
    site : Site

    Returns
    -------
    bool
    """
    queries, keys = sizes_of(site.softmax_calls[0])
    return len(site.softmax_calls) == 1 and queries == 1 and keys > 1
