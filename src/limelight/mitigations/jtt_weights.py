"""Just train twice: what a first model gets wrong weighs more for the second.

Room: mitigations. Comes in: targets, a first model's predictions. Goes out: weights of examples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.errors import DimensionError, LimelightError
from limelight.mitigating.card import mitigation


@mitigation(
    answers=("L11",), stage="data", needs=("a first model",),
    source="E. Z. Liu et al., Just Train Twice, ICML 2021",
)  # fmt: skip
def jtt_weights(y: Any, predicted: Any, up: float = 20.0) -> NDArray[np.float64]:
    """Return a weight for each example: larger where a first model, trained briefly, is wrong.

    No group needs to be known in training. Train a model for an epoch or two, predict the training
    data, and train anew with these as ``sample_weight``. How long the first is trained and ``up``
    are chosen on validation data, with groups, so the method is not free of them.

    Parameters
    ----------
    y : array [example] of whole numbers
    predicted : array [example] of whole numbers, or [example, class] of scores
        Of the same examples, in the same order.
    up : float
        How much more a wrong one weighs, before the mean is made 1.

    Returns
    -------
    array [example]
        Their mean is 1.

    Raises
    ------
    DimensionError
        If there are not as many predictions as targets.
    LimelightError
        If ``up`` is below 1, or the first model gets everything right.

    References
    ----------
    .. [1] E. Z. Liu et al., "Just Train Twice: Improving Group Robustness without Training Group
       Information", ICML 2021, section 4.

    Examples
    --------
    >>> jtt_weights([0, 1, 1], [0, 1, 0], up=4).tolist()
    [0.5, 0.5, 2.0]
    """
    codes, guesses = np.asarray(y), np.asarray(predicted)
    if guesses.ndim == codes.ndim + 1:
        guesses = guesses.argmax(axis=-1) if guesses.shape[-1] > 1 else guesses[..., 0]
    if codes.shape != guesses.shape or not codes.size:
        raise DimensionError(
            f"Got predictions of shape {np.shape(predicted)} for targets of shape {codes.shape}.",
            "Wanted a class, or scores of classes, for each example.",
            "Predict the training data, in its order.",
        )
    if np.issubdtype(guesses.dtype, np.floating) and (guesses != np.round(guesses)).any():
        raise LimelightError(
            "Got numbers that are no classes as predictions.",
            "Wanted the number of a class for each example.",
            "Of one output's probabilities take (predicted > .5).astype(int).",
        )
    wrong = codes != guesses
    if not up >= 1 or not wrong.any():
        raise LimelightError(
            f"Got up={up!r} and {wrong.sum()} wrong of {len(codes)} predictions.",
            "Wanted a factor from 1, and a first model that is still wrong somewhere.",
            "Train the first model for fewer epochs.",
        )
    weights = np.where(wrong, float(up), 1.0)
    return np.asarray(weights / weights.mean())
