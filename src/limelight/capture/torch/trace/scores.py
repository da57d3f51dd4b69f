"""What the axes of an attention's scores, and of what it returns, are made of.

Room: capture, torch. Comes in: what is known of queries, keys and values, or of a softmax's input.
Goes out: labels of the scores' axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limelight.capture.torch.trace.follow.products import multiplied, together
from limelight.capture.torch.trace.labels import (
    Axes,
    Axis,
    Factor,
    Label,
    fit,
    fresh,
    kind_of,
    root,
    size_of,
    sources,
    unknown,
)

_POSITIONS = frozenset(("position", "input"))


def scored(query: Any, key: Any) -> Axes | None:
    """Return the labels of the scores of queries and keys.

    Parameters
    ----------
    query, key : Provenance
        Of tensors [..., position, feature].

    Returns
    -------
    tuple of Axis or None
    """
    if min(len(query.axes), len(key.axes)) < 2:
        return None
    turned = (*key.axes[:-2], key.axes[-1], key.axes[-2])
    return multiplied(_SIDE, query.axes, _SIDE, turned)


class _Side:
    """A side of a product that is one, whatever it is made of."""

    weights: tuple[Any, ...] = ()
    learned = fixed = False


#: Learned keys are keys here, and no layer.
_SIDE = _Side()


def attended(query: Any, value: Any, out: Any, heads_last: bool) -> Axes:
    """Return the labels of what an attention returns.

    Parameters
    ----------
    query, value : Provenance
    out : tensor
        What it returns.
    heads_last : bool
        Whether heads come after the queries.

    Returns
    -------
    tuple of Axis
    """
    if out.is_nested:
        return ()
    if not query.axes or not value.axes:
        return unknown(out.shape)
    axes = (*query.axes[:-1], value.axes[-1])
    if len(value.axes) == len(axes):
        lead = zip(query.axes[:-2], value.axes[:-2], strict=True)
        axes = (
            *(
                together(query, mine, value, theirs) if size_of(mine) == size_of(theirs) else mine
                for mine, theirs in lead
            ),
            *axes[-2:],
        )
    if heads_last and len(axes) > 2:
        axes = (*axes[:-3], axes[-2], axes[-3], axes[-1])
    return axes if fit(axes, out.shape) else unknown(out.shape)


def labelled(axes: Axes) -> Any:
    """Return the first axis that holds examples, None if none does.

    Parameters
    ----------
    axes : tuple of Axis

    Returns
    -------
    int or None
    """
    for at, axis in enumerate(axes):
        if any(factor[0].kind == "example" for factor in axis):
            return at
    return None


def mapped(axes: Axes | None, shape: Sequence[int], levels: int) -> Axes | None:
    """Return the labels of scores whose first axes ``torch.vmap`` had hidden.

    Parameters
    ----------
    axes : tuple of Axis, optional
    shape : sequence of int
    levels : int
        How many these are.

    Returns
    -------
    tuple of Axis or None
    """
    if axes is None:
        return None
    return (*(fresh(int(size), "unknown") for size in shape[:levels]), *axes)


def apart(axes: Axes | None, axis: int) -> bool:
    """Say whether queries and keys are surely of different sequences.

    Parameters
    ----------
    axes : tuple of Axis, optional
        Of scores.
    axis : int
        Of the keys.

    Returns
    -------
    bool
    """
    queries, keys = _compared(axes, axis)
    if axes and not keys:  # learned queries, or a layer, make the scores of each position
        rest = [f for at, other in enumerate(axes) if at != axis % len(axes) for f in other]
        asked = {root(factor)[0] for factor in axes[axis]}
        counted = [label.kind in _POSITIONS for label in asked]
        if all(counted) and any(counted) and rest and kind_of(rest[-1]) == "feature":
            return True
        learned = any(kind_of(factor) == "learned" for factor in rest)
        same = any(root(factor)[0] in asked for factor in rest)
        return learned and not same and any(counted)
    theirs = {root(factor)[0] for factor in keys}
    mine = {root(factor)[0] for factor in queries}
    # Keys may be sums that a layer made of positions, however many.
    kinds = {"position", "input", "learned"}
    known = {label.kind for label in mine} <= kinds
    known &= {label.kind for label in theirs} <= kinds | {"feature"}
    return bool(mine) and known and not mine & theirs


def square(axes: Axes | None, axis: int, shape: Sequence[int]) -> bool:
    """Say whether there are as many queries as keys.

    Parameters
    ----------
    axes : tuple of Axis, optional
        Of scores.
    axis : int
        Of the keys.
    shape : sequence of int
        Of the scores, whose last axis beside the keys' counts queries where nothing else is known.

    Returns
    -------
    bool
    """
    queries = 0
    for factor in _compared(axes, axis)[0]:
        if kind_of(factor) in {"position", "input", "learned"}:
            queries = max(queries, 1) * factor[2]
    others = [size for at, size in enumerate(shape) if at != axis % len(shape)]
    return (queries or (others[-1] if others else 1)) == shape[axis]


def alike(axes: Axes | None, axis: int) -> bool:
    """Say whether queries and keys are surely the same positions, but for a single key more.

    A sequence that was taken apart and put together again has as many positions as before.

    Parameters
    ----------
    axes : tuple of Axis, optional
        Of scores.
    axis : int
        Of the keys.

    Returns
    -------
    bool
    """
    queries, keys = _compared(axes, axis)
    mine = {root(factor) for factor in queries}
    theirs = {part for factor in keys for part in _beside(root(factor))}
    kinds = {"position", "input", "learned"}
    if mine == theirs and all(factor[0].kind in kinds for factor in mine):
        return bool(mine)
    return _put_together(queries, keys)


def _put_together(queries: Sequence[Factor], keys: Axis) -> bool:
    """Say whether both are made of all parts of one sequence, whatever became of them."""
    size = size_of(keys)
    mine, theirs = [root(factor) for factor in queries], [root(factor) for factor in keys]
    if size_of(tuple(mine)) != size:
        return False
    wholes = {f[0] for f in (*sources(mine), *sources(theirs)) if f[2] == size and f[1] == 1}
    return any(_within(mine, whole) and _within(theirs, whole) for whole in wholes)


def _within(axis: Sequence[Factor], whole: Label) -> bool:
    """Say whether an axis was made of parts of one label alone."""
    return bool(axis) and all(
        factor[0] is whole or _within(factor[0].source, whole) for factor in axis
    )


def _compared(axes: Axes | None, axis: int) -> tuple[list[Factor], Axis]:
    """Return what counts queries on scores' axes, and what counts keys."""
    keys = axes[axis] if axes else ()
    product = next((f[0].product for f in keys if f[0].product is not None), None)
    if not axes or product is None:
        return [], ()
    side = next(f[0].side for f in keys if f[0].product is product)
    apart_from = [factor for other in axes for factor in other if factor[0].product is product]
    return [factor for factor in apart_from if factor[0].side != side], keys


def _beside(factor: Factor) -> list[Factor]:
    """Return what lies end to end on an axis; one that is missing has a single position."""
    parts = [root(part) for part in factor[0].source]
    missing = factor[2] - sum(part[2] for part in parts)
    return parts if parts and 0 <= missing <= 1 else [factor]


def over_features(known: Any, axis: Axis, last: bool) -> bool:
    """Say whether a softmax runs over what a layer made of each position.

    Parameters
    ----------
    known : Provenance
        Of the softmax's input.
    axis : tuple of Factor
    last : bool
        Whether that is the last axis.

    Returns
    -------
    bool
    """
    if not axis or any(kind_of(factor) == "unknown" for factor in axis):
        return bool(known.features and last)
    return not known.learned and all(
        factor[0].product is None and kind_of(factor) in {"feature", "learned"} for factor in axis
    )
