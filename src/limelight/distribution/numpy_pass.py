"""One pass over a tensor's values, with NumPy: its terms, which the compiled pass keeps to.

Room: lowest. Comes in: singles or doubles in one row. Goes out: counts by the upper bits of each
single, and sums of powers of what values differ from the first by, in double precision. About the
first value and not about 0: where the mean is many times the spread, the fourth moment would lose
all its digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.distribution.bins import SHIFT, SIDE

#: How many patterns of upper bits there are; those of negative values are the second half.
PATTERNS: Final = 1 << (32 - SHIFT)
HALF: Final = PATTERNS // 2

#: Where what is in the sums.
ORIGIN, S1, S2, S3, S4, LEAST, MOST, ZEROS, MINUS, NANS, INFINITE, FINITE = range(12)

#: Values that are counted at once.
_COUNTED: Final = 1 << 16
#: Values that are summed up at once: they and what is made of them stay in a core's cache, and
#: they are too few for several cores to be set to work on them, which would take twice the time
#: of them all.
_SUMMED: Final = 1 << 13
_LARGEST: Final = float(np.finfo(np.float32).max)
#: Doubles beyond these have fourth powers that no double holds.
_WIDE: Final = 1e70
_MINUS_ZERO: Final = np.uint32(1 << 31)

Sums = tuple[NDArray[np.int64], NDArray[np.float64], float]


def walk(flat: NDArray[Any]) -> Sums:
    """Sum up values.

    Parameters
    ----------
    flat : array [value]
        float32 or float64.

    Returns
    -------
    counts : array [bin]
        Of :mod:`limelight.distribution.bins`; negative zeros are counted where 0 is.
    sums : array
        By the numbers above: the first finite value, four sums of powers of what others differ from
        it by, least and greatest value, zeros, those of them that are negative zeros, NaNs,
        infinite ones and finite ones.
    unit : float
        What values were divided by before they were summed up: a power of 2.
    """
    counts, sums = np.zeros(PATTERNS, np.int64), np.zeros(FINITE + 1)
    sums[[LEAST, MOST]] = np.inf, -np.inf
    unit = unit_of(flat)
    begun = False
    for block in _blocks(flat, _COUNTED):
        bits = singles(block).view(np.uint32)
        part = np.bincount(bits >> np.uint32(SHIFT), minlength=PATTERNS)
        wild = int(part[SIDE:HALF].sum() + part[HALF + SIDE :].sum())
        finite = block[np.isfinite(block)] if wild else block
        if wild:
            part[SIDE:HALF] = part[HALF + SIDE :] = 0
            nans = int(np.count_nonzero(np.isnan(block)))
            sums[NANS] += nans
            sums[INFINITE] += wild - nans
        counts += part
        sums[FINITE] += finite.size
        if not finite.size:
            continue
        if not begun:
            sums[ORIGIN], begun = float(finite[0]) / unit, True
        if part[0] or part[HALF]:  # smaller than any usual single, among which zeros are
            sums[ZEROS] += finite.size - int(np.count_nonzero(finite))
            sums[MINUS] += int(np.count_nonzero(bits == _MINUS_ZERO))
        for values in _blocks(finite, _SUMMED):
            _add(values, unit, sums)
    return ordered(counts, int(sums[MINUS])), sums, unit


def ordered(patterns: NDArray[np.int64], minus: int) -> NDArray[np.int64]:
    """Return counts of patterns as counts of bins, ascending; zeros that are negative move to 0."""
    counts = np.concatenate([patterns[HALF : HALF + SIDE][::-1], patterns[:SIDE]])
    counts[SIDE - 1] -= minus
    counts[SIDE] += minus
    return counts


def unit_of(flat: NDArray[Any]) -> float:
    """Return the power of 2 by which doubles are divided, so that their powers stay doubles."""
    if flat.dtype != np.float64 or not flat.size:
        return 1.0
    largest = max(float(np.max(np.abs(block), initial=0.0, where=np.isfinite(block)))
                  for block in _blocks(flat, _COUNTED))  # fmt: skip
    if not largest or 1 / _WIDE < largest < _WIDE:
        return 1.0
    return float(2.0 ** np.floor(np.log2(largest)))


def singles(block: NDArray[Any]) -> NDArray[np.float32]:
    """Return values as the nearest finite singles; what is no finite number stays so."""
    if block.dtype == np.float32:
        return block
    finite = np.isfinite(block)
    held = np.where(finite, np.clip(block, -_LARGEST, _LARGEST), block)
    return held.astype(np.float32)


def _add(finite: NDArray[Any], unit: float, sums: NDArray[np.float64]) -> None:
    """Add finite values."""
    wide = finite.astype(np.float64)
    if unit != 1.0:
        wide /= unit
    sums[LEAST] = min(sums[LEAST], float(finite.min()) / unit)
    sums[MOST] = max(sums[MOST], float(finite.max()) / unit)
    wide -= sums[ORIGIN]
    squares = wide * wide
    sums[S1] += float(wide.sum())
    sums[S2] += float(np.dot(wide, wide))
    sums[S3] += float(np.dot(squares, wide))
    sums[S4] += float(np.dot(squares, squares))


def _blocks(flat: NDArray[Any], size: int) -> Iterator[NDArray[Any]]:
    for start in range(0, flat.size, size):
        yield flat[start : start + size]
