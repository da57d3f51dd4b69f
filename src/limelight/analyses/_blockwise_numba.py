"""One pass over scores in small tiles, compiled.

Products, exponentials and sums of a tile follow each other while it lies in the nearest cache.
Loops over keys are written so that the compiler makes vector instructions of them: all numbers in
single precision, fixed distances between the streams, no call. What a tile gives is added up in
double precision. Compiled code is kept on disk until this file changes, so whoever changes a number
that is imported here must touch it.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numba
import numpy as np
from numpy.typing import NDArray

from limelight.analyses._blockwise_numpy import (
    APART,
    FIRST,
    LOWEST,
    NEAR,
    SLOPE,
    TOP,
    TOTAL,
    blank,
)
from limelight.factors import Factors

ROWS: Final = 4  # worked on together: each key vector that is loaded serves so many queries
WIDTH: Final = 256  # keys in a tile
_DEEP: Final = 4  # features in a step

_LOG2E: Final = np.float32(1.44269504088896341)
_HIGH: Final = np.float32(0.693359375)  # log(2) in two parts
_LOW: Final = np.float32(-2.12194440e-4)
_ROUND: Final = np.float32(12582912.0)  # 1.5 * 2**23: adding it rounds to a whole number
_C = tuple(
    np.float32(one)
    for one in (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2,
                1.6666665459e-1, 5.0000001201e-1)
)  # fmt: skip
_C0, _C1, _C2, _C3, _C4, _C5 = _C
_ONE: Final = np.float32(1)
_NOTHING: Final = np.float32(0)
_NEVER: Final = np.float32(-np.inf)
_SHIFT: Final = np.int32(23)
_BIAS: Final = np.int32(127 << 23)
_SIGN: Final = np.int32(31)
_REST: Final = np.int32(0x7FFFFFFF)
_FEWEST: Final = np.int32(-(2**31))

_DIAGONAL, _PREVIOUS, _NEXT = (NEAR[name] for name in ("diagonal", "previous", "next"))


def walk(factors: Factors, apart: bool, near: bool) -> NDArray[np.float64]:
    """Make one pass over the scores on all cores; see the NumPy form of the same name."""
    del apart  # comes with the rest
    raw = blank(factors, near)
    rule = factors.rule
    examples, heads, queries, _ = factors.shape
    sites = examples * heads
    cells = np.zeros((1, 1, 1, 1), np.bool_) if rule.cells is None else rule.cells
    cap = 0.0 if factors.softcap is None else float(factors.softcap)
    holes = not bool(rule.valid.all())
    # Whole maps for each core; parts of maps where there are few.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = cores or 1
    parts = 1 if sites >= 4 * cores else max(1, min(4 * cores, queries // 64))
    step = -(-queries // parts)
    each = max(1, sites // (4 * cores))

    def act(piece: tuple[int, int]) -> None:
        first, row = piece
        _walk(
            np.ascontiguousarray(factors.query), np.ascontiguousarray(factors.key),
            np.float32(factors.scale), cap, rule.first, rule.stop, rule.valid, holes,
            cells, rule.cells is not None, first, min(first + each, sites), row,
            min(row + step, queries), near, raw,
        )  # fmt: skip

    pieces = [(a, b) for a in range(0, sites, each) for b in range(0, queries, step)]
    if cores == 1 or len(pieces) == 1:
        for piece in pieces:
            act(piece)
    else:
        with ThreadPoolExecutor(cores) as pool:
            list(pool.map(act, pieces))
    return raw


def _walk_plainly(
    query: Any, key: Any, scale: Any, cap: Any, first: Any, stop: Any, valid: Any, holes: Any,
    cells: Any, by_cell: Any, site_from: Any, site_to: Any, row_from: Any, row_to: Any, near: Any,
    raw: Any,
) -> None:  # fmt: skip
    """Walk over some maps, or some rows of one, tile by tile."""
    heads, features = query.shape[1], query.shape[3]
    keys, group = key.shape[2], heads // key.shape[1]
    deep = (features + _DEEP - 1) // _DEEP * _DEEP
    tile = np.zeros(deep * WIDTH, np.float32)
    own = np.zeros(ROWS * deep, np.float32)
    scores = np.zeros(ROWS * WIDTH, np.float32)
    bits = scores.view(np.int32)
    for site in range(site_from, site_to):
        example, head = site // heads, site % heads
        begins, ends = first[example % len(first)], stop[example % len(stop)]
        whole = valid[example % len(valid)]
        pattern = cells[example % len(cells), head % cells.shape[1]]
        into, vectors, others = raw[:, example, head], query[example, head], key[example]
        for start in range(0, keys, WIDTH):
            count = min(WIDTH, keys - start)
            _pack(others[head // group], start, count, tile)
            for row in range(row_from, row_to, ROWS):
                some = min(ROWS, row_to - row)
                low, high = 0, count
                if not by_cell:
                    low, high = _reach(
                        begins[row : row + some], ends[row : row + some], start, count
                    )
                if low >= high:
                    continue
                _lift(vectors, row, some, scale, deep, own)
                _multiply(own, deep, tile, low, high, scores)
                if cap > 0:
                    _cap(scores, some, low, high, cap)
                for one in range(some):
                    here, base = row + one, one * WIDTH
                    left, right = low, high
                    if by_cell:
                        _forbid(scores[base:], pattern[here, start:], left, right)
                    else:
                        left = max(left, begins[here] - start)
                        right = min(right, ends[here] - start)
                        if holes:
                            _forbid(scores[base:], whole[start:], left, right)
                    if left < right:
                        _note(scores[base:], start, left, right, near, into, here)
                        part = slice(base + left, base + right)
                        _add(scores[part], bits[part], start + left - here, into, here)


def _reach_plainly(begins: Any, ends: Any, start: Any, count: Any) -> Any:
    """Return from where to where any of a few queries may look into a tile."""
    low, high = count, 0
    for one in range(len(begins)):
        if ends[one] > begins[one]:
            low = max(0, min(low, begins[one] - start))
            high = min(count, max(high, ends[one] - start))
    return low, high


def _lift_plainly(vectors: Any, row: Any, some: Any, scale: Any, deep: Any, own: Any) -> None:
    """Lay a few queries out, scaled; features beyond theirs stay 0."""
    for one in range(some):
        for feature in range(vectors.shape[1]):
            own[one * deep + feature] = vectors[row + one, feature] * scale


def _cap_plainly(scores: Any, some: Any, low: Any, high: Any, cap: Any) -> None:
    for one in range(some):
        for place in range(one * WIDTH + low, one * WIDTH + high):
            scores[place] = math.tanh(scores[place] / cap) * cap


def _forbid_plainly(scores: Any, allowed: Any, left: Any, right: Any) -> None:
    for place in range(left, right):
        if not allowed[place]:
            scores[place] = _NEVER


def _note_plainly(
    scores: Any, start: Any, left: Any, right: Any, near: Any, into: Any, row: Any
) -> None:
    """Keep the scores of single keys."""
    if start == 0 and left == 0:
        into[FIRST, row] = scores[0]
    if near:
        place = row - start
        if left <= place < right:
            into[_DIAGONAL, row] = scores[place]
        if left <= place - 1 < right:
            into[_PREVIOUS, row] = scores[place - 1]
        if left <= place + 1 < right:
            into[_NEXT, row] = scores[place + 1]


def _pack_plainly(key: Any, start: Any, count: Any, tile: Any) -> None:
    """Lay a tile of keys feature by feature."""
    for place in range(count):
        for feature in range(key.shape[1]):
            tile[feature * WIDTH + place] = key[start + place, feature]


def _multiply_plainly(own: Any, deep: Any, tile: Any, low: Any, high: Any, scores: Any) -> None:
    """Multiply a few queries with a tile of keys."""
    found = scores[low:]
    for place in range(high - low):
        found[place] = _NOTHING
        found[place + WIDTH] = _NOTHING
        found[place + 2 * WIDTH] = _NOTHING
        found[place + 3 * WIDTH] = _NOTHING
    for step in range(0, deep, _DEEP):
        a0, a1, a2, a3 = own[step], own[step + 1], own[step + 2], own[step + 3]
        second = step + deep
        b0, b1, b2, b3 = own[second], own[second + 1], own[second + 2], own[second + 3]
        third = second + deep
        c0, c1, c2, c3 = own[third], own[third + 1], own[third + 2], own[third + 3]
        fourth = third + deep
        d0, d1, d2, d3 = own[fourth], own[fourth + 1], own[fourth + 2], own[fourth + 3]
        keys = tile[step * WIDTH + low : (step + _DEEP) * WIDTH]
        for place in range(high - low):
            k0 = keys[place]
            k1 = keys[place + WIDTH]
            k2 = keys[place + 2 * WIDTH]
            k3 = keys[place + 3 * WIDTH]
            found[place] += a0 * k0 + a1 * k1 + a2 * k2 + a3 * k3
            found[place + WIDTH] += b0 * k0 + b1 * k1 + b2 * k2 + b3 * k3
            found[place + 2 * WIDTH] += c0 * k0 + c1 * k1 + c2 * k2 + c3 * k3
            found[place + 3 * WIDTH] += d0 * k0 + d1 * k1 + d2 * k2 + d3 * k3


def _best_plainly(bits: Any) -> Any:
    """Return the largest of some singles, given as whole numbers; a NaN if there is one, or not.

    Whole numbers are compared ten times faster, because they know no NaN. They lie in the order of
    the singles they stand for, once those of negative ones are turned round.
    """
    best = _FEWEST
    for place in range(len(bits)):
        one = bits[place]
        best = max(best, np.int32(one ^ (np.int32(one >> _SIGN) & _REST)))
    return np.int32(best ^ (np.int32(best >> _SIGN) & _REST)).view(np.float32)


def _exponential_plainly(x: Any) -> Any:
    """Return ``exp(x)`` of a single from :data:`LOWEST` to 0, within 2 units in the last place."""
    shifted = x * _LOG2E + _ROUND
    whole = shifted - _ROUND
    rest = x - whole * _HIGH - whole * _LOW
    power = _C0 * rest + _C1
    power = power * rest + _C2
    power = power * rest + _C3
    power = power * rest + _C4
    power = power * rest + _C5
    power = power * (rest * rest) + rest + _ONE
    bits = np.int32(np.int32(np.float32(shifted).view(np.int32) << _SHIFT) + _BIAS)
    return power * bits.view(np.float32)


def _sums_plainly(scores: Any, best: Any, away: Any) -> Any:
    """Return the sums of a part of a row; its first key is ``away`` positions from the query."""
    total, slope, apart = _NOTHING, _NOTHING, _NOTHING
    for place in range(len(scores)):
        x = scores[place] - best
        kept = LOWEST if x < LOWEST else x
        e = _exponential(kept)
        e = _NOTHING if x < LOWEST else e
        total += e
        slope += e * kept
        apart += e * np.float32(abs(np.int32(place + away)))
    return total, slope, apart


def _add_plainly(scores: Any, bits: Any, away: Any, into: Any, row: Any) -> None:
    """Add a part of a row to what is known of the row."""
    best = _best(bits)
    if best == _NEVER:
        best = _NOTHING
    total, slope, far = _sums(scores, best, np.int32(away))
    if total == 0:
        return
    higher, known = float(best), into[TOP, row]
    if known == -np.inf:
        into[TOP, row], into[TOTAL, row], into[SLOPE, row] = higher, total, slope
        into[APART, row] = far
        return
    top = max(known, higher)
    old, new = math.exp(known - top), math.exp(higher - top)
    into[SLOPE, row] = old * (into[SLOPE, row] + into[TOTAL, row] * (known - top)) + new * (
        slope + total * (higher - top)
    )
    into[TOTAL, row] = old * into[TOTAL, row] + new * total
    into[APART, row] = old * into[APART, row] + new * far
    into[TOP, row] = top


def _compiled(function: Any, *fast: str) -> Any:
    try:
        return numba.njit(nogil=True, cache=True, fastmath=set(fast))(function)
    except RuntimeError:  # no folder to keep compiled code in
        return numba.njit(nogil=True, fastmath=set(fast))(function)


_pack = _compiled(_pack_plainly)
_multiply = _compiled(_multiply_plainly, "contract", "reassoc")
_best = _compiled(_best_plainly)
_exponential = _compiled(_exponential_plainly, "contract")  # its rounding must not be undone
_sums = _compiled(_sums_plainly, "contract", "reassoc")
_add = _compiled(_add_plainly)
_reach = _compiled(_reach_plainly)
_lift = _compiled(_lift_plainly)
_cap = _compiled(_cap_plainly)
_forbid = _compiled(_forbid_plainly)
_note = _compiled(_note_plainly)
_walk = _compiled(_walk_plainly)
