"""How sure a mean over examples is.

Room: the read path. Comes in: numbers per example. Goes out: the ends of an interval.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

#: Resamples drawn; the ends then move by a few hundredths of the interval's width.
RESAMPLES = 1000


def interval(values: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    r"""Return the 95 % percentile bootstrap interval of the mean over the last axis.

    Parameters
    ----------
    values : array [..., example]
        One number per example.

    Returns
    -------
    low, high : array [...]
        NaN where there are fewer than two examples, or one of them is NaN.

    Notes
    -----
    Examples are drawn anew, with replacement, from a fixed seed, so the same numbers give the same
    interval. It says how far the mean depends on which examples the probe holds; with few of them
    it is too narrow.

    References
    ----------
    .. [1] B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13
       (percentile intervals).

    Examples
    --------
    >>> low, high = interval(np.array([0.0, 1.0] * 50))
    >>> bool(0.38 < low < 0.45 and 0.55 < high < 0.62)
    True
    """
    if values.shape[-1] < 2:
        empty = np.full(values.shape[:-1], np.nan)
        return empty, empty.copy()
    whole = np.ascontiguousarray(values, np.float64)
    low, high = _ends(whole.tobytes(), whole.shape)
    return low.copy(), high.copy()


@lru_cache(maxsize=64)  # a page asks again whenever it is drawn anew
def _ends(data: bytes, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    flat = np.frombuffer(data).reshape(-1, shape[-1])
    sound = np.isfinite(flat).all(-1)
    ends = np.full((2, flat.shape[0]), np.nan)
    if sound.any():
        # Each resample's mean is a weighted mean of the examples: one matrix product for them all.
        means = np.sort(flat[sound] @ _counts(shape[-1]) / shape[-1], axis=-1)
        edge = int(0.025 * RESAMPLES)
        ends[:, sound] = means[:, edge], means[:, RESAMPLES - 1 - edge]
    return ends.reshape(2, *shape[:-1])


@lru_cache(maxsize=8)
def _counts(examples: int) -> np.ndarray[Any, Any]:
    """Return how often each resample holds each example [example, resample]."""
    drawn = np.random.default_rng(0).integers(0, examples, (RESAMPLES, examples))
    counts = np.zeros((examples, RESAMPLES))
    np.add.at(counts, (drawn, np.arange(RESAMPLES)[:, None]), 1.0)
    return counts
