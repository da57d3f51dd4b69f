"""A loss of several terms, each with a weight that may change over steps, each known apart.

Room: mitigations. Comes in: terms. Goes out: a loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.errors import LimelightError
from limelight.mitigating.card import mitigation
from limelight.mitigating.formula import Batch, Formula
from limelight.mitigating.operations import Operations

#: A number, or (before, after, first step, last step): from one to the other in a straight line.
Weight = float | tuple[float, float, int, int]


@mitigation(
    answers=("L5",), home="L5", stage="loss",
    source="I. Goodfellow, Y. Bengio and A. Courville, Deep Learning, MIT Press 2016, section 7.1",
)  # fmt: skip
@dataclass
class Composite(Formula):
    """The weighted sum of several terms, each of which is known before and after its weight.

    Parameters
    ----------
    terms : mapping of str to (term, weight)
        A term is another loss of this module that takes nothing but weights beside targets, or a
        function ``(scores, targets) -> number`` or ``-> [example, …]`` of the framework's
        tensors, of which the mean is taken. ``scores`` are those before the softmax, or
        logarithms of probabilities. A weight is a number, or ``(before, after, first, last)``:
        from ``before`` at step ``first`` in a straight line to ``after`` at step ``last``.
    **options
        ``framework`` and ``from_logits``, as all losses take them.

    Raises
    ------
    LimelightError
        If a term or a weight is none.

    Notes
    -----
    ``loss.parts`` says how many training steps were taken, and ``name`` and ``weighted name`` of
    each term at the last of them; these add up to the loss. A weight of 0 leaves the gradient to
    the bit as it is without the term. The third argument, in Keras ``sample_weight``, is a weight
    for each example, which losses of this module take.

    References
    ----------
    .. [1] I. Goodfellow, Y. Bengio and A. Courville, "Deep Learning", MIT Press 2016, section 7.1.

    Examples
    --------
    >>> from limelight import mitigations as mt
    >>> terms = {
    ...     "cross-entropy": (mt.CrossEntropy(framework="numpy"), 1.0),
    ...     "size": (lambda scores, targets: (scores**2).sum(-1), (0.0, 0.2, 0, 2)),
    ... }
    >>> loss = Composite(terms, framework="numpy")
    >>> [round(loss([[1.0, 1.0]], [0]), 3) for _ in range(4)]
    [0.693, 0.893, 1.093, 1.093]
    >>> loss.parts["size"], round(float(loss.parts["weighted size"]), 3)
    (2.0, 0.4)
    """

    terms: Any

    def __post_init__(self) -> None:
        if not isinstance(self.terms, Mapping) or not self.terms:
            raise LimelightError(
                f"Got terms={self.terms!r}.",
                "Wanted a mapping of names to (term, weight).",
                "Write {'cross-entropy': (mt.CrossEntropy(), 1.0), …}.",
            )
        self.terms = {
            str(name): _checked(str(name), pair) for name, pair in dict(self.terms).items()
        }

    def initial(self) -> NDArray[np.float32]:
        """Return no step, and no terms yet."""
        terms = np.full(2 * len(self.terms), np.nan, np.float32)
        return np.concatenate([np.zeros(1, np.float32), terms])

    def parts(self, remembered: NDArray[Any]) -> dict[str, Any]:
        """Return steps, and each term before and after its weight."""
        count = len(self.terms)
        made: dict[str, Any] = {"steps": int(remembered[0])}
        for at, name in enumerate(self.terms, start=1):
            made[name] = float(remembered[at])
            made[f"weighted {name}"] = float(remembered[count + at])
        return made

    def check(self, classes: int | None) -> None:
        """Let each term refuse outputs that it is not for."""
        for term, _ in self.terms.values():
            if hasattr(term, "formula"):
                term.formula.check(classes)

    def total(self, ops: Operations, batch: Batch, remembered: Any) -> tuple[Any, Any]:
        """Return the sum, and the terms."""
        step = remembered[0]
        values, weighted = [], []
        total = ops.sum(batch.scores) * 0
        for term, weight in self.terms.values():
            value = _value(ops, batch, term)
            values.append(value)
            weighted.append(ops.still(value) * _now(ops, weight, step))
            if weight != 0:  # a term that does not count must not even add a gradient of 0
                total = total + value * _now(ops, weight, step)
        numbers = [ops.real(ops.still(value), remembered) for value in (*values, *weighted)]
        return total, ops.join([value[None] for value in (step + 1, *numbers)])


def _checked(name: str, pair: Any) -> tuple[Any, Weight]:
    """Return a term and its weight, if they are."""
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise LimelightError(
            f"Got {pair!r} for the term {name!r}.",
            "Wanted a term and its weight.",
            "Write (mt.CrossEntropy(), 1.0).",
        )
    term, weight = pair
    formula = getattr(term, "formula", None)
    if formula is None and not callable(term):
        reason = f"{term!r}, which is no loss of limelight.mitigations and no function"
    elif formula is not None and (formula.beside != "weights" or formula.initial() is not None):
        reason = f"{type(formula).__name__}, which remembers or needs more than weights"
    else:
        return term, _weight(name, weight)
    raise LimelightError(
        f"Got {reason}, as the term {name!r}.",
        "Wanted a loss that takes weights alone, or a function of scores and targets.",
        "Use such a loss by itself.",
    )


def _weight(name: str, weight: Any) -> Weight:
    numbers = weight if isinstance(weight, tuple | list) else (weight,)
    try:
        values = [float(number) for number in numbers]
    except (TypeError, ValueError):
        values = []
    if len(values) == 1 and np.isfinite(values).all():
        return values[0]
    if len(values) == 4 and np.isfinite(values).all() and 0 <= values[2] < values[3]:
        return values[0], values[1], int(values[2]), int(values[3])
    raise LimelightError(
        f"Got the weight {weight!r} of the term {name!r}.",
        "Wanted a number, or (before, after, first, last), the first step before the last.",
        "Correct it.",
    )


def _value(ops: Operations, batch: Batch, term: Callable[..., Any]) -> Any:
    """Return a term as one number."""
    formula = getattr(term, "formula", None)
    if formula is not None:
        return formula.total(ops, batch, None)[0]
    value = term(batch.scores, batch.targets)
    if len(value.shape) == 0:
        return value
    return ops.sum(value * batch.counted) / batch.size


def _now(ops: Operations, weight: Weight, step: Any) -> Any:
    """Return a weight at a step."""
    if not isinstance(weight, tuple):
        return weight
    before, after, first, last = weight
    share = ops.at_least((step - first) / (last - first), 0.0)
    share = 1.0 - ops.at_least(1.0 - share, 0.0)
    return before + (after - before) * share
