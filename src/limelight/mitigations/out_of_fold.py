"""Predictions of a bias model for examples that it was not trained on.

Room: mitigations. Comes in: a way to train, inputs, targets. Goes out: log-probabilities.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.errors import DimensionError, LimelightError
from limelight.mitigating.card import mitigation

#: Below this a probability is raised, so that no example is taken for settled.
_SMALLEST = 1e-6


@mitigation(
    answers=("L4",), stage="data", needs=("a bias model",),
    source="M. Stone, Cross-Validatory Choice and Assessment of Statistical Predictions, Journal "
    "of the Royal Statistical Society B 36, 1974",
)  # fmt: skip
def out_of_fold(
    x: Any,
    y: Any,
    fit: Callable[[Any, Any], Callable[[Any], Any]] | None = None,
    *,
    folds: int = 5,
    classes: int | None = None,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return each example's log-probabilities by a bias model trained on the others' folds.

    For :class:`limelight.mitigations.ProductOfExperts`. A bias model that had seen an example would
    be sure of it, and nothing would be left to learn from it.

    Parameters
    ----------
    x : array [example, …]
        What the bias model sees: only what shall not decide, such as whether a token is there.
    y : array [example] of whole numbers
    fit : callable, optional
        ``fit(x, y)`` trains and returns ``predict(x) -> probabilities [example, class]``. If not
        given, ``x`` are labels, and the share of each class among examples with a label is taken,
        each class counted once more than it comes.
    folds : int
    classes : int, optional
        How many there are, if not each comes.
    seed : int
        For which examples are whose fold.

    Returns
    -------
    array [example, class]

    Raises
    ------
    LimelightError
        If there are fewer examples than folds, fewer than two folds, or predictions are no
        probabilities.
    DimensionError
        If inputs and targets are not as many.

    References
    ----------
    .. [1] M. Stone, "Cross-Validatory Choice and Assessment of Statistical Predictions", Journal of
       the Royal Statistical Society B 36, 1974, section 2.

    Examples
    --------
    >>> word = np.array([0, 1] * 50)
    >>> shares = np.exp(out_of_fold(word, word))
    >>> bool((shares.argmax(axis=1) == word).all()), bool(shares.max() < 1)
    (True, True)
    """
    inputs, codes = np.asarray(x), np.asarray(y)
    if codes.ndim != 1 or len(inputs) != len(codes) or not np.issubdtype(codes.dtype, np.integer):
        raise DimensionError(
            f"Got inputs of shape {inputs.shape} and targets of shape {codes.shape}.",
            "Wanted the number of a class for each example.",
            "Give as many of both.",
        )
    if not 2 <= folds <= len(codes):
        raise LimelightError(
            f"Got folds={folds} for {len(codes)} examples.",
            "Wanted at least two folds, and an example in each.",
            "Take folds=5.",
        )
    count = classes or int(codes.max()) + 1
    train = fit or (lambda inputs, codes: _shares(inputs, codes, count))
    fold = np.random.default_rng(seed).permutation(len(codes)) % folds
    made = np.empty((len(codes), count))
    for number in range(folds):
        inside = fold == number
        given = np.asarray(train(inputs[~inside], codes[~inside])(inputs[inside]), float)
        if given.shape != (inside.sum(), count) or not (
            (given >= -1e-6).all() and np.allclose(given.sum(axis=1), 1, atol=1e-3)
        ):
            raise LimelightError(
                f"Got predictions of shape {given.shape} that are no probabilities of {count} "
                "classes.",
                "Wanted a row for each example that sums up to 1.",
                "Return probabilities from predict, not scores.",
            )
        made[inside] = given
    made = np.maximum(made, _SMALLEST)
    return np.asarray(np.log(made / made.sum(axis=1, keepdims=True)))


def _shares(labels: Any, codes: Any, classes: int) -> Callable[[Any], Any]:
    """Return a bias model: the share of each class among examples with a label."""
    values, numbers = np.unique(labels, return_inverse=True)
    table = np.ones((len(values), classes))
    np.add.at(table, (numbers.ravel(), codes), 1)
    overall = np.bincount(codes, minlength=classes) + 1.0

    def predict(asked: Any) -> Any:
        at = np.minimum(np.searchsorted(values, asked), len(values) - 1)
        rows = np.where((values[at] == asked)[:, None], table[at], overall)
        return rows / rows.sum(axis=1, keepdims=True)

    return predict
