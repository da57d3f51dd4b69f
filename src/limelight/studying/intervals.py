"""How sure a mean is: intervals that follow the number of units, and what n they need.

Room: studying. Comes in: a number for each unit. Goes out: means with the ends of their intervals.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

#: From so many units on the bootstrap's percentiles are taken; below, Student's t of the units.
BOOTSTRAP_FROM: Final = 30
#: Below so many units no interval is given.
FEWEST: Final = 5
#: How many times units are drawn again.
DRAWS: Final = 2_000
#: What an interval covers.
LEVEL: Final = 0.95


def interval(
    values: NDArray[Any], seed: int, level: float = LEVEL
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of a 95 % interval of the mean over units.

    Parameters
    ----------
    values : array [unit, …]
        One number for each unit; of two conditions compared, their difference.
    seed : int
        For the units that are drawn: all columns are drawn alike.
    level : float
        Share of intervals that hold the mean, above 0 and below 1.

    Returns
    -------
    array […], array […]
        Lower and upper end: percentiles of 2,000 bootstrap means from 30 units on; below, where
        these cover too little, the t-interval; NaN below 5 units.

    References
    ----------
    .. [1] B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.

    Examples
    --------
    >>> low, high = interval(np.arange(40.0), seed=0)
    >>> bool(low < 19.5 < high)
    True
    """
    units = len(values)
    flat = np.asarray(values, np.float64).reshape(units, -1)
    shape = np.shape(values)[1:]
    if units < FEWEST:
        nothing = np.full(shape, np.nan)
        return nothing, nothing.copy()
    if units < BOOTSTRAP_FROM:
        mean = flat.mean(0)
        half = flat.std(0, ddof=1) / np.sqrt(units) * float(stdtrit(units - 1, (1 + level) / 2))
        return (mean - half).reshape(shape), (mean + half).reshape(shape)
    random = np.random.default_rng(seed)
    means = np.empty((DRAWS, flat.shape[1]))
    for first in range(0, DRAWS, 100):  # never DRAWS × units × columns at once
        weights = random.multinomial(units, np.full(units, 1 / units), size=100)
        means[first : first + 100] = weights @ flat / units
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return low.reshape(shape), high.reshape(shape)
