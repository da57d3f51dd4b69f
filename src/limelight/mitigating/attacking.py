"""Perturbations of what an embedding gives, by which a loss grows most.

Room: mitigating. Comes in: a loss as a function of a perturbation, and its gradient. Goes out: the
loss where a model is attacked. The norm is each example's own; padding is never perturbed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from limelight.errors import LimelightError
from limelight.mitigating.formula import fit_rank
from limelight.mitigating.operations import Operations

Method = Literal["fgm", "pgd", "freelb"]


@dataclass(frozen=True)
class Attack:
    """How a model is attacked while it trains.

    Attributes
    ----------
    method : str
        ``fgm``: a step along the gradient. ``pgd``: ``steps`` of them, each time brought back into
        the ball. ``freelb``: the mean of the losses on that way, from a random start.
    epsilon : float
        How long a perturbation may be, over all positions of an example together.
    steps : int
    size : float
        How long each step is.
    weight : float
        How much the attacked loss counts beside the plain one.
    """

    method: Method
    epsilon: float
    steps: int
    size: float
    weight: float

    def __post_init__(self) -> None:
        if self.method not in ("fgm", "pgd", "freelb"):
            raise LimelightError(
                f"Got method={self.method!r}.", "Wanted 'fgm', 'pgd' or 'freelb'.", "Correct it."
            )
        if not self.epsilon >= 0 or not self.size >= 0 or type(self.steps) is not int or \
                self.steps < 1 or not self.weight >= 0:  # fmt: skip
            raise LimelightError(
                f"Got epsilon={self.epsilon!r}, steps={self.steps!r}, step={self.size!r}, "
                f"weight={self.weight!r}.",
                "Wanted lengths from 0, and at least one step.",
                "Take epsilon=1.0, and compare several.",
            )

    def loss(
        self,
        ops: Operations,
        loss_at: Callable[[Any], Any],
        slope: Callable[[Callable[[Any], Any], Any], Any],
        zero: Any,
        counted: Any,
        start: Any = None,
    ) -> Any:
        """Return the loss where the model is attacked.

        Parameters
        ----------
        ops : Operations
        loss_at : callable
            Of a perturbation [example, position, feature].
        slope : callable
            ``slope(loss_at, perturbation)`` is the gradient.
        zero : tensor
            No perturbation.
        counted : tensor
            1 where a position may be perturbed, else 0.
        start : tensor, optional
            Random numbers of that shape, from −1 to 1.

        Returns
        -------
        tensor
            A number.
        """
        if self.method == "fgm":
            delta = self.epsilon * unit(ops, slope(loss_at, zero) * counted)
            return loss_at(ops.still(delta))
        delta = zero
        if self.method == "freelb":
            delta = ops.still(self.epsilon * unit(ops, start * counted))
        total = 0.0
        for _ in range(self.steps):
            if self.method == "freelb":
                total = total + loss_at(delta) / self.steps
            step = self.size * unit(ops, slope(loss_at, delta) * counted)
            delta = ops.still(within(ops, delta + step, self.epsilon))
        return total if self.method == "freelb" else loss_at(delta)


def lengths(ops: Operations, values: Any) -> Any:
    """Return each example's length, with the axes of the values."""
    squares = values * values
    while len(squares.shape) > 1:
        squares = ops.sum(squares, -1)
    return fit_rank(ops.at_least(squares, 1e-24) ** 0.5, len(values.shape))


def unit(ops: Operations, values: Any) -> Any:
    """Return values of length 1 for each example, or 0 where there is no direction."""
    return values / lengths(ops, values)


def within(ops: Operations, values: Any, epsilon: float) -> Any:
    """Return values no longer than a ball's radius, for each example."""
    return values / ops.at_least(lengths(ops, values) / max(epsilon, 1e-12), 1.0)


def is_keras(model: Any) -> bool:
    """Say whether a model is Keras'; loads nothing."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(model, keras.Model)


def no_embedding(model: Any, names: list[str]) -> LimelightError:
    """Return the error that says where a perturbation could be put."""
    return LimelightError(
        f"Got {type(model).__name__}, in which no embedding is, or not that one.",
        "Wanted a layer whose output is perturbed: token ids themselves cannot be.",
        f"Say embedding= one of: {', '.join(names[:12])}.",
    )
