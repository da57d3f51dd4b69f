"""Makes axes out of others: seen under another shape, cut, put together, woven, a product's side.

Room: capture, torch. Comes in: axes of factors (:mod:`limelight.capture.torch.trace.labels`). Goes
out: axes that remember what they were made of.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from limelight.capture.torch.trace.labels import (
    Axes,
    Axis,
    Factor,
    Label,
    Product,
    apart,
    joined,
    kind_of,
    root,
    unknown,
)


def regrouped(axes: Axes, shape: Sequence[int]) -> Axes:
    """Follow a view of the same cells under another shape.

    Parameters
    ----------
    axes : tuple of Axis
    shape : sequence of int

    Returns
    -------
    tuple of Axis
        ``unknown`` where a new axis cuts through an old one; what lies before and behind is
        followed all the same.
    """
    before, stuck = _walk(apart(axes), list(shape))
    if not stuck:
        return tuple(before)
    behind, _ = _walk(apart(axes)[::-1], list(shape)[::-1], backwards=True)
    rest = len(shape) - len(before) - len(behind)
    if rest <= 0:
        behind = behind[: len(shape) - len(before) - 1]
        rest = len(shape) - len(before) - len(behind)
    middle = unknown(shape[len(before) : len(before) + rest])
    return (*before, *middle, *behind[::-1])


def _walk(
    factors: list[Factor], shape: list[int], backwards: bool = False
) -> tuple[list[Axis], bool]:
    """Deal factors out to axes, and say whether that stopped before the end."""
    axes: list[Axis] = []
    pending = factors[::-1]
    for size in shape:
        axis: list[Factor] = []
        need = size
        while need > 1:
            if not pending:
                return axes, True
            label, stride, count = pending.pop()
            if need % count == 0:
                axis.append((label, stride, count))
                need //= count
            elif count % need == 0:
                rest = count // need
                if backwards:
                    axis.append((label, stride, need))
                    pending.append((label, stride * need, rest))
                else:
                    axis.append((label, stride * rest, need))
                    pending.append((label, stride, rest))
                need = 1
            else:
                common = math.gcd(need, count)
                return axes, common > 0
        axes.append(joined(axis[::-1] if backwards else axis))
    return axes, False


def sided(axis: Axis, product: Product, side: int) -> Axis:
    """Mark an axis as one of a product's two sides.

    Parameters
    ----------
    axis : tuple of Factor
    product : Product
    side : int
        0 or 1.

    Returns
    -------
    tuple of Factor
    """
    marked = []
    for factor in axis:
        if factor[0].kind == "example":
            marked.append(factor)
            continue
        base = root(factor)
        label = Label(base[0].kind)
        label.product, label.side, label.base = product, side, base
        marked.append((label, 1, factor[2]))
    return tuple(marked)


def part_of(axis: Axis, size: int) -> Axis:
    """Return what a part of an axis counts: some of its positions, or of its features.

    Parameters
    ----------
    axis : tuple of Factor
    size : int
        How long the part is.

    Returns
    -------
    tuple of Factor
    """
    return pooled([axis], size)


#: What an axis of several kinds counts.
_STRONGEST = (
    "position", "input", "unknown", "branch", "tap", "feature", "row", "learned", "repeat",
    "example",
)  # fmt: skip


def pooled(axes: Sequence[Axis], size: int) -> Axis:
    """Return an axis put together from others, or from parts of them.

    Parameters
    ----------
    axes : sequence of Axis
    size : int
        How long it is.

    Returns
    -------
    tuple of Factor
    """
    if size == 1:
        return ()
    source = tuple(factor for axis in axes for factor in axis)
    kinds = {kind_of(factor) for factor in source}
    kind = next((kind for kind in _STRONGEST if kind in kinds), "unknown")
    label = Label(kind, source)
    sided_by = next((factor[0] for factor in source if factor[0].product is not None), None)
    if sided_by is not None:  # such as keys with a sink beside them
        label.product, label.side = sided_by.product, sided_by.side
    return ((label, 1, size),)


def woven(axis: Axis, others: Sequence[Axis]) -> Axis:
    """Return an axis where copies gave way to what other tensors have there.

    Parameters
    ----------
    axis : tuple of Factor
    others : sequence of Axis
        As long, of tensors that are combined with its own cell by cell.

    Returns
    -------
    tuple of Factor
    """
    if all(factor[0].kind != "repeat" for factor in axis):
        return axis
    sizes = [factor[2] for factor in axis]
    fitting = [other for other in others if [factor[2] for factor in other] == sizes]
    return tuple(
        next((other[at] for other in fitting if other[at][0].kind != "repeat"), factor)
        if factor[0].kind == "repeat"
        else factor
        for at, factor in enumerate(axis)
    )
