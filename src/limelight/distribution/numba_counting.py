"""The sums of :mod:`limelight.distribution.counting` that are made at each record, compiled.

Room: lowest. Comes in: counts of many tensors. Goes out: the same numbers, without a table of all
that lies between: those of a hundred tensors do not fit a core's cache.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
from numpy.typing import NDArray

from limelight.distribution.bins import BINS, SIDE, edges

_COUNTS: Final = numba.types.Array(numba.uint32, 2, "C", readonly=True)
_ROW: Final = numba.types.Array(numba.float64, 1, "C", readonly=True)
_WHOLE: Final = numba.types.Array(numba.int64, 1, "C", readonly=True)


def quantiles(
    counts: NDArray[np.uint32], shares: NDArray[np.float64], zeros: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return quantiles [tensor, share] of ascending shares."""
    made = np.full((len(counts), len(shares)), np.nan)
    _quantiles(counts, shares, zeros, edges(), made)
    return made


def within(
    counts: NDArray[np.uint32], limits: NDArray[np.float64], zeros: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the shares [tensor] of values with ``|value| <= limit``."""
    made = np.full(len(counts), np.nan)
    _within(counts, limits, zeros, edges(), made)
    return made


def distance(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Return Wasserstein-1 distances [tensor]."""
    made = np.full(len(b), np.nan)
    _distance(a, b, edges(), made)
    return made


def _quantiles_plainly(counts: Any, shares: Any, zeros: Any, lines: Any, made: Any) -> None:
    for row in range(len(counts)):
        total = np.int64(0)
        for at in range(BINS):
            total += np.int64(counts[row, at])
        if total == 0:
            continue
        below, share = np.int64(0), 0
        for at in range(BINS):
            inside = np.int64(counts[row, at])
            if inside == 0:
                continue
            left, right = lines[at], lines[at + 1]
            if at == SIDE and inside == zeros[row]:
                right = 0.0
            while share < len(shares) and shares[share] * total <= below + inside:
                height = shares[share] * total
                made[row, share] = left + (height - below) / inside * (right - left)
                share += 1
            below += inside
            if share == len(shares):
                break


def _within_plainly(counts: Any, limits: Any, zeros: Any, lines: Any, made: Any) -> None:
    for row in range(len(counts)):
        total = np.int64(0)
        for at in range(BINS):
            total += np.int64(counts[row, at])
        if total == 0 or np.isnan(limits[row]):
            continue
        inside = 0.0
        if limits[row] > 0:
            for side in range(2):
                limit = -limits[row] if side == 0 else limits[row]
                held = np.searchsorted(lines, limit, "right") - 1
                below = np.int64(0)
                for at in range(min(max(held, 0), BINS)):
                    below += np.int64(counts[row, at])
                part = float(below)
                if 0 <= held < BINS:
                    width = lines[held + 1] - lines[held]
                    part += (limit - lines[held]) / width * np.int64(counts[row, held])
                inside = part - inside
        made[row] = min(1.0, max(inside, float(zeros[row])) / total)


def _distance_plainly(a: Any, b: Any, lines: Any, made: Any) -> None:
    for row in range(len(b)):
        first = a[row if len(a) > 1 else 0]
        second = b[row]
        total_a, total_b = np.int64(0), np.int64(0)
        for at in range(BINS):
            total_a += np.int64(first[at])
            total_b += np.int64(second[at])
        if total_a == 0 or total_b == 0:
            continue
        below_a, below_b = np.int64(0), np.int64(0)
        gap, end, moved = 0.0, lines[0], 0.0
        for at in range(BINS):
            if first[at] | second[at] == 0:
                continue
            moved += abs(gap) * (lines[at] - end)  # nothing lies between
            below_a += np.int64(first[at])
            below_b += np.int64(second[at])
            after = below_a / total_a - below_b / total_b
            left, right = abs(gap), abs(after)
            mean = (left + right) / 2
            if gap * after < 0:
                mean = (left * left + right * right) / (2 * (left + right))
            moved += mean * (lines[at + 1] - lines[at])
            gap, end = after, lines[at + 1]
        made[row] = moved


def _compiled(function: Any, signature: Any) -> Any:
    """Compile a function, and keep that on disk where there is room."""
    try:
        return numba.njit(signature, nogil=True, cache=True)(function)
    except RuntimeError:  # no folder to keep compiled code in
        return numba.njit(signature, nogil=True)(function)


_quantiles = _compiled(
    _quantiles_plainly,
    numba.void(_COUNTS, _ROW, _WHOLE, _ROW, numba.float64[:, ::1]),
)
_within = _compiled(
    _within_plainly,
    numba.void(_COUNTS, _ROW, _WHOLE, _ROW, numba.float64[::1]),
)
_distance = _compiled(_distance_plainly, numba.void(_COUNTS, _COUNTS, _ROW, numba.float64[::1]))
