"""The pass of :mod:`limelight.distribution.numpy_pass`, compiled: a few nanoseconds a value.

Room: lowest. Comes in: singles or doubles in a row. Goes out: the same counts and sums. Each block
is gone over twice while it lies in the cache: sums in vector instructions, counts one by one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import numba
import numpy as np
from numpy.typing import NDArray

from limelight.distribution import numpy_pass
from limelight.distribution.bins import BINS, SHIFT, SIDE
from limelight.distribution.numpy_pass import (
    HALF,
    INFINITE,
    LEAST,
    MINUS,
    MOST,
    NANS,
    ORIGIN,
    PATTERNS,
    S1,
    S2,
    S3,
    S4,
    ZEROS,
    Sums,
)  # fmt: skip

_BLOCK: Final = 1 << 13
_REST: Final = HALF - 1
_SHIFT: Final = np.uint32(SHIFT)
_MINUS_ZERO: Final = np.uint32(1 << 31)


def walk(flat: NDArray[Any]) -> Sums:
    """Sum up values.

    Parameters
    ----------
    flat : array [value]
        float32 or float64.

    Returns
    -------
    counts, sums, unit
        As :func:`limelight.distribution.numpy_pass.walk`.
    """
    if flat.dtype != np.float32:  # seldom
        return numpy_pass.walk(flat)
    counts, sums = np.empty(BINS, np.int64), np.zeros(INFINITE + 1)
    _walk(flat, flat.view(np.uint32), counts, sums)
    return counts, sums, 1.0


def _counted_plainly(bits: Any, begin: Any, end: Any, counts: Any) -> Any:
    """Count a block; return how many of its values are no finite number."""
    middle = begin + (end - begin) // 2
    # Two tables: neighbours often lie in one bin, and would wait for each other.
    for index in range(middle - begin):
        counts[0, bits[begin + index] >> _SHIFT] += 1
        counts[1, bits[middle + index] >> _SHIFT] += 1
    if begin + 2 * (middle - begin) < end:
        counts[0, bits[end - 1] >> _SHIFT] += 1
    wild = 0
    for side in range(2):
        for at in range(SIDE, HALF):
            wild += counts[side, at] + counts[side, HALF + at]
            counts[side, at] = 0
            counts[side, HALF + at] = 0
    return wild


def _summed_plainly(values: Any, begin: Any, end: Any, sums: Any) -> None:
    """Add a block of finite values."""
    origin = sums[ORIGIN]
    s1, s2, s3, s4 = 0.0, 0.0, 0.0, 0.0
    least, most = np.float32(np.inf), np.float32(-np.inf)
    zeros = 0
    for index in range(begin, end):
        value = values[index]
        d = value - origin
        square = d * d
        s1 += d
        s2 += square
        s3 += square * d
        s4 += square * square
        least = min(least, value)
        most = max(most, value)
        zeros += value == 0
    sums[S1] += s1
    sums[S2] += s2
    sums[S3] += s3
    sums[S4] += s4
    sums[ZEROS] += zeros
    sums[LEAST] = min(sums[LEAST], least)
    sums[MOST] = max(sums[MOST], most)


def _walk_plainly(values: Any, bits: Any, ordered: Any, sums: Any) -> None:
    """Go over all blocks, and order what was counted as bins are."""
    counts = np.zeros((2, PATTERNS), np.int64)
    sums[LEAST], sums[MOST] = np.inf, -np.inf
    finite = np.empty(_BLOCK, np.float32)
    begun = False
    for begin in range(0, len(values), _BLOCK):
        end = min(begin + _BLOCK, len(values))
        wild = _counted(bits, begin, end, counts)
        tiny = counts[0, 0] + counts[1, 0] + counts[0, HALF] + counts[1, HALF]
        if tiny:
            for index in range(begin, end):
                sums[MINUS] += bits[index] == _MINUS_ZERO
        if not wild:
            if not begun:
                sums[ORIGIN] = values[begin]
                begun = True
            _summed(values, begin, end, sums)
            continue
        count = 0
        for index in range(begin, end):
            value = values[index]
            if np.isnan(value):
                sums[NANS] += 1
            elif np.isinf(value):
                sums[INFINITE] += 1
            else:
                finite[count] = value
                count += 1
        if count:
            if not begun:
                sums[ORIGIN] = finite[0]
                begun = True
            _summed(finite, 0, count, sums)
    for at in range(SIDE):
        ordered[SIDE + at] = counts[0, at] + counts[1, at]
        ordered[SIDE - 1 - at] = counts[0, HALF + at] + counts[1, HALF + at]
    minus = np.int64(sums[MINUS])
    ordered[SIDE - 1] -= minus
    ordered[SIDE] += minus


_counted = numba.njit(nogil=True)(_counted_plainly)
_summed = numba.njit(nogil=True, fastmath={"reassoc", "nsz", "contract", "nnan"})(_summed_plainly)
_pass = numba.njit(nogil=True)(_walk_plainly)


def _cached(sources: str) -> Any:
    """Compile the pass, and keep that on disk for these sources where there is room.

    What it calls is no part of what Numba keeps it under; what it encloses is.
    """

    def walk(values: Any, bits: Any, ordered: Any, sums: Any) -> None:
        if len(sources) > 0:
            _pass(values, bits, ordered, sums)

    try:
        return numba.njit(nogil=True, cache=True)(walk)
    except RuntimeError:  # no folder to keep compiled code in
        return numba.njit(nogil=True)(walk)


_walk = _cached(hashlib.sha256(b"".join(
    path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))
)).hexdigest())  # fmt: skip
