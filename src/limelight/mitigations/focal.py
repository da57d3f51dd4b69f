"""Focal loss: what is already predicted well counts less.

Room: mitigations. Comes in: scores, targets, weights. Goes out: a loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from limelight.errors import LimelightError
from limelight.mitigating.card import mitigation
from limelight.mitigating.formula import Batch, Formula
from limelight.mitigating.operations import Operations
from limelight.mitigations.cross_entropy import check_classes, weights_of_classes


@mitigation(
    answers=("L3",), stage="loss",
    source="T.-Y. Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, equation 4",
)  # fmt: skip
@dataclass
class Focal(Formula):
    """Cross-entropy times (1 − p)^γ, where p is the probability of the target.

    It attends to hard examples, whichever group they are of: it is no method of fairness.

    Parameters
    ----------
    gamma : float
        0 is cross-entropy. At 2, a target predicted with .9 counts a hundredth.
    class_weights : mapping of int to float, or sequence of float, optional
        Keras' own loss multiplies every class by its ``alpha=.25``; here nothing is multiplied if
        this is left out.
    **options
        ``framework`` and ``from_logits``, as all losses take them.

    Raises
    ------
    LimelightError
        If γ is below 0.

    Notes
    -----
    The third argument, in Keras ``sample_weight``, is a weight for each example.

    References
    ----------
    .. [1] T.-Y. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 4.

    Examples
    --------
    >>> import numpy as np
    >>> scores = np.log([[0.9, 0.1]])
    >>> plain, focal = (Focal(gamma, framework="numpy")(scores, [0]) for gamma in (0, 2))
    >>> round(plain / focal)
    100
    """

    gamma: float = 2.0
    class_weights: Any = None

    def __post_init__(self) -> None:
        if not self.gamma >= 0:
            raise LimelightError(
                f"Got gamma={self.gamma!r}.", "Wanted a number from 0.", "Take 2, or 0 for none."
            )
        self.class_weights = weights_of_classes(self.class_weights)

    def check(self, classes: int | None) -> None:
        """Refuse weights of another number of classes."""
        check_classes(self.class_weights and len(self.class_weights), classes, "weights")

    def each(self, ops: Operations, batch: Batch) -> Any:
        """Return the focal loss of each target."""
        logs = ops.log_softmax(batch.scores)
        # A power of exactly 0 has no gradient for exponents below 1.
        values = ops.at_least(1 - ops.exp(logs), 1e-12) ** self.gamma * logs
        if self.class_weights is not None:
            values = values * ops.real(self.class_weights, values)
        return -batch.chosen(ops, values)
