"""Values that are written into a tensor made before, such as a loop's results into zeros.

Room: capture, torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limelight.capture.torch.trace.functions import Step
from limelight.capture.torch.trace.labels import Axes, Axis, kind_of


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


def _says(axis: Axis) -> bool:
    return bool(axis) and all(kind_of(factor) != "unknown" for factor in axis)
