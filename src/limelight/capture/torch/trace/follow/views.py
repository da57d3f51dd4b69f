"""Functions that give the same cells in another order or form, or some of them.

Room: capture, torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limelight.capture.torch.trace.deriving import part_of, regrouped
from limelight.capture.torch.trace.functions import Step
from limelight.capture.torch.trace.labels import Axes, Axis, fresh, kind_of, size_of


def argument(step: Step, name: str, position: int, default: Any = None) -> Any:
    """Return an argument by its name or its position.

    Parameters
    ----------
    step : Step
    name : str
    position : int
    default : object

    Returns
    -------
    object
    """
    if name in step.kwargs:
        return step.kwargs[name]
    return step.args[position] if len(step.args) > position else default


def _viewed(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:
    shape = tuple(out.shape)
    if step.fed[0].numel() != out.numel():
        raise ValueError
    return regrouped(fed[0].axes, shape)


def _swapped(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:
    axes, rank = list(fed[0].axes), out.dim()
    names = [name for name in ("dim0", "axis0") if name in step.kwargs] or ["dim0"]
    first = int(argument(step, names[0], 1)) % rank
    second = int(argument(step, names[0].replace("0", "1"), 2)) % rank
    axes[first], axes[second] = axes[second], axes[first]
    return tuple(axes)


def _permuted(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:
    order = argument(step, "dims", 1)
    order = step.args[1:] if isinstance(order, int) else order
    return tuple(fed[0].axes[int(axis) % out.dim()] for axis in order)


def _moved(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:
    rank = out.dim()

    def listed(name: str, position: int) -> list[int]:
        given = argument(step, name, position)
        given = (given,) if isinstance(given, int) else given
        return [int(axis) % rank for axis in given]

    source, target = listed("source", 1), listed("destination", 2)
    rest = iter(axis for axis in range(rank) if axis not in source)
    placed = dict(zip(target, source, strict=True))
    return tuple(
        fed[0].axes[placed[axis] if axis in placed else next(rest)] for axis in range(rank)
    )


def _reversed(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:
    axes = fed[0].axes
    if step.name in {"T", "t"} or out.dim() < 2:
        return tuple(axes[::-1])
    return (*axes[:-2], axes[-1], axes[-2])


def _widened(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:
    """Follow ``expand``: an axis more, or one of size one that is repeated."""
    axes, more = fed[0].axes, out.dim() - step.fed[0].dim()
    sizes = step.fed[0].shape
    return tuple(
        axes[at - more] if at >= more and sizes[at - more] == size else fresh(int(size), "repeat")
        for at, size in enumerate(out.shape)
    )


def _repeated(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:
    axes, more = fed[0].axes, out.dim() - step.fed[0].dim()
    widened = []
    for at, size in enumerate(out.shape):
        axis = axes[at - more] if at >= more else ()
        widened.append((*fresh(int(size) // max(size_of(axis), 1), "repeat"), *axis))
    return tuple(widened)


def _spread(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:
    at = argument(step, "dim", 2)
    if at is None:
        raise ValueError
    at, axes = int(at) % out.dim(), list(fed[0].axes)
    times, rest = divmod(int(out.shape[at]), int(step.fed[0].shape[at]))
    if rest:  # each as often as a tensor says
        axes[at] = part_of(axes[at], int(out.shape[at]))
    else:
        axes[at] = (*axes[at], *fresh(times, "repeat"))
    return tuple(axes)


def _cut(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:
    """Follow a function that gives a part of one axis, or the same axis in another order."""
    return tuple(
        axis if size == before else part_of(axis, int(size))
        for axis, size, before in zip(fed[0].axes, out.shape, step.fed[0].shape, strict=True)
    )


def _dealt(step: Step, fed: Sequence[Any], out: Any, index: int) -> Axes:
    """Follow one of several equal parts: of heads and examples on one axis, a head's examples."""
    axes = list(_cut(step, fed, out, index))
    before = step.fed[0].shape
    for at, (axis, size) in enumerate(zip(fed[0].axes, out.shape, strict=True)):
        if size == before[at] or not isinstance(step.args[1] if len(step.args) > 1 else 0, int):
            continue
        for first in range(1, len(axis)):
            if size_of(axis[first:]) == size:
                axes[at] = axis[first:]
    return tuple(axes)


def _halved(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:  # noqa: ARG001
    return tuple(fed[0].axes[:-1])


def _doubled(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:  # noqa: ARG001
    return (*fed[0].axes, fresh(2, "feature"))  # a real and an imaginary part


def _selected(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:  # noqa: ARG001
    at = int(argument(step, "dim", 1, 0)) % step.fed[0].dim()
    axes = fed[0].axes
    return (*axes[:at], *axes[at + 1 :])


def _gathered(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:
    at = int(argument(step, "dim", 1)) % out.dim()
    known = next(p for p, t in zip(fed[1:], step.fed[1:], strict=True) if t.shape == out.shape)
    axes = []
    for axis in range(out.dim()):
        source, size = fed[0].axes[axis], int(out.shape[axis])
        if axis == at:
            axes.append(part_of(source, size))
        elif size == step.fed[0].shape[axis]:
            axes.append(source)
        else:
            axes.append(known.axes[axis])
    return tuple(axes)


def _indexed(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:
    """Follow square brackets."""
    import torch

    given = step.args[1]
    index = list(given) if isinstance(given, tuple) else [given]
    index = [torch.as_tensor(part) if isinstance(part, list) else part for part in index]
    tensors = [part for part in index if isinstance(part, torch.Tensor)]
    rank = step.fed[0].dim()
    taken = sum(_width(part) for part in index if part is not None and part is not Ellipsis)
    at = next((i for i, part in enumerate(index) if part is Ellipsis), len(index))
    fill: list[Any] = [slice(None)] * (rank - taken)
    index[at : at + 1] = fill
    axes: list[Axis] = []
    source, spots = 0, []
    for part in index:
        if part is None:
            axes.append(())
        elif isinstance(part, slice):
            axis, size = fed[0].axes[source], int(step.fed[0].shape[source])
            length = len(range(*part.indices(size)))
            axes.append(axis if length == size else part_of(axis, length))
            source += 1
        elif isinstance(part, torch.Tensor) and part.dim():
            spots.append((len(axes), source))
            source += _width(part)
        else:
            source += 1
    if spots:
        _advanced(axes, spots, tensors, step, fed, out, index)
    return tuple(axes)


def _width(part: Any) -> int:
    return int(part.dim()) if getattr(part, "dtype", None) is not None and _is_bool(part) else 1


def _is_bool(part: Any) -> bool:
    return str(part.dtype) == "torch.bool" and part.dim() > 0


def _advanced(
    axes: list[Axis],
    spots: list[tuple[int, int]],
    tensors: list[Any],
    step: Step,
    fed: Sequence[Any],
    out: Any,
    index: list[Any],
) -> None:
    """Put the axes that indices by tensors make among the others."""
    count = out.dim() - len(axes)
    marks = [i for i, part in enumerate(index) if hasattr(part, "dim") or isinstance(part, int)]
    together = marks[-1] - marks[0] == len(marks) - 1
    first = spots[0][0] if together else 0
    by_id = {id(tensor): known for tensor, known in zip(step.fed, fed, strict=True)}
    made: list[Axis] = []
    for at in range(count):
        size = int(out.shape[first + at])
        known = [
            by_id[id(t)].axes[at - count]
            for t in tensors
            if id(t) in by_id and t.dim() >= count - at and t.shape[at - count] == size
        ]
        examples = next((a for a in known if any(kind_of(f) == "example" for f in a)), None)
        if examples is not None:
            made.append(examples)
            continue
        spot = spots[min(at, len(spots) - 1)][1]
        whole = size == step.fed[0].shape[spot]
        axis = fed[0].axes[spot]
        stays = whole and any(kind_of(factor) == "example" for factor in axis)
        made.append(axis if stays else part_of(axis, size))
    axes[first:first] = made


RULES = {
    **dict.fromkeys(("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as",
                     "reshape_as", "_unsafe_view", "ravel"), _viewed),
    **dict.fromkeys(("transpose", "swapaxes", "swapdims"), _swapped),
    "permute": _permuted,
    **dict.fromkeys(("movedim", "moveaxis"), _moved),
    **dict.fromkeys(("T", "t", "mT", "H", "mH", "adjoint"), _reversed),
    **dict.fromkeys(("expand", "expand_as", "broadcast_to"), _widened),
    **dict.fromkeys(("repeat", "tile"), _repeated),
    "repeat_interleave": _spread,
    **dict.fromkeys(("narrow", "slice", "index_select", "topk", "split_with_sizes", "hsplit",
                     "vsplit", "split_copy", "pad"), _cut),
    **dict.fromkeys(("chunk", "split", "tensor_split", "unsafe_chunk", "unsafe_split"), _dealt),
    **dict.fromkeys(("select", "unbind"), _selected),
    "gather": _gathered,
    "getitem": _indexed,
    "view_as_complex": _halved,
    "view_as_real": _doubled,
}  # fmt: skip
