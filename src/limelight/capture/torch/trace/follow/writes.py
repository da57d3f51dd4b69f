"""Values that are written into a tensor made before, such as a loop's results into zeros.

Room: capture, torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limelight.capture.torch.trace.follow.views import argument
from limelight.capture.torch.trace.functions import Step
from limelight.capture.torch.trace.labels import Axes, Axis, kind_of, size_of


def written(step: Step, fed: Sequence[Any]) -> Axes:
    """Return the labels of a tensor that something was written into by square brackets.

    Parameters
    ----------
    step : Step
    fed : sequence of Provenance
        The tensor's first, the value's last.

    Returns
    -------
    tuple of Axis
    """
    target, value = fed[0], fed[-1]
    given = step.args[1]
    index = list(given) if isinstance(given, tuple) else [given]
    if not target.learned or any(not isinstance(part, (int, slice)) for part in index):
        return target.axes  # type: ignore[no-any-return]
    shape, incoming = step.fed[0].shape, step.fed[-1].shape
    axes: list[Axis] = list(target.axes)
    rest = len(shape) - sum(isinstance(part, int) for part in index)
    at = len(incoming) - rest
    for axis, size in enumerate(shape):
        part = index[axis] if axis < len(index) else slice(None)
        if isinstance(part, int):
            whole = value.part
            if whole is not None and whole[3] == size:
                axes[axis] = () if size == 1 else ((whole[0], 1, int(size)),)
            continue
        if 0 <= at < len(incoming) and incoming[at] == size and _says(value.axes[at]):
            axes[axis] = value.axes[at]
        at += 1
    return tuple(axes)


def _scattered(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:
    """Follow values that were put where a tensor says, such as back where they were taken from."""
    target, value, incoming = fed[0].axes, fed[-1].axes, step.fed[-1].shape
    at = int(argument(step, "dim", 1)) % out.dim()
    axes = list(target)
    for axis, size in enumerate(out.shape):
        if axis == at:
            whole = value[axis]
            while len(whole) == 1 and size_of(whole) != size:
                whole = whole[0][0].source
            if whole and size_of(whole) == size:
                axes[axis] = whole
        elif incoming[axis] == size and _says(value[axis]):
            axes[axis] = value[axis]
    return tuple(axes)


def _says(axis: Axis) -> bool:
    return bool(axis) and all(kind_of(factor) != "unknown" for factor in axis)


RULES = dict.fromkeys(("scatter", "scatter_add"), _scattered)
