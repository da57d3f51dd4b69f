"""Which axis of what a function took became which of what it returned; one file a family of rules.

Room: capture, torch. Comes in: a function that ran, and the labels of what it took. Goes out: the
labels of what it returned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from limelight.capture.torch.trace import functions as torch_functions
from limelight.capture.torch.trace.follow import (
    joins,
    layers,
    pointwise,
    products,
    sums,
    views,
    writes,
)
from limelight.capture.torch.trace.functions import Step
from limelight.capture.torch.trace.labels import Axes, fit, fresh, kind_of, unknown

#: Takes a step, what is known of its tensors, one result, and which of the results it is.
Rule = Callable[[Step, Sequence[Any], Any, int], Axes]

RULES: dict[str, Rule] = {
    **views.RULES, **joins.RULES, **layers.RULES, **sums.RULES, **products.RULES, **pointwise.RULES,
    **writes.RULES,
}  # fmt: skip


def axes_after(step: Step, fed: Sequence[Any], out: Any, index: int) -> Axes:
    """Return the labels of what a function returned.

    Parameters
    ----------
    step : Step
    fed : sequence of Provenance
        Of its tensors.
    out : tensor
        One that it returned.
    index : int
        Which of them it is.

    Returns
    -------
    tuple of Axis
    """
    if out.is_nested:
        return ()
    shape = tuple(out.shape)
    rule = RULES.get(step.name)
    if rule is None and step.name in torch_functions.ELEMENTWISE:
        rule = pointwise.merged
    if rule is not None:
        try:
            axes = rule(step, fed, out, index)
            if fit(axes, shape):
                return axes
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
            pass  # called in a way nobody thought of
    for tensor, known in zip(step.fed, fed, strict=True):
        if not tensor.is_nested and tuple(tensor.shape) == shape and len(known.axes) == len(shape):
            return tuple(known.axes)  # most functions that keep the shape keep the axes
    return _guessed(fed[0].axes, step.fed[0], shape)


def _guessed(axes: Axes, source: Any, shape: Sequence[int]) -> Axes:
    """Follow the examples, and nothing else, through a function that is not known."""
    if source.is_nested:
        return unknown(shape)
    before = source.shape
    return tuple(
        axes[at]
        if at < len(axes)
        and before[at] == size
        and any(kind_of(factor) == "example" for factor in axes[at])
        else fresh(int(size), "unknown")
        for at, size in enumerate(shape)
    )
