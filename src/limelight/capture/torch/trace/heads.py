"""Follows a softmax's values where heads are mixed, or combined with one another.

Room: capture, torch. Comes in: a function that ran on a softmax's values. Goes out: how its result
holds them, with as many heads as came of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from limelight.capture.torch.trace.after import After, under, word_of
from limelight.capture.torch.trace.functions import Step
from limelight.capture.torch.trace.mixing import mixing

_ITSELF = "combined with other parts of itself"


def mixed(step: Step, after: After, tensor: Any, out: Any) -> After | None:
    """Follow a softmax's values through a function that mixes them along one axis.

    Parameters
    ----------
    step : Step
    after : After
        Of the tensor.
    tensor : tensor
        One of the function's arguments.
    out : tensor
        What it returned.

    Returns
    -------
    After or None
        None where it mixes none, or the keys.
    """
    change = mixing(step.name, step.args, step.kwargs, tensor, out)
    if change is None or after.index is None or not tensor.numel():
        return None
    try:
        index = after.index()
    except (IndexError, RuntimeError, TypeError, ValueError):
        return None  # rearranged in a way nobody thought of
    if tuple(index.shape) != tuple(tensor.shape):
        return None
    stride = _stride(index, change.axis)
    axis = next((a for a, unit in enumerate(_units(after.shape)) if unit == stride), None)
    if axis is None or axis == after.key or index.shape[change.axis] != after.shape[axis]:
        return None
    size = out.shape[change.order.index(None)] if None in change.order else 1
    shape = (*after.shape[:axis], int(size), *after.shape[axis + 1 :])
    rows = index.select(change.axis, 0)
    placed = _replaced(rows, after.shape, shape, axis, change.axis, change.order, int(size))
    return replace(
        after.done("mixing of heads"), shape=shape, index=lambda: placed,
        mixed=after.mixed | {axis},
    )  # fmt: skip


def combined(step: Step, afters: Sequence[After | None], out: Any) -> After | None:
    """Follow heads of one softmax that are combined with others of it, cell by cell.

    Parameters
    ----------
    step : Step
    afters : sequence of After or None
        Of its tensors; None for those that hold none of the softmax's values.
    out : tensor
        What it returned.

    Returns
    -------
    After or None
        None where it does not combine two parts, different ones.
    """
    import torch

    pair = [(a, t) for a, t in zip(afters, step.fed, strict=True) if a is not None]
    if len(pair) != 2 or pair[0][0].index is None or pair[1][0].index is None:
        return None
    (after, tensor), (other, _) = pair
    at = next(i for i, known in enumerate(afters) if known is not None)
    sizes = tuple(tensor.shape)
    if not tensor.numel() == pair[1][1].numel() < math.prod(after.shape):
        return None
    if after.shape != other.shape or after.index is None or other.index is None:
        return replace(after, lost=_ITSELF)
    mine, theirs = after.index().reshape(-1), other.index().reshape(-1)
    if torch.equal(mine, theirs):
        return None
    spots, others = (_coordinates(index, after.shape) for index in (mine, theirs))
    apart = [axis for axis in range(len(spots)) if not torch.equal(spots[axis], others[axis])]
    if len(apart) != 1 or apart[0] == after.key:
        return replace(after, lost=_ITSELF)
    axis = apart[0]
    heads, spots[axis] = spots[axis].unique(return_inverse=True)
    shape = (*after.shape[:axis], len(heads), *after.shape[axis + 1 :])
    if math.prod(shape) != len(mine):
        return replace(after, lost=_ITSELF)
    placed = torch.stack(spots).mul(torch.tensor(_strides(shape))[:, None]).sum(0)
    stages = tuple(dict.fromkeys((*after.stages, *other.stages)))
    done = replace(after, stages=stages).done(f"{word_of(step, at)} of heads")
    whole = replace(done, shape=shape, index=lambda: placed.reshape(sizes))
    return under(replace(whole, mixed=after.mixed | {axis}), out, tensor)


def _strides(shape: Sequence[int]) -> list[int]:
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _coordinates(index: Any, shape: Sequence[int]) -> list[Any]:
    """Return where cells lie along each axis of a tensor, from their numbers in it."""
    spots = []
    for size in reversed(shape):
        spots.append(index % size)
        index = index // size
    return spots[::-1]


def _replaced(
    rows: Any, before: tuple[int, ...], shape: tuple[int, ...], axis: int, gone: int,
    order: tuple[int | None, ...], size: int,
) -> Any:  # fmt: skip
    """Return where values lie once an axis has been mixed into another number of rows."""
    import torch

    units = _units(before)
    inner = units[axis]
    # The first head of each cell; heads more or fewer move what lies before them.
    outer, rest = rows // (inner * before[axis]), rows % inner
    base = outer * (inner * shape[axis]) + rest
    left = [a for a in range(rows.dim() + 1) if a != gone]
    if None not in order:
        return base.permute([left.index(a) for a in order if a is not None])
    wide = base.unsqueeze(-1) + torch.arange(size) * inner
    source = [*left, None]
    return wide.permute([source.index(a) for a in order])


def _units(shape: Sequence[int]) -> list[int]:
    """Return how far apart neighbours along each axis are, 0 where there is only one."""
    return [
        math.prod(shape[axis + 1 :]) if size > 1 else 0 for axis, size in enumerate(shape)
    ]  # fmt: skip


def _stride(index: Any, axis: int) -> int:
    """Return how far neighbours along an axis are apart everywhere; -1 where it differs."""
    if index.shape[axis] < 2:
        return -1
    steps = index.diff(dim=axis)
    first = int(steps.reshape(-1)[0])
    return first if bool((steps == first).all()) and first > 0 else -1
