"""Follows the weights of softmaxes into the sums of values they weigh.

Room: capture, axes. Comes in: operations of :class:`~limelight.capture.axes.flow.Flow` on tensors
that hold weights. Goes out: what their outputs hold, and the
:class:`~limelight.capture.axes.course.Use` that a sum of values times weights is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from limelight.capture.axes.course import Carry, Use
from limelight.capture.axes.known import PARAMETER, Known, Tensors
from limelight.capture.axes.labels import Atom, Axis, Factor, every, marks, role, varies

Carries = dict[int, Carry]

MASKED, RENORMALISED, CHANGED = "mask", "renormalisation", "arithmetic"
SCALED = "scaling"
MIXED, COMBINED = "mixing of heads", "combination with another softmax"
PAIRED = "combination of heads"

#: What leaves a sum of weighed values one, when it is done to each of them before.
_LINEAR = frozenset({"mul", "div", "add", "shift", "same", "where", "neg", "Neg"})
#: Numbers up to this only keep a division from failing.
_TINY = 1e-4

_COMPARISONS = frozenset(
    {"less", "lessequal", "greater", "greaterequal", "equal", "notequal", "lt", "le", "gt", "ge",
     "eq", "ne", "isnan", "isinf", "isfinite", "is_finite",
     "bitcast"}
)  # fmt: skip


def added(numbers: Iterable[float]) -> str:
    """Return the name of an addition: of numbers that count, or none.

    Parameters
    ----------
    numbers : iterable of float
        Those that are added to all entries alike.

    Returns
    -------
    str
    """
    return "shift" if any(abs(number) > _TINY for number in numbers) else "add"


def combined(
    flow: Tensors, name: str, inputs: Sequence[Any], known: Sequence[Known], axes: tuple[Axis, ...]
) -> Carries:
    """Return what the output of an operation on single entries holds.

    Parameters
    ----------
    flow : Tensors
    name : str
    inputs : sequence of tensor
    known : sequence of Known
        Of the inputs.
    axes : tuple of Axis
        Of the output.

    Returns
    -------
    dict of int to Carry
    """
    carries: Carries = {}
    for number in dict.fromkeys(n for entry in known for n in entry.carries):
        if name != "same":
            flow.courses[number].used = True
        before = {entry.carries[number].form for entry in known if number in entry.carries}
        if before & {"part", "laid"} and name != "same":
            carry = _of_parts(name, number, known)
            flow.courses[number].lost |= carry is None
            carries |= {} if carry is None else {number: carry}
            continue
        carry = _combined(name, number, inputs, known, axes)
        flow.courses[number].raised |= before == {"log"} and name == "exp"
        if carry is not None:
            carries[number] = carry
            keys = flow.courses[number].keys
            if name == "mul" and any(
                marks(every(axis), number) & keys
                and any(role(f.atoms) == "position" for f in axis) for axis in axes
            ):  # fmt: skip
                flow.courses[number].on_positions = True
            if carry.form == "weighed":
                flow.courses[number].unsummed = True
    return carries


def _combined(
    name: str, number: int, inputs: Sequence[Any], known: Sequence[Known], axes: tuple[Axis, ...]
) -> Carry | None:
    holders = [i for i, entry in enumerate(known) if number in entry.carries]
    main = next((i for i in holders if known[i].carries[number].form != "total"), holders[0])
    carry = known[main].carries[number]
    others = [i for i in range(len(known)) if i != main]
    if name.lower() in _COMPARISONS or (name == "div" and main != 0):
        return None
    if name == "same" or carry.form == "total":
        return carry
    if carry.form == "weighed":
        return carry if name in _LINEAR else None
    if carry.form == "log":
        return replace(carry, form="weights") if name == "exp" else None
    if any(_has_weights(known[i], number) for i in others):
        whole = carry.whole or (inputs[main], known[main].axes, (*carry.stages, COMBINED))
        return replace(carry, whole=whole, values=None)
    sums = [known[i].carries[number] for i in others if i in holders]
    if name in {"div", "mul"} and any(s.form == "total" or s.whole is not None for s in sums):
        return replace(carry, stages=staged(carry, RENORMALISED))
    if name == "mul" and others and others[0] not in holders:
        return _times(number, (inputs[main], known[main]), (inputs[others[0]], known[others[0]]))
    if name == "shift":
        return replace(carry, stages=staged(carry, "addition"), values=None)
    if name == "add":
        new = any(_beside(number, known[main], known[i], len(axes))[0] for i in others)
        return None if new else _changed(carry, "addition", others, known)
    if name == "where":
        return replace(carry, stages=staged(carry, MASKED), values=None)
    if name == "div":
        return _changed(carry, CHANGED, others, known)
    word = "power" if name.lower() in {"pow", "integer_pow", "square"} else CHANGED
    return replace(carry, stages=staged(carry, word), values=None)


def _of_parts(name: str, number: int, known: Sequence[Known]) -> Carry | None:
    """Combine some heads of a softmax with other heads of it, entry by entry."""
    carries = [entry.carries.get(number) for entry in known]
    parts = [carry for carry in carries if carry is not None and carry.form == "part"]
    others = [entry for entry, carry in zip(known, carries, strict=True) if carry is None]
    if name == "add" and len(parts) == len(known) > 1:
        return replace(parts[0], form="weights", stages=staged(parts[0], PAIRED))
    scales = name in {"mul", "neg", "Neg"} and all(entry.fixed for entry in others)
    return parts[0] if scales and len(parts) == 1 and len(others) == len(known) - 1 else None


def _has_weights(known: Known, number: int) -> bool:
    """Say whether a tensor holds the weights of another softmax."""
    return any(
        carry.form == "weights" and other != number for other, carry in known.carries.items()
    )


def _times(number: int, weights: tuple[Any, Known], values: tuple[Any, Known]) -> Carry:
    """Multiply weights with values, or with a mask: that has no axis which weights have not."""
    tensor, known = weights
    carry = known.carries[number]
    rank = max(len(known.axes), len(values[1].axes))
    new, shared = _beside(number, known, values[1], rank)
    if not new and not any(varies(axis) for axis in values[1].axes):
        return carry  # a number for all: what it changes, a row's sum says
    scaled = values[1].origin == {PARAMETER}
    stages = carry.stages if new else staged(carry, SCALED if scaled else MASKED)
    return replace(
        carry, form="weighed" if new else "weights", stages=stages, weights=tensor,
        weights_axes=known.axes, values=values[0], shared=shared,
        learned=values[1].fixed,
    )  # fmt: skip


def _changed(carry: Carry, word: str, others: Sequence[int], known: Sequence[Known]) -> Carry:
    """Note a change, but not of a number for all, nor what a layer that mixes heads adds."""
    small = not any(varies(axis) for i in others for axis in known[i].axes)
    if small or MIXED in carry.stages:
        return carry
    return replace(carry, stages=staged(carry, word), values=None)


def staged(carry: Carry, stage: str) -> tuple[str, ...]:
    """Return the stages of weights after something more was done to them.

    Parameters
    ----------
    carry : Carry
    stage : str

    Returns
    -------
    tuple of str
    """
    return carry.stages if stage in carry.stages else (*carry.stages, stage)


def _beside(number: int, weights: Known, values: Known, rank: int) -> tuple[bool, frozenset[int]]:
    """Say whether values have an axis that the weights have not, and which they share."""
    new, shared = False, set()
    for back in range(1, rank + 1):
        theirs = values.axes[-back] if back <= len(values.axes) else ()
        ours = weights.axes[-back] if back <= len(weights.axes) else ()
        if not varies(theirs):
            continue
        marked = marks(every(ours), number)
        shared |= marked
        new = new or not marked
    return new, frozenset(shared)


def reduced(flow: Tensors, how: str, source: Any, known: Known, gone: set[int]) -> Carries:
    """Return what a reduction's output holds, and note sums of values times weights.

    Parameters
    ----------
    flow : Tensors
    how : str
    source : tensor
    known : Known
        Of the source.
    gone : set of int
        Axes reduced over.

    Returns
    -------
    dict of int to Carry
    """
    carries: Carries = {}
    for number, carry in known.carries.items():
        course = flow.courses[number]
        over = frozenset(m for axis in gone for m in marks(every(known.axes[axis]), number))
        course.used = True
        sums = how in {"sum", "mean"}
        course.lost |= carry.form in {"part", "laid"} and sums
        if not over:
            carries[number] = carry
        elif carry.form == "weighed":
            if sums:
                course.uses.append(used(carry, over))
            if sums and over & course.keys:
                course.unsummed = False
            elif sums:
                carries[number] = carry
        elif carry.form == "weights" and sums:
            if over & course.keys:
                carries[number] = replace(carry, form="total")
                if carry.values is not None and carry.stages[-1:] == (MASKED,):
                    # Values of a single number each, unless this is but what they are divided by.
                    stages = tuple(stage for stage in carry.stages if stage != MASKED)
                    course.scalars.append(used(replace(carry, stages=stages), over))
            else:
                # Heads that share their values: each is shown, though they are summed before.
                whole = carry.whole or (source, known.axes, carry.stages)
                carries[number] = replace(carry, whole=whole, values=None)
        elif carry.form == "total":
            carries[number] = carry
    return carries


def used(carry: Carry, over: frozenset[int]) -> Use:
    """Return the use that a sum of weighed values is.

    Parameters
    ----------
    carry : Carry
    over : frozenset of int
        The factors summed over.

    Returns
    -------
    Use
    """
    weights, axes, stages = carry.whole or (carry.weights, carry.weights_axes, carry.stages)
    return Use(weights, axes, carry.values, over, carry.shared, stages, carry.learned)


def with_mark(axis: Axis, number: int, mark: int) -> Axis:
    """Mark an axis as standing for a factor of a softmax.

    Parameters
    ----------
    axis : Axis
    number : int
        Which softmax.
    mark : int
        Which factor.

    Returns
    -------
    Axis
    """
    atom = Atom("weights", number, mark)
    return tuple(Factor(factor.size, factor.atoms | {atom}) for factor in axis)


def convolved(
    flow: Tensors, known: Known, axes: list[Axis], channel: int
) -> tuple[Carries, list[Axis]]:
    """Return what a convolution's output holds: weights, if their heads were its channels.

    Parameters
    ----------
    flow : Tensors
    known : Known
        Of the source.
    axes : list of Axis
        Of the output.
    channel : int
        Which of them counts features.

    Returns
    -------
    (dict of int to Carry, list of Axis)
    """
    carries: Carries = {}
    for number, carry in known.carries.items():
        course = flow.courses[number]
        heads = marks(every(known.axes[channel]), number)
        course.used = True
        if carry.form == "weights" and not heads & course.keys and len(heads) <= 1:
            carries[number] = replace(carry, stages=staged(carry, MIXED), values=None)
            if heads:
                axes[channel] = with_mark(axes[channel], number, min(heads))
        elif carry.form != "total":
            course.lost = True
    return carries, axes


def laid_together(known: Sequence[Known]) -> Carries:
    """Return what tensors laid one after another hold: weights are followed no further.

    Parameters
    ----------
    known : sequence of Known
        Of the tensors.

    Returns
    -------
    dict of int to Carry
    """
    carries = {number: carry for entry in known for number, carry in entry.carries.items()}
    return {number: Carry("laid") for number, carry in carries.items() if carry.form != "total"}


def cut_out(flow: Tensors, known: Known, gone: frozenset[Atom]) -> Carries:
    """Return what is held by a part of a tensor: perhaps some heads' weights.

    Parameters
    ----------
    flow : Tensors
    known : Known
        Of the whole.
    gone : frozenset of Atom
        What the axes count of which a part is left.

    Returns
    -------
    dict of int to Carry
    """
    carries: Carries = {}
    for number, carry in known.carries.items():
        course = flow.courses[number]
        cut = marks(gone, number)
        if not cut:
            carries[number] = carry
        elif carry.form in {"weights", "part"} and not cut & course.keys:
            carries[number] = replace(carry, form="part", values=None, whole=None)
        elif carry.form != "total":
            course.used = course.lost = True
    return carries
