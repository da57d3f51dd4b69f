"""How far a float32 map may be from the exact one, whatever processor computed it.

Room: testing. Comes in: the size of scores, and over how many numbers they are summed. Goes out: a
bound that no machine was measured for.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def rounding(size: float, features: int, keys: int) -> float:
    r"""Return how far weights computed in float32 may be from exact ones.

    A score is a sum of ``features`` products, each rounded in the last digit of what is summed so
    far; such roundings add up like the steps of a random walk, to :math:`\sqrt{features}` last
    digits of the largest score. A softmax moves by at most half of what its scores move by. Its own
    exponentials, sum and division round the weights, which are at most 1, some times more.

    Parameters
    ----------
    size : float
        The largest score, by absolute value.
    features : int
        How many numbers are summed on the way to a score, projections included.
    keys : int
        How many weights a row has.

    Returns
    -------
    float

    Notes
    -----
    That roundings add up so, in whichever order a kernel sums, is Higham and Mary 2019, "A new
    approach to probabilistic rounding error analysis", theorem 2.4.

    Examples
    --------
    >>> f"{rounding(size=241.0, features=64, keys=64):.1e}"
    '6.2e-05'
    """
    scores = math.sqrt(features) * float(np.spacing(np.float32(size)))
    softmax = (4 + math.log2(max(keys, 1))) * float(np.finfo(np.float32).eps) / 2
    return scores / 2 + softmax


def spread(weights: NDArray[Any]) -> float:
    """Return how far apart the scores of a row lie, as its weights tell; those at 0 left out.

    Parameters
    ----------
    weights : array [..., query, key]

    Returns
    -------
    float
        Of the row where they lie farthest apart, in nats. An offset that all scores of a row share
        is not seen.

    Examples
    --------
    >>> f"{spread(np.array([[0.9, 0.1, 0.0]])):.2f}"
    '2.20'
    """
    values = np.asarray(weights, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(values)
    highest = np.where(np.isfinite(logs), logs, -np.inf).max(axis=-1)
    lowest = np.where(np.isfinite(logs), logs, np.inf).min(axis=-1)
    return float(np.max(highest - lowest, initial=0.0, where=np.isfinite(highest)))


def exact(scores: Any) -> NDArray[np.float64]:
    """Return the softmax over the last axis, in float64; 0 where a whole row is minus infinity.

    Parameters
    ----------
    scores : array [..., key]

    Returns
    -------
    array [..., key]

    Examples
    --------
    >>> exact([[0.0, 0.0], [0.0, -np.inf]]).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    values = np.asarray(scores, np.float64)
    top = values.max(axis=-1, keepdims=True)
    terms = np.exp(values - np.where(np.isneginf(top), 0.0, top))
    total = terms.sum(axis=-1, keepdims=True)
    return np.asarray(terms / np.where(total == 0, 1.0, total))
