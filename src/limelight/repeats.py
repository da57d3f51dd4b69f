"""Sums up what was measured several times: a mean, and how far it may be off.

Room: beside data; the cases use it. Comes in: numbers. Goes out: means and intervals. NumPy only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

#: Student's t at 97.5 %, by degrees of freedom from 1 on; the normal law's for more.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179)
_NORMAL = 1.960

Interval = tuple[float, float]


def mean_of(values: Sequence[float]) -> tuple[float, Interval | None]:
    """Return the mean of what was measured with several seeds, and its 95 % interval.

    Parameters
    ----------
    values : sequence of float
        One for each seed.

    Returns
    -------
    mean : float
    interval : tuple of float, or None
        By Student's t; None of a single value, which says nothing of others.

    Examples
    --------
    >>> mean, (low, high) = mean_of([1.0, 2.0, 3.0])
    >>> round(mean, 2), round(low, 2), round(high, 2)
    (2.0, -0.48, 4.48)
    """
    mean = float(np.mean(values))
    free = len(values) - 1
    if free < 1:
        return mean, None
    quantile = _T[free - 1] if free <= len(_T) else _NORMAL
    half = quantile * float(np.std(values, ddof=1)) / (free + 1) ** 0.5
    return mean, (mean - half, mean + half)


def difference_of(
    first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]
) -> tuple[float, Interval]:
    """Return how much more the mean of one sample is than that of another, with its 95 % interval.

    Parameters
    ----------
    first, second : ndarray [example]
        Hundreds of independent examples each: the normal law is taken for Student's.

    Returns
    -------
    difference : float
    interval : tuple of float

    Examples
    --------
    >>> even = np.tile([0.0, 2.0], 200)
    >>> difference, (low, high) = difference_of(even + 1, even)
    >>> round(difference, 2), round(low, 2), round(high, 2)
    (1.0, 0.86, 1.14)
    """
    difference = float(first.mean() - second.mean())
    error = (first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second)) ** 0.5
    half = _NORMAL * float(error)
    return difference, (difference - half, difference + half)
