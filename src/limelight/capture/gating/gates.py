"""Which heads of which sites shall count how much, as a user writes it and as adapters read it.

Room: capture. Comes in: a mapping from heads to numbers. Goes out: :class:`Gates`, or an error that
says how to write them. Knows no framework.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from limelight.capture.probe import Probe
from limelight.capture.recognition import Choice
from limelight.errors import GateError

#: What stands in for a head's contribution as its gate closes.
Replace = Literal["mean", "sample", "uniform"] | None


@dataclass(frozen=True, eq=False)
class Piece:
    """A gate of some heads of one site.

    Attributes
    ----------
    heads : int, slice, sequence of int, or None
        None is all of them.
    value : float or tensor
        One number, or one for each example; with ``each_head``, [head] or [example, head].
    each_head : bool
    """

    heads: int | slice | Sequence[int] | None
    value: Any
    each_head: bool = False

    def indices(self, heads: int) -> list[int]:
        """Return the indices of the heads that are meant, of so many."""
        if self.heads is None:
            return list(range(heads))
        if isinstance(self.heads, slice):
            return list(range(heads))[self.heads]
        return [self.heads] if isinstance(self.heads, int) else list(self.heads)


@dataclass(frozen=True, eq=False)
class Gates:
    """Gates for one model, read but not yet checked against it.

    Attributes
    ----------
    sites : dict of str to tuple of Piece
        A later piece wins where two mean the same head.
    replace : ``mean``, ``sample``, ``uniform`` or None
    reference : object, optional
        Inputs that means or samples are taken from.
    choice : Choice
        Which softmaxes are attention because the user says so.
    """

    sites: dict[str, tuple[Piece, ...]]
    replace: Replace = None
    reference: Any = None
    choice: Choice = Choice()  # noqa: RUF009  # frozen

    def check(self, known: Mapping[str, int]) -> None:
        """Raise an error if a site or head is not there.

        Parameters
        ----------
        known : mapping of str to int
            Every site of the model, and how many heads it has; 0 where none can be gated.
        """
        for site, pieces in self.sites.items():
            if known.get(site) == 0:
                raise GateError(
                    f"Got a gate for {site!r}, whose weights cannot be followed from the softmax "
                    "to the product with the values.",
                    "Wanted a model in which it is known what each head contributes.",
                    "Let it multiply weights [example, head, query, key] and values with matmul, "
                    "bmm or einsum, or gate another site.",
                )
            if site not in known:
                raise GateError(
                    f"Got a gate for {site!r}, which is no attention site of this model.",
                    f"Its sites and their numbers of heads: {_listed(known)}.",
                    "Name one of these, as limelight.capture does.",
                )
            for piece in pieces:
                _check_heads(site, piece, known[site])


def read(gates: Mapping[Any, Any], replace: Replace = None, reference: Any = None) -> Gates:
    """Read what a user wrote.

    Parameters
    ----------
    gates : mapping
        As for :func:`limelight.capture.gate`.
    replace, reference : optional

    Returns
    -------
    Gates

    Raises
    ------
    GateError
        If it is not a mapping of the described form.

    Examples
    --------
    >>> list(read({("a/b", 3): 0.5}).sites)
    ['a/b']
    """
    if replace not in (None, "mean", "sample", "uniform"):
        raise GateError(
            f"Got replace={replace!r}.",
            "Wanted None, 'mean', 'sample' or 'uniform'.",
            "Write one of these.",
        )
    choice = Choice.of(reference) if isinstance(reference, Probe) else Choice()
    if reference is not None and replace in (None, "uniform") and choice == Choice():
        raise GateError(
            "Got a reference, but nothing to take from it.",
            "Wanted replace='mean' or 'sample' beside it.",
            "Say which, or leave the reference out.",
        )
    if not gates or not hasattr(gates, "items"):
        raise GateError(
            f"Got {type(gates).__name__} of no gates.",
            "Wanted a mapping from (site, head) to a gate.",
            'Write it as {("encoder/attention", 0): 0.0}.',
        )
    sites: dict[str, list[Piece]] = {}
    for key, value in gates.items():
        site, piece = _piece(key, value)
        sites.setdefault(site, []).append(piece)
    named = {site: tuple(pieces) for site, pieces in sites.items()}
    return Gates(named, replace, reference, choice)


def _piece(key: Any, value: Any) -> tuple[str, Piece]:
    rank = len(getattr(value, "shape", ()))
    if isinstance(key, str) and rank <= 2:
        return key, Piece(None, value, each_head=rank > 0)
    if isinstance(key, tuple) and len(key) == 2 and isinstance(key[0], str) and rank <= 1:
        heads = key[1]
        if heads is None or isinstance(heads, slice):
            return key[0], Piece(heads, value)
        if isinstance(heads, (tuple, range)) and all(hasattr(h, "__index__") for h in heads):
            return key[0], Piece(tuple(int(head) for head in heads), value)
        if hasattr(heads, "__index__") and not isinstance(heads, bool):
            return key[0], Piece(int(heads), value)
    shape = f" of shape {tuple(value.shape)}" if rank else ""
    raise GateError(
        f"Got a gate{shape} under {key!r}.",
        "Wanted (site, head), (site, range) or (site, None) with a number or [example]; or a site "
        "with [head] or [example, head].",
        'Write it as {("encoder/attention", 0): 0.0}.',
    )


def _check_heads(site: str, piece: Piece, heads: int) -> None:
    indices = piece.indices(heads)
    wrong = [index for index in indices if not 0 <= index < heads]
    if wrong or not indices:
        raise GateError(
            f"Got a gate for head {wrong[0]} of {site!r}, which has {heads}."
            if wrong
            else f"Got a gate for {piece.heads!r} of {site!r}, which is no head.",
            f"Wanted heads from 0 to {heads - 1}.",
            "Correct the heads.",
        )
    shape = tuple(getattr(piece.value, "shape", ()))
    if piece.each_head and shape[-1] != heads:
        raise GateError(
            f"Got gates of shape {shape} for {site!r}, which has {heads} heads.",
            "Wanted [head] or [example, head].",
            "Give one gate for each head, or name heads as (site, head).",
        )


def _listed(known: Mapping[str, int]) -> str:
    able = {site: heads for site, heads in known.items() if heads}
    sites = [f"{site} ({heads})" for site, heads in itertools.islice(able.items(), 40)]
    more = len(able) - len(sites)
    return (", ".join(sites) or "none was seen") + (f" and {more} more" if more > 0 else "")


def never_ran(sites: Iterable[str]) -> GateError:
    """Return the error for named sites that a context ended without.

    Parameters
    ----------
    sites : iterable of str

    Returns
    -------
    GateError
    """
    return GateError(
        f"Gates were set for {', '.join(map(repr, sites))}, but none of their calls was seen.",
        "Wanted the model to run them inside the with.",
        "Call the model itself there, not an exported, scripted or earlier traced copy of it.",
    )


def without_effect(sites: Iterable[str]) -> GateError:
    """Return the error for gates that do not reach the model's output.

    Parameters
    ----------
    sites : iterable of str

    Returns
    -------
    GateError
    """
    return GateError(
        f"Silencing heads of {', '.join(map(repr, sites))} did not reach the model's output.",
        "Wanted the output to be computed from what the heads contribute.",
        "Check that the model uses these weights; if it does, let it multiply softmax and values "
        "with matmul, bmm or einsum, in the module that takes the softmax or the one around it.",
    )
