"""Where the examples are in a tensor, however a model folds and turns its axes.

Room: capture, torch. Comes in: a function that ran, and where the examples were in what it took.
Goes out: where they are in what it returned; None where that cannot be told, and then the first
axis counts. Many models fold heads into the examples' axis, some before and some after them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from limelight.capture.torch.trace import functions as kinds
from limelight.capture.torch.trace.functions import Step


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


#: Of each tensor that a function took, where known.
Batches = Sequence[BatchAxis | None]


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


def moved(step: Step, batches: Batches, out: Any, examples: int) -> BatchAxis | None:
    """Follow the examples through a function.

    Parameters
    ----------
    step : Step
    batches : sequence of BatchAxis or None
        Of its tensors.
    out : tensor
        One that it returned.
    examples : int

    Returns
    -------
    BatchAxis or None
    """
    which = next((i for i, batch in enumerate(batches) if batch is not None), None)
    if which is None:
        return None
    try:
        batch = _rule(step.name)(step, which, batches, out, examples)
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):
        return None  # called in a way nobody thought of
    return batch if fits(batch, out.shape, examples) else None


Rule = Callable[[Step, int, Batches, Any, int], BatchAxis | None]


def _rule(name: str) -> Rule:
    if name in kinds.TURNS:
        return _turned
    if name in kinds.PRODUCTS:
        return _multiplied
    if name in kinds.JOINS:
        return _joined
    return _RULES.get(name, _beside)


def _at(batches: Batches, which: int) -> BatchAxis:
    batch = batches[which]
    if batch is None:
        raise ValueError
    return batch


def _argument(step: Step, name: str, position: int, default: Any = None) -> Any:
    return step.kwargs.get(name, step.args[position] if len(step.args) > position else default)


def _turned(step: Step, which: int, batches: Batches, out: Any, _: int) -> BatchAxis | None:
    """Ask the function itself, on a tensor whose sizes tell its axes apart."""
    import torch

    batch = _at(batches, which)
    marked = torch.empty(tuple(range(2, 2 + step.fed[0].dim())), device="meta")
    sizes = tuple(step.function(marked, *step.args[1:], **step.kwargs).shape)
    return BatchAxis(sizes.index(batch.axis + 2), batch.inner) if len(sizes) == out.dim() else None


def _regrouped(
    step: Step, which: int, batches: Batches, out: Any, examples: int
) -> BatchAxis | None:
    """Follow a view by how far apart two neighbouring examples are."""
    batch, shape = _at(batches, which), step.fed[which].shape
    if step.fed[which].numel() != out.numel():
        return None
    apart = batch.inner * math.prod(shape[batch.axis + 1 :])
    for axis, size in enumerate(out.shape):
        unit = math.prod(out.shape[axis + 1 :])
        if unit <= apart and apart % unit == 0 and apart * examples <= unit * size:
            return BatchAxis(axis, apart // unit)
    return None


def _beside(step: Step, which: int, batches: Batches, out: Any, _: int) -> BatchAxis | None:
    """Follow a function that keeps axes, or broadcasts them from the last."""
    batch, source = _at(batches, which), step.fed[which]
    if step.name in kinds.ELEMENTWISE:
        axis = batch.axis + out.dim() - source.dim()
        return BatchAxis(axis, batch.inner) if out.shape[axis] == source.shape[batch.axis] else None
    if step.name == "embedding" and which != 0:
        return None
    if batch.axis < out.dim() and out.shape[batch.axis] == source.shape[batch.axis]:
        return batch
    return None


def _widened(step: Step, which: int, batches: Batches, out: Any, _: int) -> BatchAxis | None:
    batch = _at(batches, which)
    return BatchAxis(batch.axis + out.dim() - step.fed[which].dim(), batch.inner)


def _spread(step: Step, which: int, batches: Batches, out: Any, _: int) -> BatchAxis | None:
    batch, times = _at(batches, which), _argument(step, "repeats", 1)
    axis = _argument(step, "dim", 2)
    if axis is None or not isinstance(times, int):
        return None
    return BatchAxis(batch.axis, batch.inner * (times if axis % out.dim() == batch.axis else 1))


def _taken(
    step: Step,
    which: int,
    batches: Batches,
    out: Any,  # noqa: ARG001  # as all rules
    _: int,
) -> BatchAxis | None:
    """Follow an index, or one of the slices along an axis."""
    batch, rank = _at(batches, which), step.fed[0].dim()
    if step.name in {"unbind", "select"}:
        axis = int(_argument(step, "dim", 1, 0)) % rank
        if axis == batch.axis:
            return None
        return BatchAxis(batch.axis - (axis < batch.axis), batch.inner)
    index = step.args[1] if isinstance(step.args[1], tuple) else (step.args[1],)
    if not all(
        part is None or part is Ellipsis or isinstance(part, (int, slice)) for part in index
    ):
        return None
    named = sum(part is not None and part is not Ellipsis for part in index)
    source, target = 0, 0
    for part in (*index, *(() if Ellipsis in index else (Ellipsis,))):
        if part is None:
            target += 1
            continue
        width = rank - named if part is Ellipsis else 1
        if source <= batch.axis < source + width:
            whole = not isinstance(part, int)
            return BatchAxis(target + batch.axis - source, batch.inner) if whole else None
        source += width
        target += 0 if isinstance(part, int) else width
    return None


def _summed(step: Step, which: int, batches: Batches, out: Any, _: int) -> BatchAxis | None:
    batch, rank = _at(batches, which), step.fed[0].dim()
    axes = _argument(step, "dim", 1)
    if axes is None:
        return None
    gone = {int(axis) % rank for axis in (axes if isinstance(axes, (tuple, list)) else (axes,))}
    if batch.axis in gone:
        return None
    if out.dim() == rank:
        return batch
    return BatchAxis(batch.axis - sum(axis < batch.axis for axis in gone), batch.inner)


def _joined(step: Step, which: int, batches: Batches, out: Any, _: int) -> BatchAxis | None:
    batch = _at(batches, which)
    axis = int(_argument(step, "dim", 1, 0)) % out.dim()
    if step.name == "stack":
        return BatchAxis(batch.axis + (axis <= batch.axis), batch.inner)
    return batch if axis != batch.axis or len({*batches}) == 1 else None


def _multiplied(step: Step, which: int, batches: Batches, out: Any, _: int) -> BatchAxis | None:
    batch, source = _at(batches, which), step.fed[which]
    if step.name == "einsum":
        inputs, _, output = step.args[0].replace(" ", "").replace("...", ".").partition("->")
        letters = inputs.split(",")[which]
        if letters.startswith(".") and batch.axis <= source.dim() - len(letters):
            return batch
        at = batch.axis - (source.dim() - len(letters) if letters.startswith(".") else 0)
        return BatchAxis(output.index(letters[at]), batch.inner)
    if step.fed[-1].dim() == 1:
        return batch
    return BatchAxis(batch.axis + out.dim() - source.dim(), batch.inner)


_RULES: dict[str, Rule] = {
    **dict.fromkeys(("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as",
                     "reshape_as"), _regrouped),
    **dict.fromkeys(("expand", "expand_as", "broadcast_to", "repeat"), _widened),
    **dict.fromkeys(("getitem", "unbind", "select"), _taken),
    **dict.fromkeys(("sum", "mean", "nansum", "max", "min", "amax"), _summed),
    "repeat_interleave": _spread,
}  # fmt: skip
