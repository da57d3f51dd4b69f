"""Reads the weights of a softmax whose axes were followed into NumPy.

Room: capture, Keras. Comes in: a site, still as tensors. Goes out: what is multiplied with the
values, as [example, head, query, key], and the logits that say what is allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from limelight.capture.axes.course import Course
from limelight.capture.axes.labels import Axis, marks, role
from limelight.capture.axes.roles import Reading
from limelight.capture.axes.weighing import COMBINED, MASKED
from limelight.capture.keras.backends.backend import single, weights_of
from limelight.capture.keras.trace import Softmax
from limelight.capture.site import allowed_in
from limelight.factors import Factors, lazy_allowed

_ROLES = ("example", "head", "query", "key")

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Map:
    """The weights of one softmax.

    Attributes
    ----------
    weights, logits : array [example, head, query, key]
    stage : str
        What of the weights this is, where it is not the plain softmax.
    factors : Factors, optional
        Instead of the arrays.
    """

    weights: Floats | None
    logits: Floats | None
    stage: str = ""
    factors: Factors | None = None


def mapped(softmax_call: Softmax, reading: Reading) -> Map:
    """Read a softmax.

    Parameters
    ----------
    softmax_call : Softmax
    reading : Reading

    Returns
    -------
    Map
    """
    course = softmax_call.course
    assert course is not None
    if softmax_call.factored is not None:
        return _of_kernel(softmax_call, course, reading)
    plain = _turned(weights_of(softmax_call), course.axes, course, reading, first=True)
    logits = _turned(single(softmax_call.logits), course.axes, course, reading, first=True)
    assert plain is not None
    assert logits is not None
    use = reading.use
    if use is None and course.lost:
        return Map(plain, logits, stage="before an operation that cannot be followed")
    if use is None or use.weights is None or not use.stages:
        return Map(plain, logits)
    if use.stages[-1] == COMBINED:
        return Map(plain, logits, stage=f"before {COMBINED}, which cannot be followed")
    weights = _turned(single(use.weights), use.axes, course, reading)
    if weights is None or weights.shape[-2:] != plain.shape[-2:]:
        stage = f"before it is changed by {_listed(use.stages)}, which cannot be followed"
        return Map(plain, logits, stage=stage)
    return _changed(plain, logits, weights, use.stages)


def _changed(plain: Floats, logits: Floats, weights: Floats, stages: tuple[str, ...]) -> Map:
    """Return weights that something was done to after the softmax."""
    examples = max(len(weights), len(plain))
    plain, logits, weights = (
        np.ascontiguousarray(np.broadcast_to(a, (examples, *a.shape[1:])))
        for a in (plain, logits, weights)
    )
    if weights.shape == plain.shape and np.allclose(weights, plain, atol=1e-6):
        return Map(plain, logits)
    may = allowed_in(logits)
    if weights.shape == plain.shape:
        gone = (weights == 0) & (plain != 0) & (MASKED in stages)
        logits = np.where(may & ~gone, logits, np.float32(-np.inf))
    else:  # other heads
        may = np.broadcast_to(may.any(axis=1, keepdims=True), weights.shape)
        gone = (weights == 0) & (MASKED in stages)
        logits = np.where(may & ~gone, np.float32(0), np.float32(-np.inf))
    return Map(weights, logits, f"after {_listed(stages)}")


def _listed(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1]) + ' and ' if len(words) > 1 else ''}{words[-1]}"


def _of_kernel(softmax_call: Softmax, course: Course, reading: Reading) -> Map:
    assert softmax_call.factored is not None
    factors = softmax_call.factored()
    if _is_plain(course.axes, reading):
        return Map(None, None, factors=factors)
    allowed = lazy_allowed(factors.rule, factors.shape).values
    allowed = allowed if factors.rule.by_head else allowed[:, None]
    allowed = np.broadcast_to(allowed, factors.shape)
    logits = np.where(allowed, np.float32(0), np.float32(-np.inf))
    pair = [_turned(values, course.axes, course, reading, first=True)
            for values in (factors.dense(), logits)]  # fmt: skip
    return Map(pair[0], pair[1])


def _is_plain(axes: Sequence[Axis], reading: Reading) -> bool:
    """Say whether axes are example, head, query and key, as they stand."""
    roles = iter(reading.roles)
    rows = [[next(roles) for _ in axis] for axis in axes]
    fits = all(set(row) <= {name} for row, name in zip(rows, _ROLES, strict=False))
    return len(axes) == 4 and fits and reading.example is None and not reading.alike


def _turned(
    values: Floats, axes: Sequence[Axis], course: Course, reading: Reading, first: bool = False
) -> Floats | None:
    """Bring values to [example, head, query, key]; None where an axis is none of them.

    ``first`` says that axes are those of the softmax itself, whose factors count on.
    """
    ordinals: list[tuple[int, int]] = []  # role, mark
    sizes: list[int] = []
    dropped: list[int] = []
    counted = -1
    for factor in (factor for axis in axes for factor in axis):
        counted += 1
        sizes.append(factor.size)
        marked = {counted} if first else marks(factor.atoms, course.number)
        if marked:
            mark = min(marked)
            ordinals.append((_ROLES.index(reading.roles[mark]), mark))
        elif role(factor.atoms) == "example":
            ordinals.append((0, -1))
        else:
            ordinals.append((9, len(ordinals)))
            dropped.append(len(sizes) - 1)
    values = values.reshape(sizes)
    for axis in dropped:  # the same again and again, unless something was mixed in
        head = np.take(values, [0], axis=axis)
        if not np.allclose(values, head, atol=1e-6, equal_nan=True):
            return None
        values = head
    order = sorted(range(len(sizes)), key=lambda axis: ordinals[axis])
    turned = values.transpose(order)
    shape = [prod(turned.shape[i] for i, axis in enumerate(order) if ordinals[axis][0] == which)
             for which in range(4)]  # fmt: skip
    return turned.reshape(shape)
