"""Functions that combine cells at the same position, axes broadcast from the last.

Room: capture, torch. Where each side has an axis that the other lacks, every row of one meets every
row of the other: half a product of queries and keys, whose sum follows later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limelight.capture.torch.trace.deriving import sided, woven
from limelight.capture.torch.trace.functions import Step
from limelight.capture.torch.trace.labels import Axes, Axis, Product, fresh, kind_of

#: How much an axis's label says, by kind; the more, the rather it stays where two meet.
_RANK = {"example": 6, "position": 5, "input": 5, "branch": 4, "tap": 4, "feature": 4,
         "unknown": 3, "row": 3, "learned": 2, "repeat": 1}  # fmt: skip


def merged(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:
    """Follow a function of broadcast tensors.

    Parameters
    ----------
    step : Step
    fed : sequence of Provenance
    out : tensor

    Returns
    -------
    tuple of Axis
    """
    return broadcast(step, fed, tuple(out.shape))


def broadcast(step: Step, fed: Sequence[Any], shape: Sequence[int]) -> Axes:
    """Return the labels of tensors that are combined cell by cell.

    Parameters
    ----------
    step : Step
    fed : sequence of Provenance
    shape : sequence of int
        Of all of them together.

    Returns
    -------
    tuple of Axis
    """
    rank = len(shape)
    if len(fed) == 1:
        return fed[0].axes if step.fed[0].dim() == rank else ((),) * rank
    sides = _sides(step, fed, rank)
    if sides is not None:
        return sides
    axes = []
    for at in range(-rank, 0):
        size = int(shape[at])
        best, rank_of_best, every = None, -1, []
        if size > 1:
            for tensor, known in zip(step.fed, fed, strict=True):
                if tensor.dim() >= -at and tensor.shape[at] == size:
                    every.append(known.axes[at])
                    rank_of_this = worth(known, known.axes[at])
                    if rank_of_this > rank_of_best:
                        best, rank_of_best = known.axes[at], rank_of_this
            axes.append(woven(best, every) if best is not None else fresh(size, "unknown"))
        else:
            axes.append(())
    return tuple(axes)


def worth(known: Any, axis: Axis) -> int:
    """Say how much the labels of an axis tell.

    Parameters
    ----------
    known : Provenance
        Of the tensor.
    axis : tuple of Factor

    Returns
    -------
    int
    """
    worth = 0
    for factor in axis:
        worth += _RANK[kind_of(factor)]
        if factor[0].product is not None:
            worth += 20 if factor[0].product.contracted else 10
    worth = worth * 2 // max(len(axis), 1)
    if known.weights:
        worth += 200
    return worth + (0 if known.learned or known.fixed else 100)


def _sides(step: Step, fed: Sequence[Any], rank: int) -> Axes | None:
    """Follow a function of every row of one tensor with every row of another, if it is that."""
    if len(fed) != 2 or (fed[0].learned and fed[1].learned) or fed[0].weights or fed[1].weights:
        return None
    first, second = ([()] * (rank - t.dim()) + list(known.axes)
                     for t, known in zip(step.fed, fed, strict=True))  # fmt: skip
    alone: list[list[int]] = [[], []]
    for at in range(rank):
        if first[at] and second[at]:
            continue
        side = 0 if first[at] else 1
        axis = first[at] or second[at]
        if axis and not all(kind_of(factor) in _SHARED for factor in axis):
            alone[side].append(at)
    if not alone[0] or not alone[1]:
        return None
    product = Product()
    axes = []
    for at in range(rank):
        if at in alone[0] or at in alone[1]:
            axes.append(sided(first[at] or second[at], product, int(at in alone[1])))
        elif first[at] and second[at]:
            axes.append(max((fed[0], first[at]), (fed[1], second[at]), key=lambda x: worth(*x))[1])
        else:
            axes.append(first[at] or second[at])
    return tuple(axes)


#: Kinds of axes that make no product where only one side has them.
_SHARED = frozenset(("example", "repeat"))

RULES = dict.fromkeys(
    ("and", "or", "xor", "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "addcdiv",
     "bitwise_and", "bitwise_or", "mod", "remainder", "floordiv", "hypot", "atan2", "logaddexp",
     "bernoulli", "fmin", "fmax", "isclose", "square", "sin", "cos", "log", "rsqrt", "invert"),
    merged,
)  # fmt: skip
