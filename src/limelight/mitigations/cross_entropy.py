"""Cross-entropy with weights of classes and examples, normalised the same way everywhere.

Room: mitigations. Comes in: scores, targets, weights. Goes out: a loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from limelight.errors import DimensionError
from limelight.mitigating.card import mitigation
from limelight.mitigating.formula import Batch, Formula
from limelight.mitigating.operations import Operations


def weights_of_classes(
    weights: Mapping[int, float] | Sequence[float] | None,
) -> tuple[float, ...] | None:
    """Return weights in the order of classes.

    Parameters
    ----------
    weights : mapping of int to float, or sequence of float, optional

    Returns
    -------
    tuple of float, or None

    Raises
    ------
    DimensionError
        If a class lacks a weight, or a weight is below 0 or no number.

    Examples
    --------
    >>> weights_of_classes({1: 2.0, 0: 0.5})
    (0.5, 2.0)
    """
    if weights is None:
        return None
    if isinstance(weights, Mapping):
        missing = sorted(set(range(len(weights))) - set(weights))
        if missing:
            raise DimensionError(
                f"Got weights of classes {sorted(weights)}, so none of class {missing[0]}.",
                "Wanted one for each class, counted from 0.",
                "Give all of them.",
            )
        weights = [weights[index] for index in range(len(weights))]
    made = tuple(float(weight) for weight in weights)
    if not made or not np.isfinite(made).all() or min(made) < 0:
        raise DimensionError(
            f"Got weights of classes {made}.", "Wanted finite numbers from 0.", "Correct them."
        )
    return made


def check_classes(count: int | None, classes: int | None, what: str) -> None:
    """Make sure that there are as many numbers as classes.

    Parameters
    ----------
    count, classes : int, optional
        What was given, and what a model has.
    what : str

    Raises
    ------
    DimensionError
        If they differ.

    Examples
    --------
    >>> check_classes(2, 2, "weights")
    """
    if count is not None and classes is not None and count != classes:
        raise DimensionError(
            f"Got {what} of {count} classes for outputs of {classes}.",
            "Wanted as many.",
            "Give one for each column of the outputs.",
        )


@mitigation(
    answers=("L3",), home="L3", stage="loss",
    source="C. M. Bishop, Pattern Recognition and Machine Learning, Springer 2006, section 4.3.4",
)  # fmt: skip
@dataclass
class CrossEntropy(Formula):
    """Cross-entropy with weights of classes and of examples, divided by how many targets there are.

    PyTorch's ``weight=`` divides by the weights of the batch instead, so the same data give another
    loss there; this one is the same in each framework.

    Parameters
    ----------
    class_weights : mapping of int to float, or sequence of float, optional
        Such as :func:`limelight.mitigations.class_weights` gives.
    **options
        ``framework`` and ``from_logits``, as all losses take them.

    Raises
    ------
    DimensionError
        If weights do not fit the classes.

    Notes
    -----
    The third argument, in Keras ``sample_weight``, is a weight for each example.

    References
    ----------
    .. [1] C. M. Bishop, Pattern Recognition and Machine Learning, Springer 2006, section 4.3.4.

    Examples
    --------
    >>> loss = CrossEntropy([1, 3], framework="numpy")
    >>> round(loss([[0.0, 0.0], [0.0, 0.0]], [0, 1]), 4)  # 2 log 2
    1.3863
    """

    class_weights: Any = None

    def __post_init__(self) -> None:
        self.class_weights = weights_of_classes(self.class_weights)

    def check(self, classes: int | None) -> None:
        """Refuse weights of another number of classes."""
        check_classes(self.class_weights and len(self.class_weights), classes, "weights")

    def each(self, ops: Operations, batch: Batch) -> Any:
        """Return the weighted cross-entropy of each target."""
        logs = ops.log_softmax(batch.scores)
        if self.class_weights is not None:
            logs = logs * ops.real(self.class_weights, logs)
        return -batch.chosen(ops, logs)
