"""Whether a mean differs from 0: tests that flip the signs of units, and their correction.

Room: studying. Comes in: a number for each unit and hypothesis. Goes out: p-values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: At least so many flips; more where many hypotheses are tested together.
FEWEST_FLIPS: Final = 9_999
#: What p-values are held against.
ALPHA: Final = 0.05
_BLOCK: Final = 512


@dataclass(frozen=True)
class Tested:
    """What came of a test of several hypotheses.

    Attributes
    ----------
    p_value, p_adjusted : array [hypothesis]
        As tested, and after Holm's correction; NaN where nothing was to be tested.
    floor : float
        The smallest p-value that so many flips and units can give.
    can_survive : bool
        Whether any hypothesis could be below 0.05 after the correction, with so few units.
    """

    p_value: NDArray[np.float64]
    p_adjusted: NDArray[np.float64]
    floor: float
    can_survive: bool


def flips_for(hypotheses: int) -> int:
    """Return how many flips tell so many hypotheses apart.

    Parameters
    ----------
    hypotheses : int

    Returns
    -------
    int
        At least 9,999: 20 for each p-value that the correction could still let pass.

    Examples
    --------
    >>> flips_for(1), flips_for(72)
    (9999, 28800)
    """
    return max(FEWEST_FLIPS, math.ceil(20 * hypotheses / ALPHA))


def tested(values: NDArray[Any], seed: int) -> Tested:
    """Test for each column whether the mean over units is 0: two-sided, signs flipped by unit.

    Parameters
    ----------
    values : array [unit, hypothesis]
        NaN columns are left out.
    seed : int

    Returns
    -------
    Tested
        ``p_value`` is ``(1 + how many flipped means are as large) / (1 + flips)``.

    References
    ----------
    .. [1] B. Phipson and G. Smyth, "Permutation P-values should never be zero", Statistical
       Applications in Genetics and Molecular Biology 9, 2010.

    Examples
    --------
    >>> result = tested(np.ones((12, 1)), seed=0)
    >>> bool(result.p_value[0] < 0.01)
    True
    """
    flat = np.asarray(values, np.float64)
    units, columns = flat.shape
    present = np.isfinite(flat).all(axis=0) if units else np.zeros(columns, bool)
    hypotheses = int(present.sum())
    flips = flips_for(max(hypotheses, 1))
    varied = flat[:, present]
    size = np.abs(varied.sum(axis=0))
    # Sums in another order differ by rounding: what is equal must count as equal.
    slack = 1e-12 * np.abs(varied).sum(axis=0)
    as_large = np.zeros(hypotheses, np.int64)
    random = np.random.default_rng(seed)
    for first in range(0, flips, _BLOCK):
        rows = min(_BLOCK, flips - first)
        signs = random.integers(0, 2, size=(rows, units), dtype=np.int8) * 2.0 - 1.0
        as_large += (np.abs(signs @ varied) >= size - slack).sum(axis=0)
    p_value = np.full(columns, np.nan)
    p_value[present] = (1 + as_large) / (1 + flips)
    least = max(1 / (1 + flips), 2.0 ** (1 - units) if units else 1.0)
    survives = hypotheses * 2.0 ** (1 - units) <= ALPHA if units else False
    return Tested(p_value, holm(p_value), least, bool(survives))


def holm(p_values: NDArray[Any]) -> NDArray[np.float64]:
    """Correct p-values so that the chance of any false one stays below the level.

    Parameters
    ----------
    p_values : array [hypothesis]
        NaN ones are no hypotheses.

    Returns
    -------
    array [hypothesis]
        0 to 1.

    References
    ----------
    .. [1] S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal
       of Statistics 6, 1979.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, np.float64)
    made = np.full(given.shape, np.nan)
    at = np.flatnonzero(np.isfinite(given))
    if not at.size:
        return made
    order = at[np.argsort(given[at], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    made[order] = np.minimum(np.maximum.accumulate(given[order] * factors), 1.0)
    return made
