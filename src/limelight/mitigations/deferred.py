"""Deferred re-weighting: classes weigh alike first, and by their rarity later.

Room: mitigations. Comes in: scores, targets, weights. Goes out: a loss that counts steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.errors import LimelightError
from limelight.mitigating.card import mitigation
from limelight.mitigating.formula import Batch, Formula
from limelight.mitigating.operations import Operations
from limelight.mitigations.cross_entropy import check_classes, weights_of_classes


@mitigation(
    answers=("L11", "L2"), stage="loss",
    source="K. Cao et al., Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss, "
    "NeurIPS 2019",
)  # fmt: skip
@dataclass
class DeferredReweighting(Formula):
    """Cross-entropy, whose weights of classes begin after so many training steps.

    Parameters
    ----------
    class_weights : mapping of int to float, or sequence of float
        Such as ``mt.class_weights(y, "effective")`` gives.
    after : int
        Steps: batches of which a gradient was taken.
    **options
        ``framework`` and ``from_logits``, as all losses take them.

    Raises
    ------
    LimelightError
        If ``after`` is no whole number from 0.

    Notes
    -----
    The third argument, in Keras ``sample_weight``, is a weight for each example; it is used all the
    time. ``loss.parts`` says how many steps were taken.

    References
    ----------
    .. [1] K. Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
       NeurIPS 2019, section 3.3.

    Examples
    --------
    >>> loss = DeferredReweighting([1, 3], after=1, framework="numpy")
    >>> first, second = (loss([[0.0, 0.0]], [1]) for _ in range(2))
    >>> round(second / first, 6)
    3.0
    """

    class_weights: Any
    after: int

    def __post_init__(self) -> None:
        self.class_weights = weights_of_classes(self.class_weights)
        if self.class_weights is None or type(self.after) is not int or self.after < 0:
            raise LimelightError(
                f"Got after={self.after!r}.",
                "Wanted weights of classes, and a whole number of steps from 0.",
                "One epoch has len(data) / batch size of them.",
            )

    def initial(self) -> NDArray[np.float32]:
        """Return that no step was taken yet."""
        return np.zeros(1, np.float32)

    def parts(self, remembered: NDArray[Any]) -> dict[str, Any]:
        """Return how many steps were taken."""
        return {"steps": int(remembered[0])}

    def check(self, classes: int | None) -> None:
        """Refuse weights of another number of classes."""
        check_classes(len(self.class_weights), classes, "weights")

    def total(self, ops: Operations, batch: Batch, remembered: Any) -> tuple[Any, Any]:
        """Return the loss, and one step more."""
        logs = ops.log_softmax(batch.scores)
        weights = ops.real(self.class_weights, logs)
        weights = ops.where(remembered >= self.after, weights, weights * 0 + 1)
        values = -batch.chosen(ops, logs * weights) * batch.counted
        if batch.beside is not None:
            values = values * ops.real(batch.beside, values)
        return ops.sum(values) / batch.size, remembered + 1
