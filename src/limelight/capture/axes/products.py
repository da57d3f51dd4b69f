"""Follows weights into products with sums: attention's weighted sums, and mixing of heads.

Room: capture, axes. Comes in: a product of :class:`~limelight.capture.axes.flow.Flow`, of which a
tensor holds weights. Goes out: what the product holds, and the
:class:`~limelight.capture.axes.course.Use` that it is.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from limelight.capture.axes.course import Carry, Course, Use
from limelight.capture.axes.known import PARAMETER, Known, Tensors
from limelight.capture.axes.labels import Axis, are_compared, every, is_feature, marks, role, varies
from limelight.capture.axes.weighing import MASKED, MIXED, Carries, staged, used, with_mark


@dataclass(frozen=True, eq=False)
class Operand:
    """One side of a product.

    Attributes
    ----------
    tensor : tensor
    known : Known
    letters : tuple
        One for each of its axes.
    """

    tensor: Any
    known: Known
    letters: tuple[Hashable, ...]


def multiplied(
    flow: Tensors, operands: Sequence[Operand], output: Sequence[Hashable], axes: list[Axis]
) -> tuple[Carries, list[Axis]]:
    """Return what a product holds, and its axes, and note sums of values times weights.

    Parameters
    ----------
    flow : Tensors
    operands : sequence
        Two: tensor, what is known of it, and its axes' letters.
    output : sequence
        Letters of the product's axes.
    axes : list of Axis
        Of the product.

    Returns
    -------
    (dict of int to Carry, list of Axis)
    """
    carries: Carries = {}
    gone = {letter for operand in operands for letter in operand.letters} - set(output)
    _note_linear(flow, operands, gone, output)
    for ours, theirs in (tuple(operands), tuple(operands)[::-1]):
        for number, carry in ours.known.carries.items():
            course = flow.courses[number]
            course.used = True
            course.lost |= carry.form in {"part", "laid"}
            if carry.form == "total" or number in carries:
                continue
            over = {letter: marks(every(_axis(ours, letter)), number)
                    for letter in gone if letter in ours.letters}  # fmt: skip
            over = {letter: factors for letter, factors in over.items() if factors}
            summed = frozenset(factor for factors in over.values() for factor in factors)
            if carry.form == "weighed":
                if summed:
                    course.unsummed = False
                    course.uses.append(used(carry, summed))
                else:
                    carries[number] = carry
            elif carry.form == "weights":
                made = _product(course, carry, ours, theirs, summed, set(output))
                if made is not None:
                    carries[number] = made
                    if MIXED in made.stages and summed:
                        axes = _marked_anew(axes, output, theirs, ours, number, summed)
    return carries, axes


def _product(
    course: Course, carry: Carry, ours: Operand, theirs: Operand, summed: frozenset[int],
    output: set[Hashable],
) -> Carry | None:  # fmt: skip
    """Read a product of weights with something else."""
    number = course.number
    learned = theirs.known.fixed
    shared = frozenset(
        mark
        for letter in ours.letters
        if letter in theirs.letters and varies(_axis(theirs, letter))
        for mark in marks(every(_axis(ours, letter)), number)
    )
    tensor, axes, stages = carry.whole or (ours.tensor, ours.known.axes, carry.stages)
    use = Use(tensor, axes, theirs.tensor, summed, shared, stages, learned)
    if summed & course.keys:
        if learned and MASKED in carry.stages and carry.values is not None:
            course.unsummed = True  # weighed values that a layer of learned numbers takes in
            return None
        if any(carry.form == "weights" for carry in theirs.known.carries.values()):
            course.factor = True
        course.uses.append(use)
        return None
    if summed:
        if learned or number in theirs.known.carries:
            return replace(carry, stages=staged(carry, MIXED), values=None)
        course.uses.append(use)
        return None
    new = any(letter in output and letter not in ours.letters and varies(_axis(theirs, letter))
              for letter in theirs.letters)  # fmt: skip
    if new:
        course.unsummed = True
        return replace(carry, form="weighed", weights=ours.tensor, weights_axes=ours.known.axes,
                       values=theirs.tensor, shared=shared, learned=learned)  # fmt: skip
    return replace(carry, stages=staged(carry, MASKED), weights=ours.tensor,
                   weights_axes=ours.known.axes, values=theirs.tensor, shared=shared,
                   learned=learned)  # fmt: skip


def _marked_anew(
    axes: list[Axis], output: Sequence[Hashable], theirs: Operand, ours: Operand, number: int,
    summed: frozenset[int],
) -> list[Axis]:  # fmt: skip
    """Mark the axis that stands for mixed heads as the one they were on."""
    result = list(axes)
    for index, letter in enumerate(output):
        if letter in theirs.letters and letter not in ours.letters:
            result[index] = with_mark(result[index], number, min(summed))
    return result


def _note_linear(
    flow: Tensors, operands: Sequence[Operand], gone: set[Hashable], output: Sequence[Hashable]
) -> None:
    """Note sums over positions that are spread over positions again, feature by feature."""
    for ours, theirs in (tuple(operands), tuple(operands)[::-1]):
        if theirs.known.origin == {PARAMETER}:
            continue
        fresh = any(
            letter in output and letter not in ours.letters
            and role(every(_axis(theirs, letter))) == "position"
            for letter in theirs.letters
        )  # fmt: skip
        left = any(
            letter in output and letter not in theirs.letters
            and is_feature(every(_axis(ours, letter)))
            for letter in ours.letters
        )  # fmt: skip
        if not (fresh and left):
            continue
        for letter in gone & set(ours.letters):
            axis = _axis(ours, letter)
            if not is_feature(every(axis)) or are_compared(every(axis)):
                continue
            for atom in every(axis):
                if atom.kind == "weights":
                    course = flow.courses[atom.source]
                    course.linear |= bool(course.uses) and atom.axis not in course.keys


def _axis(operand: Operand, letter: Hashable) -> Axis:
    return operand.known.axes[operand.letters.index(letter)] if letter in operand.letters else ()
