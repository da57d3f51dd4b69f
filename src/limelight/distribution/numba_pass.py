"""The pass of :mod:`limelight.distribution.numpy_pass`, compiled: less than a nanosecond a value.

Room: lowest. Comes in: singles or doubles in a row. Goes out: the same counts and sums. Each block
is gone over twice while it lies in the cache: sums and extremes in vector instructions, counts one
by one. Extremes are those of whole numbers that lie in the order of the singles they are made of:
of singles themselves, compilers make no vector instructions, for what NaNs would need.
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
#: Blocks after which counts are carried over to wider numbers.
_CARRIED: Final = 1 << 16
_SHIFT: Final = np.uint32(SHIFT)
_ONE: Final = np.uint32(1)
_MINUS_ZERO: Final = np.uint32(1 << 31)
_UNSIGNED: Final = np.uint32((1 << 31) - 1)
_REST: Final = np.int32((1 << 31) - 1)
_TOP: Final = np.int32(31)


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
    counts, sums = np.zeros(BINS, np.int64), np.zeros(INFINITE + 1)
    _walk(flat, counts, sums)
    return counts, sums, 1.0


def _counted_plainly(bits: Any, counts: Any) -> None:
    """Count a block."""
    quarter = len(bits) // 4
    # Four tables: neighbours often lie in one bin, and would wait for each other.
    for index in range(quarter):
        counts[0, bits[index] >> _SHIFT] += _ONE
        counts[1, bits[index + quarter] >> _SHIFT] += _ONE
        counts[2, bits[index + 2 * quarter] >> _SHIFT] += _ONE
        counts[3, bits[index + 3 * quarter] >> _SHIFT] += _ONE
    for index in range(4 * quarter, len(bits)):
        counts[0, bits[index] >> _SHIFT] += _ONE


def _taken_out_plainly(counts: Any) -> Any:
    """Forget what was counted that is no finite number, and return how many there were."""
    wild = 0
    for side in range(4):
        for at in range(SIDE, HALF):
            wild += counts[side, at] + counts[side, HALF + at]
            counts[side, at] = 0
            counts[side, HALF + at] = 0
    return wild


def _summed_plainly(values: Any, bits: Any, sums: Any) -> None:
    """Add a block of finite values."""
    origin = sums[ORIGIN]
    s1, s2, s3, s4 = 0.0, 0.0, 0.0, 0.0
    least, most = _REST, np.int32(-_REST - 1)
    for index in range(len(values)):
        d = values[index] - origin
        square = d * d
        s1 += d
        s2 += square
        s3 += square * d
        s4 += square * square
        # As whole numbers, negative singles lie the wrong way round.
        key = np.int32(bits[index] ^ ((bits[index] >> _TOP) & _REST))
        least = min(least, key)
        most = max(most, key)
    sums[S1] += s1
    sums[S2] += s2
    sums[S3] += s3
    sums[S4] += s4
    sums[LEAST] = min(sums[LEAST], _single(least))
    sums[MOST] = max(sums[MOST], _single(most))


def _single_plainly(key: Any) -> Any:
    """Return the single that a whole number in the order of singles is made of."""
    held = np.empty(1, np.int32)
    held[0] = np.int32(key ^ ((key >> _TOP) & _REST))
    return np.float64(held.view(np.float32)[0]) + 0.0  # no negative zero


def _zeros_plainly(bits: Any, sums: Any) -> None:
    """Count zeros, and those of them that are negative."""
    zeros, minus = 0, 0
    for index in range(len(bits)):
        zeros += (bits[index] & _UNSIGNED) == 0
        minus += bits[index] == _MINUS_ZERO
    sums[ZEROS] += zeros
    sums[MINUS] += minus


def _finite_plainly(values: Any, finite: Any, sums: Any) -> Any:
    """Gather a block's finite values, count the others, and return how many there are."""
    count = 0
    for value in values:
        if np.isnan(value):
            sums[NANS] += 1
        elif np.isinf(value):
            sums[INFINITE] += 1
        else:
            finite[count] = value
            count += 1
    return count


def _carried_plainly(counts: Any, ordered: Any) -> None:
    """Add what was counted to wider numbers, ordered as bins are."""
    a, b, c, d = counts[0], counts[1], counts[2], counts[3]
    for at in range(SIDE):
        ordered[SIDE + at] += a[at] + b[at] + c[at] + d[at]
        minus = HALF + SIDE - 1 - at
        ordered[at] += a[minus] + b[minus] + c[minus] + d[minus]
    counts[:] = 0


def _walk_plainly(values: Any, ordered: Any, sums: Any) -> None:
    """Go over all blocks."""
    bits, whole = values.view(np.uint32), values.view(np.int32)
    counts = np.zeros((4, PATTERNS), np.uint32)
    sums[LEAST], sums[MOST] = np.inf, -np.inf
    finite = np.empty(_BLOCK, np.float32)
    begun, blocks = False, 0
    tiny: Any = 0
    for begin in range(0, len(values), _BLOCK):
        end = min(begin + _BLOCK, len(values))
        _counted(bits[begin:end], counts)
        before, tiny = tiny, 0
        for side in range(4):
            tiny += np.int64(counts[side, 0]) + np.int64(counts[side, HALF])
        if tiny > before:  # smaller than any usual single, among which zeros are
            _zeros(bits[begin:end], sums)
        if _taken_out(counts):
            count = _finite(values[begin:end], finite, sums)
            if count and not begun:
                sums[ORIGIN], begun = finite[0], True
            if count:
                _summed(finite[:count], finite.view(np.int32)[:count], sums)
        else:
            if not begun:
                sums[ORIGIN], begun = values[begin], True
            _summed(values[begin:end], whole[begin:end], sums)
        blocks += 1
        if blocks == _CARRIED:
            _carried(counts, ordered)
            blocks, tiny = 0, 0
    _carried(counts, ordered)
    minus = np.int64(sums[MINUS])
    ordered[SIDE - 1] -= minus
    ordered[SIDE] += minus


_counted = numba.njit(nogil=True)(_counted_plainly)
_taken_out = numba.njit(nogil=True)(_taken_out_plainly)
_single = numba.njit(nogil=True)(_single_plainly)
_zeros = numba.njit(nogil=True)(_zeros_plainly)
_finite = numba.njit(nogil=True)(_finite_plainly)
_carried = numba.njit(nogil=True)(_carried_plainly)
_summed = numba.njit(nogil=True, fastmath={"reassoc", "nsz", "contract"})(_summed_plainly)
_pass = numba.njit(nogil=True)(_walk_plainly)

#: Memory that nothing writes to: what may be written to fits it too, and is not compiled for anew.
_SIGNATURE: Final = numba.void(
    numba.types.Array(numba.float32, 1, "C", readonly=True), numba.int64[::1], numba.float64[::1]
)


def _cached(sources: str) -> Any:
    """Compile the pass, and keep that on disk for these sources where there is room.

    What it calls is no part of what Numba keeps it under; what it encloses is.
    """

    def walk(values: Any, ordered: Any, sums: Any) -> None:
        if len(sources) > 0:
            _pass(values, ordered, sums)

    try:
        return numba.njit(_SIGNATURE, nogil=True, cache=True)(walk)
    except RuntimeError:  # no folder to keep compiled code in
        return numba.njit(_SIGNATURE, nogil=True)(walk)


_walk = _cached(hashlib.sha256(b"".join(
    path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))
)).hexdigest())  # fmt: skip
