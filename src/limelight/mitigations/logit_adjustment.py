"""Logit adjustment: scores are shifted by how frequent classes are while a model trains.

Room: mitigations. Comes in: scores, targets, weights. Goes out: a loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from limelight.errors import LimelightError
from limelight.mitigating.card import mitigation
from limelight.mitigating.formula import Batch, Formula
from limelight.mitigating.operations import Operations
from limelight.mitigations.cross_entropy import check_classes


@mitigation(
    answers=("L2",), stage="loss",
    source="A. K. Menon et al., Long-tail Learning via Logit Adjustment, ICLR 2021, equation 10",
)  # fmt: skip
@dataclass
class LogitAdjustment(Formula):
    """Cross-entropy of scores plus τ · log π, where π is how frequent each class is.

    The model itself is not shifted, so it predicts as if classes were equally frequent. It is the
    product of experts whose bias model is the frequency of classes.

    Parameters
    ----------
    counts : sequence of float
        How often each class comes in training, or its share.
    tau : float
        How much is shifted: 0 is cross-entropy.
    **options
        ``framework`` and ``from_logits``, as all losses take them.

    Raises
    ------
    LimelightError
        If a class does not come at all.

    References
    ----------
    .. [1] A. K. Menon et al., "Long-tail Learning via Logit Adjustment", ICLR 2021, equation 10.

    Examples
    --------
    >>> loss = LogitAdjustment([90, 10], framework="numpy")
    >>> round(float(np.exp(-loss([[0.0, 0.0]], [1]))), 3)  # even scores: the class's own share
    0.1
    """

    counts: Any
    tau: float = 1.0

    def __post_init__(self) -> None:
        self.counts = tuple(float(count) for count in self.counts)
        if len(self.counts) < 2 or not min(self.counts) > 0:
            raise LimelightError(
                f"Got counts={self.counts}.",
                "Wanted how often each class comes in training, each at least once.",
                "Leave out a class that never comes; it cannot be learnt.",
            )

    def check(self, classes: int | None) -> None:
        """Refuse counts of another number of classes."""
        check_classes(len(self.counts), classes, "counts")

    def each(self, ops: Operations, batch: Batch) -> Any:
        """Return the adjusted cross-entropy of each target."""
        shift = self.tau * np.log(np.array(self.counts) / sum(self.counts))
        logs = ops.log_softmax(batch.scores + ops.real(shift, batch.scores))
        return -batch.chosen(ops, logs)
