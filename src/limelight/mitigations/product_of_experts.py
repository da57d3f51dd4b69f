"""Product of experts: a model learns what a bias model does not already explain.

Room: mitigations. Comes in: scores, targets, a bias model's log-probabilities. Goes out: a loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from limelight.errors import DimensionError
from limelight.mitigating.card import mitigation
from limelight.mitigating.formula import Batch, Formula
from limelight.mitigating.operations import Operations


@mitigation(
    answers=("L4",), home="L4", stage="loss", needs=("a bias model",),
    source="C. Clark, M. Yatskar and L. Zettlemoyer, Don't Take the Easy Way Out, EMNLP 2019",
)  # fmt: skip
@dataclass
class ProductOfExperts(Formula):
    """Cross-entropy of log p + log b, where b are a bias model's probabilities.

    Where the bias model is sure and right, there is little left to learn, so the model is not
    rewarded for the same shortcut; it alone predicts in the end. The bias model must not have seen
    the examples it is asked about: :func:`limelight.mitigations.out_of_fold`.

    Parameters
    ----------
    strength : float
        What log b is multiplied by: 0 is cross-entropy.
    **options
        ``framework`` and ``from_logits``, as all losses take them.

    Notes
    -----
    The third argument, in Keras ``sample_weight``, is log b [example, class].

    References
    ----------
    .. [1] C. Clark, M. Yatskar and L. Zettlemoyer, "Don't Take the Easy Way Out: Ensemble Based
       Methods for Avoiding Known Dataset Biases", EMNLP 2019, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> loss = ProductOfExperts(framework="numpy")
    >>> bias = np.log([[0.01, 0.99]])
    >>> round(loss([[0.0, 0.0]], [1], bias), 4)  # -log .99
    0.0101
    """

    strength: float = 1.0
    beside: ClassVar[str] = "log-probabilities"
    required: ClassVar[bool] = True

    def each(self, ops: Operations, batch: Batch) -> Any:
        """Return the cross-entropy of each target, of both experts together."""
        if len(batch.beside.shape) != 2 or batch.beside.shape[-1] != batch.scores.shape[-1]:
            raise DimensionError(
                f"Got log-probabilities of shape {tuple(batch.beside.shape)} for outputs of shape "
                f"{tuple(batch.scores.shape)}.",
                "Wanted one for each example and class.",
                "Two classes are two columns, also where the model has one output.",
            )
        bias = ops.real(batch.beside, batch.scores)
        logs = ops.log_softmax(ops.log_softmax(batch.scores) + self.strength * bias)
        return -batch.chosen(ops, logs)

    def total(self, ops: Operations, batch: Batch, remembered: Any) -> tuple[Any, Any]:
        """Return the loss."""
        return ops.sum(self.each(ops, batch) * batch.counted) / batch.size, remembered
