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
class Place:
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


def first(tensor: Any, place: Place, examples: int) -> Any:
    """Bring the examples to the front.

    Parameters
    ----------
    tensor : tensor or array
    place : Place
    examples : int

    Returns
    -------
    tensor or array
        [example, …], with what shared the examples' axis where that was.
    """
    shape = tuple(tensor.shape)
    axis, size = place.axis, shape[place.axis]
    around = [part for part in (size // (examples * place.inner), place.inner) if part > 1]
    outer = size // (examples * place.inner)
    apart = tensor.reshape(*shape[:axis], outer, examples, place.inner, *shape[axis + 1 :])
    order = [axis + 1, *(a for a in range(len(shape) + 2) if a != axis + 1)]
    turned = apart.permute(order) if hasattr(apart, "permute") else apart.transpose(order)
    return turned.reshape(examples, *shape[:axis], *around, *shape[axis + 1 :])


def fits(place: Place | None, shape: Sequence[int], examples: int) -> bool:
    """Say whether a place can be one of a tensor of some shape.

    Parameters
    ----------
    place : Place or None
    shape : sequence of int
    examples : int

    Returns
    -------
    bool
    """
    if place is None or not 0 <= place.axis < len(shape):
        return False
    return shape[place.axis] > 0 and shape[place.axis] % (examples * place.inner) == 0


def moved(step: Step, places: Sequence[Place | None], out: Any, examples: int) -> Place | None:
    """Follow the examples through a function.

    Parameters
    ----------
    step : Step
    places : sequence of Place or None
        Of its tensors.
    out : tensor
        One that it returned.
    examples : int

    Returns
    -------
    Place or None
    """
    which = next((i for i, place in enumerate(places) if place is not None), None)
    if which is None:
        return None
    try:
        found = _rule(step.name)(step, which, places, out, examples)
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):
        return None  # called in a way nobody thought of
    return found if fits(found, out.shape, examples) else None


Rule = Callable[[Step, int, Sequence[Place | None], Any, int], Place | None]


def _rule(name: str) -> Rule:
    if name in kinds.TURNS:
        return _turned
    if name in kinds.PRODUCTS:
        return _multiplied
    if name in kinds.JOINS:
        return _joined
    return _RULES.get(name, _beside)


def _at(places: Sequence[Place | None], which: int) -> Place:
    place = places[which]
    if place is None:
        raise ValueError
    return place


def _argument(step: Step, name: str, position: int, default: Any = None) -> Any:
    return step.kwargs.get(name, step.args[position] if len(step.args) > position else default)


def _turned(
    step: Step, which: int, places: Sequence[Place | None], out: Any, _: int
) -> Place | None:
    """Ask the function itself, on a tensor whose sizes tell its axes apart."""
    import torch

    place = _at(places, which)
    marked = torch.empty(tuple(range(2, 2 + step.fed[0].dim())), device="meta")
    sizes = tuple(step.function(marked, *step.args[1:], **step.kwargs).shape)
    return Place(sizes.index(place.axis + 2), place.inner) if len(sizes) == out.dim() else None


def _regrouped(
    step: Step, which: int, places: Sequence[Place | None], out: Any, examples: int
) -> Place | None:
    """Follow a view by how far apart two neighbouring examples are."""
    place, shape = _at(places, which), step.fed[which].shape
    if step.fed[which].numel() != out.numel():
        return None
    apart = place.inner * math.prod(shape[place.axis + 1 :])
    for axis, size in enumerate(out.shape):
        unit = math.prod(out.shape[axis + 1 :])
        if unit <= apart and apart % unit == 0 and apart * examples <= unit * size:
            return Place(axis, apart // unit)
    return None


def _beside(
    step: Step, which: int, places: Sequence[Place | None], out: Any, _: int
) -> Place | None:
    """Follow a function that keeps axes, or broadcasts them from the last."""
    place, source = _at(places, which), step.fed[which]
    if step.name in kinds.ELEMENTWISE:
        axis = place.axis + out.dim() - source.dim()
        return Place(axis, place.inner) if out.shape[axis] == source.shape[place.axis] else None
    if step.name == "embedding" and which != 0:
        return None
    if place.axis < out.dim() and out.shape[place.axis] == source.shape[place.axis]:
        return place
    return None


def _widened(
    step: Step, which: int, places: Sequence[Place | None], out: Any, _: int
) -> Place | None:
    place = _at(places, which)
    return Place(place.axis + out.dim() - step.fed[which].dim(), place.inner)


def _spread(
    step: Step, which: int, places: Sequence[Place | None], out: Any, _: int
) -> Place | None:
    place, times = _at(places, which), _argument(step, "repeats", 1)
    axis = _argument(step, "dim", 2)
    if axis is None or not isinstance(times, int):
        return None
    return Place(place.axis, place.inner * (times if axis % out.dim() == place.axis else 1))


def _taken(
    step: Step,
    which: int,
    places: Sequence[Place | None],
    out: Any,  # noqa: ARG001  # as all rules
    _: int,
) -> Place | None:
    """Follow an index, or one of the slices along an axis."""
    place, rank = _at(places, which), step.fed[0].dim()
    if step.name in {"unbind", "select"}:
        axis = int(_argument(step, "dim", 1, 0)) % rank
        if axis == place.axis:
            return None
        return Place(place.axis - (axis < place.axis), place.inner)
    index = step.args[1] if isinstance(step.args[1], tuple) else (step.args[1],)
    if any(not (one is None or one is Ellipsis or isinstance(one, (int, slice))) for one in index):
        return None
    named = sum(one is not None and one is not Ellipsis for one in index)
    source, target = 0, 0
    for one in (*index, *(() if Ellipsis in index else (Ellipsis,))):
        if one is None:
            target += 1
            continue
        width = rank - named if one is Ellipsis else 1
        if source <= place.axis < source + width:
            whole = not isinstance(one, int)
            return Place(target + place.axis - source, place.inner) if whole else None
        source += width
        target += 0 if isinstance(one, int) else width
    return None


def _summed(
    step: Step, which: int, places: Sequence[Place | None], out: Any, _: int
) -> Place | None:
    place, rank = _at(places, which), step.fed[0].dim()
    axes = _argument(step, "dim", 1)
    if axes is None:
        return None
    gone = {int(axis) % rank for axis in (axes if isinstance(axes, (tuple, list)) else (axes,))}
    if place.axis in gone:
        return None
    if out.dim() == rank:
        return place
    return Place(place.axis - sum(axis < place.axis for axis in gone), place.inner)


def _joined(
    step: Step, which: int, places: Sequence[Place | None], out: Any, _: int
) -> Place | None:
    place = _at(places, which)
    axis = int(_argument(step, "dim", 1, 0)) % out.dim()
    if step.name == "stack":
        return Place(place.axis + (axis <= place.axis), place.inner)
    return place if axis != place.axis or len({*places}) == 1 else None


def _multiplied(
    step: Step, which: int, places: Sequence[Place | None], out: Any, _: int
) -> Place | None:
    place, source = _at(places, which), step.fed[which]
    if step.name == "einsum":
        inputs, _, output = step.args[0].replace(" ", "").replace("...", ".").partition("->")
        letters = inputs.split(",")[which]
        if letters.startswith(".") and place.axis <= source.dim() - len(letters):
            return place
        at = place.axis - (source.dim() - len(letters) if letters.startswith(".") else 0)
        return Place(output.index(letters[at]), place.inner)
    if step.fed[-1].dim() == 1:
        return place
    return Place(place.axis + out.dim() - source.dim(), place.inner)


_RULES: dict[str, Rule] = {
    **dict.fromkeys(("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as",
                     "reshape_as"), _regrouped),
    **dict.fromkeys(("expand", "expand_as", "broadcast_to", "repeat"), _widened),
    **dict.fromkeys(("getitem", "unbind", "select"), _taken),
    **dict.fromkeys(("sum", "mean", "nansum", "max", "min", "amax"), _summed),
    "repeat_interleave": _spread,
}  # fmt: skip
