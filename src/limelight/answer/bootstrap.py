"""How sure a mean over examples is.

Room: the read path. Comes in: numbers per example. Goes out: the ends of an interval.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

#: Resamples drawn; the interval's ends then move by about a hundredth of its width.
RESAMPLES = 2000


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
    examples = values.shape[-1]
    if examples < 2:
        empty = np.full(values.shape[:-1], np.nan)
        return empty, empty.copy()
    flat = values.reshape(-1, examples).astype(np.float64)
    sound = np.isfinite(flat).all(-1)
    ends = np.full((2, flat.shape[0]), np.nan)
    if sound.any():
        # Each resample's mean is a weighted mean of the examples: one matrix product for them all.
        means = flat[sound] @ _weights(examples)
        # Ordering every row in full would take most of the time; two places in it are enough.
        ends[:, sound] = _quantiles(means)
    shape = values.shape[:-1]
    return ends[0].reshape(shape), ends[1].reshape(shape)


def _quantiles(means: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    edge = int(0.025 * RESAMPLES)
    ordered = np.partition(means, (edge, RESAMPLES - 1 - edge), axis=-1)
    return np.stack([ordered[:, edge], ordered[:, RESAMPLES - 1 - edge]])


@lru_cache(maxsize=8)
def _weights(examples: int) -> np.ndarray[Any, Any]:
    """Return how often each resample holds each example, as shares [example, resample]."""
    drawn = np.random.default_rng(0).integers(0, examples, (RESAMPLES, examples))
    counts = np.zeros((examples, RESAMPLES))
    np.add.at(counts, (drawn, np.arange(RESAMPLES)[:, None]), 1.0)
    return counts / examples
