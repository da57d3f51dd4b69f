"""Shrinks a block of whole rows, and adds up what each key receives, compiled.

Comes in: exponentials, tile by tile, each part of a row less a score of its own (see
:mod:`_numba_sums`). Once the row's normaliser is known, one factor makes weights of a part. Rows
are added up first, key by key, so that cells of any width cost the same.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from limelight.analyses._blockwise_numpy import TOP, TOTAL
from limelight.analyses._numba_product import WIDTH, compiled

_NOTHING: Final = np.float32(0)
_NAN: Final = np.float32(np.nan)
_LEAST: Final = 1e-30  # weights below are taken for 0: numbers near the smallest cost much time


def _normalisers_plainly(into: Any, row: Any, some: Any, sink: Any, found: Any) -> None:
    """Find the log normalisers of some rows that were seen whole."""
    for one in range(some):
        total, top = into[TOTAL, row + one], into[TOP, row + one]
        log = -np.inf if total == 0 else math.log(total) + top
        if sink > -np.inf or sink != sink:
            high, low = max(log, sink), min(log, sink)
            log = sink if log == -np.inf else high + math.log1p(math.exp(low - high))
        found[one] = log


def _shrink_plainly(
    parts: Any, less: Any, logs: Any, rows: Any, begin: Any, end: Any, low: Any, high: Any,
    sums: Any, largest: Any,
) -> None:  # fmt: skip
    """Sum weights of some rows of a block, and find the largest, key by key, in some tiles."""
    live, factors = np.empty(rows, np.int64), np.empty(rows, np.float32)
    sums[low * WIDTH : high * WIDTH] = _NOTHING
    largest[low * WIDTH : high * WIDTH] = _NOTHING
    for tile in range(low, high):
        count = 0
        for one in range(begin, end):
            factor = math.exp(less[tile * rows + one] - logs[one])
            if factor > _LEAST:
                live[count], factors[count] = (tile * rows + one) * WIDTH, factor
                count += 1
        here = slice(tile * WIDTH, (tile + 1) * WIDTH)
        for one in range(0, count - 3, 4):
            _four(parts, live[one : one + 4], factors[one : one + 4], sums[here], largest[here])
        for one in range(count // 4 * 4, count):
            _one(parts[live[one] : live[one] + WIDTH], factors[one], sums[here], largest[here])


def _four_plainly(parts: Any, at: Any, factors: Any, sums: Any, largest: Any) -> None:
    one, two = parts[at[0] : at[0] + WIDTH], parts[at[1] : at[1] + WIDTH]
    three, four = parts[at[2] : at[2] + WIDTH], parts[at[3] : at[3] + WIDTH]
    by_one, by_two, by_three, by_four = factors[0], factors[1], factors[2], factors[3]
    for place in range(WIDTH):
        a, b = one[place] * by_one, two[place] * by_two
        c, d = three[place] * by_three, four[place] * by_four
        sums[place] += (a + b) + (c + d)
        ab, cd = (a if a > b else b), (c if c > d else d)
        most = ab if ab > cd else cd
        known = largest[place]
        largest[place] = most if most > known else known


def _one_plainly(part: Any, factor: Any, sums: Any, largest: Any) -> None:
    for place in range(WIDTH):
        weight = part[place] * factor
        sums[place] += weight
        known = largest[place]
        largest[place] = weight if weight > known else known


def _fold_plainly(
    sums: Any, largest: Any, low: Any, high: Any, columns: Any, received: Any, most: Any, total: Any
) -> None:
    """Fold keys into columns of one row of cells."""
    column = np.searchsorted(columns, low, side="right") - 1
    while low < high:
        stop = min(high, columns[column + 1]) if column + 1 < len(columns) else high
        whole, best = 0.0, _NOTHING
        for place in range(low, stop):
            one, other = float(sums[place]), largest[place]
            received[place] += one
            whole += one
            best = other if other > best else best
        total[column] += whole
        most[column] = max(most[column], best)
        low, column = stop, column + 1


normalisers = compiled(_normalisers_plainly)
_four = compiled(_four_plainly)
_one = compiled(_one_plainly)
shrink = compiled(_shrink_plainly)
fold = compiled(_fold_plainly)
