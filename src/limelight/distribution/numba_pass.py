"""The pass of :mod:`limelight.distribution.numpy_pass`, compiled: less than a nanosecond a value.

Room: lowest. Comes in: singles in rows. Goes out: the same counts and sums. Each block is gone over
twice while it lies in the cache: sums and extremes in vector instructions, counts one by one.
Extremes are those of whole numbers that lie in the order of the singles they are made of: of
singles themselves, compilers make no vector instructions, for what NaNs would need.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numba
import numpy as np
from numba.extending import intrinsic
from numpy.typing import NDArray

from limelight.distribution.bins import BINS, SHIFT, SIDE
from limelight.distribution.numpy_pass import (
    FINITE,
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
)  # fmt: skip

_BLOCK: Final = 1 << 13
_SHIFT: Final = np.uint32(SHIFT)
_ONE: Final = np.uint32(1)
_MINUS_ZERO: Final = np.uint32(1 << 31)
_UNSIGNED: Final = np.uint32((1 << 31) - 1)
_REST: Final = np.int32((1 << 31) - 1)
_TOP: Final = np.int32(31)


def walk_all(tensors: Sequence[NDArray[Any]]) -> tuple[NDArray[np.uint32], NDArray[np.float64]]:
    """Sum up tensors, all in one call: of small ones, calls would take longer than their values.

    Parameters
    ----------
    tensors : sequence of array [value]
        float32, each in one piece.

    Returns
    -------
    counts : array [tensor, bin]
    sums : array [tensor, number]
        As :func:`limelight.distribution.numpy_pass.walk` gives them of each.
    """
    count = len(tensors)
    facts = [(tensor.__array_interface__["data"][0], tensor.size) for tensor in tensors]
    where = np.array(facts, np.int64).reshape(count, 2)
    counts, sums = np.zeros((count, BINS), np.uint32), np.zeros((count, FINITE + 1))
    _walk(where, counts, sums)
    return counts, sums


@intrinsic  # type: ignore[untyped-decorator]
def _pointer(_typing: Any, address: Any) -> Any:
    """Take a whole number for where singles lie."""

    def made(_context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = _context.get_value_type(signature.return_type)
        return builder.inttoptr(arguments[0], kind)

    return numba.types.CPointer(numba.float32)(address), made


def _counted_plainly(bits: Any, counts: Any, tables: Any) -> None:
    """Count a block in one table, or in four."""
    quarter = 0 if tables == 1 else len(bits) // 4
    # Four tables: neighbours often lie in one bin, and would wait for each other.
    for index in range(quarter):
        counts[0, bits[index] >> _SHIFT] += _ONE
        counts[1, bits[index + quarter] >> _SHIFT] += _ONE
        counts[2, bits[index + 2 * quarter] >> _SHIFT] += _ONE
        counts[3, bits[index + 3 * quarter] >> _SHIFT] += _ONE
    for index in range(4 * quarter, len(bits)):
        counts[0, bits[index] >> _SHIFT] += _ONE


def _taken_out_plainly(counts: Any, tables: Any) -> Any:
    """Forget what was counted that is no finite number, and return how many there were."""
    wild = 0
    for side in range(tables):
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


def _carried_plainly(counts: Any, ordered: Any, tables: Any) -> None:
    """Add what was counted to what is returned, ordered as bins are, and forget it."""
    if tables == 4:
        for at in range(PATTERNS):
            counts[0, at] += counts[1, at] + counts[2, at] + counts[3, at]
    for at in range(SIDE):
        ordered[SIDE + at] += counts[0, at]
        ordered[at] += counts[0, HALF + SIDE - 1 - at]
    counts[:tables] = 0


def _walk_plainly(values: Any, counts: Any, ordered: Any, sums: Any) -> None:
    """Go over all blocks of a tensor."""
    bits, whole = values.view(np.uint32), values.view(np.int32)
    tables = 1 if len(values) < _BLOCK else 4
    sums[LEAST], sums[MOST] = np.inf, -np.inf
    finite = np.empty(min(_BLOCK, len(values)), np.float32)
    tiny: Any = 0
    for begin in range(0, len(values), _BLOCK):
        end = min(begin + _BLOCK, len(values))
        _counted(bits[begin:end], counts, tables)
        before, tiny = tiny, 0
        for side in range(tables):
            tiny += np.int64(counts[side, 0]) + np.int64(counts[side, HALF])
        if tiny > before:  # smaller than any usual single, among which zeros are
            _zeros(bits[begin:end], sums)
        if _taken_out(counts, tables):
            count = _finite(values[begin:end], finite, sums)
            if count and sums[FINITE] == 0:
                sums[ORIGIN] = finite[0]
            if count:
                _summed(finite[:count], finite.view(np.int32)[:count], sums)
            sums[FINITE] += count
        else:
            if sums[FINITE] == 0:
                sums[ORIGIN] = values[begin]
            _summed(values[begin:end], whole[begin:end], sums)
            sums[FINITE] += end - begin
    _carried(counts, ordered, tables)
    minus = np.uint32(sums[MINUS])
    ordered[SIDE - 1] -= minus
    ordered[SIDE] += minus


def _all_plainly(where: Any, ordered: Any, sums: Any) -> None:
    """Go over all tensors; the tables stay in the cache."""
    counts = np.zeros((4, PATTERNS), np.uint32)
    for at in range(len(where)):
        values = numba.carray(_pointer(where[at, 0]), (where[at, 1],))
        _each(values, counts, ordered[at], sums[at])


_counted = numba.njit(nogil=True)(_counted_plainly)
_taken_out = numba.njit(nogil=True)(_taken_out_plainly)
_single = numba.njit(nogil=True)(_single_plainly)
_zeros = numba.njit(nogil=True)(_zeros_plainly)
_finite = numba.njit(nogil=True)(_finite_plainly)
_carried = numba.njit(nogil=True)(_carried_plainly)
_summed = numba.njit(nogil=True, fastmath={"reassoc", "nsz", "contract"})(_summed_plainly)
_each = numba.njit(nogil=True)(_walk_plainly)
_pass = numba.njit(nogil=True)(_all_plainly)
_SIGNATURE: Final = numba.void(numba.int64[:, ::1], numba.uint32[:, ::1], numba.float64[:, ::1])


def _cached(sources: str) -> Any:
    """Compile the pass, and keep that on disk for these sources where there is room.

    What it calls is no part of what Numba keeps it under; what it encloses is.
    """

    def walk(where: Any, ordered: Any, sums: Any) -> None:
        if len(sources) > 0:
            _pass(where, ordered, sums)

    try:
        return numba.njit(_SIGNATURE, nogil=True, cache=True)(walk)
    except RuntimeError:  # no folder to keep compiled code in
        return numba.njit(_SIGNATURE, nogil=True)(walk)


_walk = _cached(hashlib.sha256(b"".join(
    path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))
)).hexdigest())  # fmt: skip
