"""Functions that give one number for a whole axis.

Room: capture, torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limelight.capture.torch.trace.deriving import part_of
from limelight.capture.torch.trace.follow.pointwise import broadcast, merged
from limelight.capture.torch.trace.follow.views import argument
from limelight.capture.torch.trace.functions import Step
from limelight.capture.torch.trace.labels import Axes, Axis


def gone(step: Step) -> set[int]:
    """Return the axes that a function reduces.

    Parameters
    ----------
    step : Step

    Returns
    -------
    set of int
    """
    rank = step.fed[0].dim()
    position = 2 if step.name in {"norm", "cosine_similarity", "quantile"} else 1
    given = argument(step, "dim", position)
    given = step.kwargs.get("axis") if given is None else given
    if given is None or isinstance(given, bool):
        return set(range(rank))
    if not isinstance(given, (int, tuple, list)):
        raise TypeError
    listed = given if isinstance(given, (tuple, list)) else (given,)
    return {int(axis) % rank for axis in listed} or set(range(rank))


def contract(axes: Sequence[Axis], summed: Axis) -> None:
    """Note what was summed over in a product that was spelled out row by row.

    Parameters
    ----------
    axes : sequence of Axis
        Those that stay.
    summed : tuple of Factor
    """
    for axis in axes:
        for factor in axis:
            product = factor[0].product
            if product is not None and not product.contracted:
                product.contracted = summed


def _reduced(step: Step, fed: Sequence[Any], out: Any, index: int) -> Axes:  # noqa: ARG001
    axes, summed = fed[0].axes, gone(step)
    if step.name in {"max", "min"} and len(step.fed) == 2:
        return merged(step, fed, out, 0)
    stays = [axis for at, axis in enumerate(axes) if at not in summed]
    contract(stays, tuple(factor for at in summed for factor in axes[at]))
    if out.dim() == step.fed[0].dim():
        return tuple(() if at in summed else axis for at, axis in enumerate(axes))
    return tuple(stays)


def _compared(step: Step, fed: Sequence[Any], out: Any, index: int) -> Axes:  # noqa: ARG001
    """Follow a sum of products along one axis, such as a cosine."""
    import torch

    pair = step.fed[:2]
    rank = max(tensor.dim() for tensor in pair)
    at = int(argument(step, "dim", 2, 1)) % rank
    shape = torch.broadcast_shapes(*(tensor.shape for tensor in pair))
    axes = broadcast(step, fed, shape)
    stays = (*axes[:at], *axes[at + 1 :])
    contract(stays, axes[at])
    return stays if out.dim() < rank else (*axes[:at], (), *axes[at + 1 :])


def _apart(step: Step, fed: Sequence[Any], out: Any, index: int) -> Axes:  # noqa: ARG001
    """Follow the distances of every row of one tensor from every row of another."""
    from limelight.capture.torch.trace.follow.products import multiplied

    first, second = fed[:2]
    turned = (*second.axes[:-2], second.axes[-1], second.axes[-2])
    return multiplied(first, first.axes, second, turned)


def _kept(step: Step, fed: Sequence[Any], out: Any, index: int) -> Axes:  # noqa: ARG001
    return tuple(
        axis if size == before else part_of(axis, int(size))
        for axis, size, before in zip(fed[0].axes, out.shape, step.fed[0].shape, strict=True)
    )


RULES = {
    **dict.fromkeys(("sum", "mean", "nansum", "nanmean", "max", "min", "amax", "amin", "prod",
                     "std", "var", "norm", "logsumexp", "argmax", "argmin", "all", "any", "median",
                     "mode", "count_nonzero"), _reduced),
    "cosine_similarity": _compared,
    "cdist": _apart,
    **dict.fromkeys(("cumsum", "cumprod", "sort", "flip", "roll", "argsort"), _kept),
}  # fmt: skip
