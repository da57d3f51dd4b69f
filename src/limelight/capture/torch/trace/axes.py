"""Where the examples are in a tensor, however a model folds and turns its axes.

Room: capture, torch. Comes in: the labels of a tensor's axes. Goes out: the axis of the examples;
None where that cannot be told. Many models fold heads into it, some before and some after them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from limelight.capture.torch.trace.labels import Axes


@dataclass(frozen=True)
class BatchAxis:
    """An axis with the examples on it.

    Attributes
    ----------
    axis : int
    inner : int
        So many neighbours belong to one example; then come the next one's. After the last
        example it starts again with the first.
    """

    axis: int
    inner: int = 1


def first(tensor: Any, batch: BatchAxis, examples: int) -> Any:
    """Bring the examples to the front.

    Parameters
    ----------
    tensor : tensor or array
    batch : BatchAxis
    examples : int

    Returns
    -------
    tensor or array
        [example, …], with what shared the examples' axis where that was.
    """
    shape = tuple(tensor.shape)
    axis, size = batch.axis, shape[batch.axis]
    around = [part for part in (size // (examples * batch.inner), batch.inner) if part > 1]
    outer = size // (examples * batch.inner)
    apart = tensor.reshape(*shape[:axis], outer, examples, batch.inner, *shape[axis + 1 :])
    order = [axis + 1, *(a for a in range(len(shape) + 2) if a != axis + 1)]
    turned = apart.permute(order) if hasattr(apart, "permute") else apart.transpose(order)
    return turned.reshape(examples, *shape[:axis], *around, *shape[axis + 1 :])


def fits(batch: BatchAxis | None, shape: Sequence[int], examples: int) -> bool:
    """Say whether an axis can be that of the examples in a tensor of some shape.

    Parameters
    ----------
    batch : BatchAxis or None
    shape : sequence of int
    examples : int

    Returns
    -------
    bool
    """
    if batch is None or not 0 <= batch.axis < len(shape):
        return False
    return shape[batch.axis] > 0 and shape[batch.axis] % (examples * batch.inner) == 0


def batch_axis(axes: Axes, examples: int) -> BatchAxis | None:
    """Return where the examples are among axes, if they are on one of them.

    Parameters
    ----------
    axes : tuple of Axis
    examples : int

    Returns
    -------
    BatchAxis or None
    """
    for at, axis in enumerate(axes):
        inner = 1
        for factor in reversed(axis):
            if factor[0].kind == "example" and factor[2] == examples:
                return BatchAxis(at, inner)
            inner *= factor[2]
    return None
