"""Runs a torch model once beforehand, to learn where its attention is and what can be gated.

Room: capture, torch. Comes in: the very call a model is about to get. Goes out: its sites. The
model is as before afterwards: buffers, random state, and the caches it was handed.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from types import SimpleNamespace
from typing import Any

from limelight.capture.recognition import Choice
from limelight.capture.torch.gates.folding import Fold
from limelight.capture.torch.gates.products import Follower
from limelight.capture.torch.intercept.lines import line_of
from limelight.capture.torch.intercept.modes import Attend, Call, Event, Op, Softmax, intercepted
from limelight.capture.torch.recognise.attention import recognised
from limelight.capture.torch.recognise.shown import stage_of
from limelight.capture.torch.recognise.steps import sizes_of
from limelight.capture.torch.trace.recorder import SoftmaxCall, _Recorder
from limelight.capture.torch.trace.roles import HEAD, QUERY
from limelight.capture.torch.trace.vectors import Vectors

# What modules call the number of their heads.
_HEADS = ("num_heads", "num_attention_heads", "n_heads", "n_head", "nhead", "heads")


#: Path of a module, a line of its code, and how often that had run before in a call of the model.
Key = tuple[str, int, int]


@dataclass(frozen=True)
class Site:
    """One attention whose heads can be gated.

    Attributes
    ----------
    name : str
        As :func:`limelight.capture` names it.
    path : str
        The innermost module it runs in.
    line : int
        Where in that module's code.
    turn : int
        How many attentions and softmaxes its line had run before, in one call of the model.
    scope : str
        The module within which all of it happens, up to the product with the values.
    heads : int
        0 where its weights cannot be followed to what they are multiplied with.
    queries : int
    looped : bool
        Whether it runs again and again in one call, perhaps not as often in every call.
    fold : Fold, optional
        What the axes of its contributions are; None where examples come first, then heads.
    share : tuple of (int, int), optional
        Which examples it is of, in a loop over the examples.
    maps : int
        How many heads its map has, whether or not they can be gated.
    kind : str
        ``self`` or ``cross``.
    stage : str
        What is shown of its weights, where that is not the plain softmax.
    span : tuple of (int, int), optional
        Which of the softmax's keys are its keys, where others, such as sinks, are not.
    square : bool
        Whether it had as many queries as keys.
    """

    name: str
    path: str
    line: int
    turn: int
    scope: str
    heads: int
    queries: int
    looped: bool = False
    fold: Fold | None = None
    share: tuple[int, int] | None = None
    maps: int = 0
    kind: str = ""
    stage: str = ""
    span: tuple[int, int] | None = None
    square: bool = False

    def apart(self, rows: Any) -> tuple[Any, Callable[[Any], Any]]:
        """Bring contributions to [example, head, query, feature].

        Parameters
        ----------
        rows : tensor [lead …, query, feature]

        Returns
        -------
        tensor
        callable
            Brings it back.
        """
        heads = self.heads or self.maps
        if self.fold is not None:
            return self.fold.apart(rows, heads)
        return (
            rows.reshape(-1, heads, *rows.shape[-2:]),
            lambda changed: changed.reshape(rows.shape),
        )


@dataclass(eq=False)
class _Seen:
    """A softmax or attention of the dry run."""

    softmax_call: SoftmaxCall
    call: Call
    key: Key
    lead: tuple[int, ...] = ()
    queries: int = 0
    scope: str | None = None  # None while no product is known


def dry_run(
    model: Any,
    inputs: Any,
    run: Callable[[], Any],
    met: Callable[[Key, Any], None] | None = None,
    choice: Choice = Choice(),  # noqa: B008  # frozen
) -> tuple[dict[Key, Site], Any]:
    """Run a model, and note its sites.

    Parameters
    ----------
    model : torch.nn.Module
    inputs : object
        What it is run on.
    run : callable
        Calls it, or a module of it.
    met : callable, optional
        Told of each attention and softmax as it is over, by its key; given what came out
        of a scaled dot-product attention that is one tensor, else None.
    choice : Choice
        What the user decided on; what it names need not run in this call.

    Returns
    -------
    dict of Key to Site
        In the order they ran.
    object
        What the run returned.
    """
    tensors = list(tensors_in(inputs))
    examples = examples_in(tensors)
    watcher = _Watcher(tensors, examples, met)
    with intercepted(model, watcher) as stack:
        watcher.trace.stack = stack
        outputs = run()
    # Whether capture could read it as [example, head, query, key] is no matter here.
    attention, _ = recognised(
        model, watcher.trace, max(examples, 1), replace(choice, strict=False), readable=False
    )
    names = {
        id(softmax_call): site.path for site in attention for softmax_call in site.softmax_calls
    }
    looped = {site.path for site in attention if site.loops or site.shares}
    sites = {
        seen.key: _site(seen, names[id(seen.softmax_call)], looped, examples)
        for seen in watcher.seen
        if id(seen.softmax_call) in names
    }
    return sites, outputs


def _site(seen: _Seen, name: str, looped: set[str], examples: int) -> Site:
    """Describe a site by what its axes are; where that is unknown, by their order."""
    roles = seen.softmax_call.roles
    kind, stage = seen.softmax_call.kind, stage_of(seen.softmax_call)
    use = seen.softmax_call.use
    span = None if use is None else use.span
    queries, keys = sizes_of(seen.softmax_call)
    square = queries == keys
    if roles is None or not roles.roles or roles.reason:
        maps = _heads(seen.lead, seen.call, examples)
        heads = 0 if seen.scope is None else maps
        return Site(
            name, *seen.key, seen.scope or "", heads, seen.queries, name in looped,
            maps=maps, kind=kind, stage=stage, span=span, square=square,
        )  # fmt: skip
    maps = roles.count(HEAD)
    final = None if seen.softmax_call.use is None else seen.softmax_call.use.final
    if final is not None and not final.after.lost:
        roles = roles.resized(final.after.shape)
    return Site(
        name,
        *seen.key,
        seen.scope or "",
        0 if seen.scope is None else roles.count(HEAD),
        roles.count(QUERY),
        name in looped,
        Fold.of(roles, seen.softmax_call.axis),
        roles.share,
        maps,
        kind,
        stage,
        span,
        square,
    )


class Turns:
    """Counts, within one call of a model, how often each line attended or took a softmax."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], int] = {}

    def next(self, call: Call) -> Key:
        """Return the key of what a module is about to do.

        Parameters
        ----------
        call : Call

        Returns
        -------
        Key
        """
        line = call.path, line_of(call.module)
        turn = self._counts.get(line, 0)
        self._counts[line] = turn + 1
        return (*line, turn)

    def clear(self) -> None:
        """Begin another call."""
        self._counts.clear()


class _Watcher(_Recorder):
    """Notes what passes, its shapes only, and where softmaxes meet their values."""

    def __init__(
        self,
        inputs: list[Any],
        examples: int,
        met: Callable[[Key, Any], None] | None,
    ) -> None:
        super().__init__(inputs, max(examples, 1), None)
        self.seen: list[_Seen] = []
        self._notify = met
        self._turns = Turns()
        self._here: Call | None = None
        self._follower = Follower(self._met, self._met)

    def __call__(self, event: Event, run: Callable[[], Any]) -> Any:
        if self._busy or event.call is None:
            return run()
        if isinstance(event, Op):
            self._here = event.call
            result = self._follower(event, run)
            self._tracker.follow(event.function, event.args, event.kwargs, result)
            return result
        key = self._turns.next(event.call)
        self._busy = True
        try:
            softmax_call = self._softmax_call(event)
            out = run()
        finally:
            self._busy = False
        if self._notify is not None:
            alone = isinstance(event, Attend) and not isinstance(out, tuple)
            self._notify(key, out if alone else None)
        seen = _Seen(softmax_call, event.call, key)
        self._measure(event, seen, out)
        self.trace.softmax_calls.append(softmax_call)
        self.seen.append(seen)
        self._provenance(event, softmax_call, out)
        if isinstance(event, Softmax):
            self._follower.begin(out, event.axis, seen)
        return out

    def _measure(self, event: Attend | Softmax, seen: _Seen, out: Any) -> None:
        """Note sizes, and stand-ins of them for what would be read."""
        import torch

        if isinstance(event, Attend):
            rows, _ = rows_of(out[0] if isinstance(out, tuple) else out, event.heads_last)
            seen.scope = seen.call.path
            seen.lead, seen.queries = tuple(rows.shape[:-2]), rows.shape[-2]
            shape = (1, math.prod(seen.lead), seen.queries, event.key.shape[-2])
            seen.softmax_call.vectors = Vectors(SimpleNamespace(shape=shape))  # type: ignore[arg-type]
            return
        seen.softmax_call.logits, seen.softmax_call.axis = (
            torch.empty(()).expand(out.shape),
            event.axis,
        )
        sizes = [size for axis, size in enumerate(out.shape) if axis != event.axis]
        if sizes:
            seen.lead, seen.queries = tuple(sizes[:-1]), sizes[-1]

    def _met(self, seen: _Seen, rows: Any, lead: tuple[int, ...]) -> Any:
        seen.lead = lead  # heads may have been mixed into more or fewer
        if self._here is not None:
            seen.scope = _common(seen.call, self._here)
        return rows


def _common(call: Call, other: Call) -> str:
    """Return the path of the innermost call that both are part of."""
    above = set()
    at: Call | None = call
    while at is not None:
        above.add(id(at))
        at = at.parent
    at = other
    while at is not None and id(at) not in above:
        at = at.parent
    return at.path if at is not None else ""


def _heads(lead: tuple[int, ...], call: Call, examples: int) -> int:
    """Return how many heads the axes before the queries hold, all beyond the examples."""
    import torch

    rows = math.prod(lead)
    at: Call | None = call
    if isinstance(call.module, torch.nn.MultiheadAttention):  # positions may come first
        return int(call.module.num_heads)
    if examples and lead and lead[0] % examples == 0:
        return rows // examples
    for _ in range(2):  # a softmax may be a module of its own
        for name in _HEADS:
            number = getattr(at.module, name, None) if at is not None else None
            if isinstance(number, int) and number > 0 and rows % number == 0:
                return number
        at = at.parent if at is not None else None
    return math.prod(lead[1:])


def rows_of(out: Any, heads_last: bool) -> tuple[Any, Callable[[Any], Any]]:
    """Bring what an attention returned to [lead …, query, feature].

    Parameters
    ----------
    out : tensor
    heads_last : bool
        Whether it is [example, query, head, feature].

    Returns
    -------
    tensor
    callable
        Brings it back.
    """
    if not heads_last:
        return out, lambda rows: rows
    return out.transpose(-2, -3), lambda rows: rows.transpose(-2, -3)


def call(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call a module with copies of whatever it could write to, such as caches.

    Parameters
    ----------
    module : torch.nn.Module
    args, kwargs : tuple, mapping

    Returns
    -------
    object
    """
    return module(*map(_copy, args), **{name: _copy(value) for name, value in kwargs.items()})


def _copy(value: Any) -> Any:
    import torch

    if value is None or isinstance(value, (bool, int, float, str, torch.Tensor, torch.nn.Module)):
        return value
    if type(value) in (list, tuple):
        return type(value)(map(_copy, value))
    if type(value) is dict:
        return {name: _copy(item) for name, item in value.items()}
    try:
        return copy.deepcopy(value)
    except RuntimeError:  # holds tensors that are part of a graph
        return value


def tensors_in(value: Any) -> Iterator[Any]:
    """Yield every tensor of what a model took or returned.

    Parameters
    ----------
    value : object
        Tensor, or tuples, lists, mappings and dataclasses of them.

    Yields
    ------
    tensor
    """
    import torch

    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from tensors_in(getattr(value, field.name))


def examples_in(inputs: Any) -> int:
    """Return the length of a call's batch, 0 if it has no tensor.

    Parameters
    ----------
    inputs : object

    Returns
    -------
    int
    """
    first = next((tensor for tensor in tensors_in(inputs) if tensor.dim()), None)
    return 0 if first is None else int(first.shape[0])
