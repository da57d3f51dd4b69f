"""Whether attention looks at its own sequence or at another.

Room: capture, torch. Comes in: the call of a module, and what its queries and keys are made of.
Goes out: ``self`` or ``cross``, and which of the model's inputs the positions on each side are.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from limelight.capture.torch.intercept.modes import Call
from limelight.capture.torch.trace.provenance import Provenance
from limelight.capture.torch.trace.tracking import ProvenanceTracker

# Arguments with such words in their names are no sequences that are attended from or to.
_BESIDE = ("mask", "bias", "position", "cache", "past", "cos", "sin", "rotary", "freq", "weight",
           "alibi", "residual")  # fmt: skip

Origin = frozenset[object]


@dataclass(frozen=True)
class Relation:
    """How queries and keys are related.

    Attributes
    ----------
    kind : str
    query, key : frozenset
        Their origins.
    lengths : frozenset of int
        How long the sequences are that the module was given.
    """

    kind: str
    query: Origin
    key: Origin
    lengths: frozenset[int]


def related(
    call: Call | None,
    sides: tuple[Origin, Origin] | None,
    square: bool,
    tracker: ProvenanceTracker,
    alike: bool = False,
) -> Relation:
    """Say whether queries and keys are of one sequence.

    They are when both were computed from the same tensor position by position; failing that, when
    the module was given a single sequence, and they are equally many or it has a cache, which may
    be longer than what it holds.

    Parameters
    ----------
    call : Call or None
        Of the module, still running.
    sides : pair of frozenset, optional
        Origins of queries and keys, where known.
    square : bool
        Whether they are equally many.
    tracker : ProvenanceTracker
    alike : bool
        Whether their axes count the same positions.

    Returns
    -------
    Relation
    """
    given = [] if call is None else _sequences(call)
    lengths = frozenset(
        int(size)
        for tensor in given
        for size in (tensor.shape[1:-1] if tensor.dim() > 2 else tensor.shape[1:])
    )
    origins = [tracker.of(tensor).origin for tensor in given]
    pair = (origins[0], origins[1] if len(origins) > 1 else origins[0]) if origins else None
    query, key = sides or pair or (frozenset(), frozenset())
    # Inside torch's own attention function, projections cannot be followed.
    given_both = pair is not None and bool(pair[0] & pair[1]) and (_composite(call) or square)
    met = alike or given_both or (sides is not None and bool(query & key))
    if pair is not None and _composite(call):
        query, key = pair
    alone = len({id(tensor) for tensor in given}) == 1
    single = alone and (square or _cached(call))
    return Relation("self" if met or single else "cross", query, key, lengths)


def worded(roots: list[Provenance], spoken: Sequence[int]) -> Callable[[Origin, str], int | None]:
    """Return what says which input's words positions may bear.

    Parameters
    ----------
    roots : list of Provenance
        Of the inputs.
    spoken : sequence of int
        Which of them bear words.

    Returns
    -------
    callable
        Takes an origin and a kind; returns the number of an input, -1 where positions may be those
        of any, None where they are of another.
    """
    every: Origin = frozenset().union(*(root.origin for root in roots))

    def says(origin: Origin, kind: str) -> int | None:
        for number in spoken:
            if origin & roots[number].origin:
                return number
        known = bool(origin & every)
        return -1 if len(roots) == 1 or (kind == "self" and not known) else None

    return says


def _cached(call: Call | None) -> bool:
    """Say whether a module was given something that remembers earlier positions."""
    return call is not None and any(
        ("past" in name or "cache" in name) and value is not None and hasattr(value, "update")
        for name, value in call.kwargs.items()
    )


def _composite(call: Call | None) -> bool:
    import torch

    return call is not None and isinstance(call.module, torch.nn.MultiheadAttention)


def _sequences(call: Call) -> list[Any]:
    """Return the tensors of positions that a module was given."""
    import torch

    try:
        parameters = list(inspect.signature(call.module.forward).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    plain = [p.name for p in parameters if p.kind <= p.POSITIONAL_OR_KEYWORD]
    names = [*plain, *("" for _ in call.args)]
    given = [*zip(names, call.args, strict=False), *call.kwargs.items()]
    return [
        value
        for name, value in given
        if isinstance(value, torch.Tensor)
        and value.dim() >= 2
        and value.dtype is not torch.bool
        and (value.dim() > 2 or not value.is_floating_point())
        and not any(word in name for word in _BESIDE)
    ]
