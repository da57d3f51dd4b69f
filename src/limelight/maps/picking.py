"""What the best of several candidates scores by chance: roles that pick their key from the data.

Room: maps. Comes in: scores of candidates, and their moments were each row permuted over its
keys. Goes out: which is best, and the mean of the best over permutations.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: How many permutations are drawn.
DRAWS: Final = 256
_PERMUTATIONS: Final = 200


def picked(
    score: NDArray[np.float64],
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
    skew: NDArray[np.float64],
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Choose the candidate that is furthest over chance, and say how far the best is by chance.

    Parameters
    ----------
    score : array [head, candidate]
        From 0 to 1; NaN is no candidate.
    mean, variance, skew : array [head, candidate]
        Of the same score, where each row is permuted over its allowed keys.

    Returns
    -------
    array [head], array [head]
        Number of the candidate with the greatest ``(score − mean) / (1 − mean)``, and the mean of
        that greatest over 256 draws.

    Notes
    -----
    A score is a sum over many rows, each permuted by itself. So its distribution is drawn from its
    first three moments, which have closed forms, instead of permuting rows one by one: a shifted
    gamma distribution by Wilson and Hilferty's cube.

    References
    ----------
    .. [1] E. B. Wilson and M. M. Hilferty, "The distribution of chi-square", PNAS 17, 1931.

    Examples
    --------
    >>> best, null = picked(np.array([[0.1, 0.5]]), np.full((1, 2), 0.1), np.full((1, 2), 0.01),
    ...                     np.zeros((1, 2)))
    >>> int(best[0]), bool(0 < null[0] < 0.1)
    (1, True)
    """
    heads, candidates = score.shape
    room = np.maximum(1 - mean, 1e-9)
    excess = np.where(np.isfinite(score), (score - mean) / room, -np.inf)
    best = np.argmax(excess, axis=1)
    null = np.zeros(heads)
    normal = _normal(candidates)
    for head in range(heads):
        there = np.isfinite(score[head]) & (variance[head] > 0)
        if not there.any():
            continue
        bent = np.clip(skew[head][there], 0.02, 3.5)
        cubes = (1 + bent * normal[:, there] / 6 - bent**2 / 36).clip(0) ** 3
        deviation = (cubes - 1) * 2 / bent * np.sqrt(variance[head][there])
        null[head] = max(float((deviation / room[head][there]).max(1).mean()), 0.0)
    return best, null


def permuted(
    weights: NDArray[np.float32],
    eligible: NDArray[np.bool_],
    held: NDArray[np.float64],
    mean: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return how far the best key is over chance where rows are permuted: for small maps.

    Parameters
    ----------
    weights : array [head, query, key]
        0 where not eligible, and in rows that do not count.
    eligible : array [head or 1, query, key]
        Keys that each row is permuted over.
    held : array [head, key]
        What sums over queries are divided by.
    mean : array [head, key]
        Of the score of each key under permutation.

    Returns
    -------
    array [head]
        Mean over 200 permutations of the greatest ``(score − mean) / (1 − mean)``.
    """
    heads = len(weights)
    null = np.zeros(heads)
    for head in range(heads):
        order = _orders(eligible[head if len(eligible) > 1 else 0].tobytes(), weights.shape[1:])
        rows = np.arange(weights.shape[1])[None, :, None]
        sums = weights[head][rows, order].sum(1)  # [draw, key]
        with np.errstate(invalid="ignore"):
            excess = (sums / held[head] - mean[head]) / np.maximum(1 - mean[head], 1e-9)
        null[head] = max(float(excess.max(1).mean()), 0.0)
    return null


@lru_cache(maxsize=64)
def _orders(eligible: bytes, shape: tuple[int, int]) -> NDArray[np.intp]:
    """Return permutations of each row's eligible keys [draw, query, key]; the others stay."""
    cells = np.frombuffer(eligible, np.bool_).reshape(shape)
    drawn = np.random.default_rng(0).random((_PERMUTATIONS, *shape))
    sources = np.argsort(np.where(cells, drawn, 2.0), -1)  # eligible ones first, shuffled
    targets = np.argsort(~cells, -1, kind="stable")  # eligible ones first, in their order
    order = np.empty_like(sources)
    np.put_along_axis(order, np.broadcast_to(targets, order.shape), sources, -1)
    return order


@cache
def _normal(candidates: int) -> NDArray[np.float32]:
    """Return standard normal numbers [draw, candidate], always the same."""
    return np.random.default_rng(candidates).standard_normal((DRAWS, candidates), np.float32)
