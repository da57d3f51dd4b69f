"""Pools a block of whole rows, and adds up what each key receives, compiled.

Room: analyses. Comes in: exponentials, tile by tile, each part of a row less a score of its own
(see :mod:`.numba_sums`). Goes out: what cells and keys receive. Once the row's normaliser is known,
one factor makes weights of a part. Rows are added up first, key by key, so that cells of any width
cost the same.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from limelight.analyses.blockwise.numba_product import WIDTH, compiled
from limelight.analyses.blockwise.sums import TOP, TOTAL

_NOTHING: Final = np.float32(0)
_NAN: Final = np.float32(np.nan)
_LEAST: Final = 1e-30  # weights below are taken for 0: numbers near the smallest cost much time


def _normalisers_plainly(into: Any, row: Any, count: Any, sink_logit: Any, logs: Any) -> None:
    """Find the log normalisers of some rows that were seen whole."""
    for offset in range(count):
        total, top = into[TOTAL, row + offset], into[TOP, row + offset]
        log = -np.inf if total == 0 else math.log(total) + top
        if sink_logit > -np.inf or sink_logit != sink_logit:
            high, low = max(log, sink_logit), min(log, sink_logit)
            log = sink_logit if log == -np.inf else high + math.log1p(math.exp(low - high))
        logs[offset] = log


def _pool_plainly(
    parts: Any, less: Any, logs: Any, rows: Any, begin: Any, end: Any, low: Any, high: Any,
    sums: Any, largest: Any,
) -> None:  # fmt: skip
    """Sum weights of some rows of a block, and find the largest, key by key, in some tiles."""
    live, factors = np.empty(rows, np.int64), np.empty(rows, np.float32)
    sums[low * WIDTH : high * WIDTH] = _NOTHING
    largest[low * WIDTH : high * WIDTH] = _NOTHING
    for tile in range(low, high):
        count = 0
        for row in range(begin, end):
            factor = math.exp(less[tile * rows + row] - logs[row])
            if factor > _LEAST:
                live[count], factors[count] = (tile * rows + row) * WIDTH, factor
                count += 1
        here = slice(tile * WIDTH, (tile + 1) * WIDTH)
        for index in range(0, count - 3, 4):
            four = slice(index, index + 4)
            _four(parts, live[four], factors[four], sums[here], largest[here])
        for index in range(count // 4 * 4, count):
            part = parts[live[index] : live[index] + WIDTH]
            _single(part, factors[index], sums[here], largest[here])


def _four_plainly(parts: Any, at: Any, factors: Any, sums: Any, largest: Any) -> None:
    first, second = parts[at[0] : at[0] + WIDTH], parts[at[1] : at[1] + WIDTH]
    third, fourth = parts[at[2] : at[2] + WIDTH], parts[at[3] : at[3] + WIDTH]
    by_first, by_second, by_third, by_fourth = factors[0], factors[1], factors[2], factors[3]
    for index in range(WIDTH):
        a, b = first[index] * by_first, second[index] * by_second
        c, d = third[index] * by_third, fourth[index] * by_fourth
        sums[index] += (a + b) + (c + d)
        ab, cd = (a if a > b else b), (c if c > d else d)
        most = ab if ab > cd else cd
        known = largest[index]
        largest[index] = most if most > known else known


def _single_plainly(part: Any, factor: Any, sums: Any, largest: Any) -> None:
    for index in range(WIDTH):
        weight = part[index] * factor
        sums[index] += weight
        known = largest[index]
        largest[index] = weight if weight > known else known


def _fold_plainly(
    sums: Any, largest: Any, low: Any, high: Any, columns: Any, received: Any, most: Any, total: Any
) -> None:
    """Fold keys into columns of one row of cells."""
    column = np.searchsorted(columns, low, side="right") - 1
    while low < high:
        stop = min(high, columns[column + 1]) if column + 1 < len(columns) else high
        whole, best = 0.0, _NOTHING
        for index in range(low, stop):
            weight, largest_here = float(sums[index]), largest[index]
            received[index] += weight
            whole += weight
            best = largest_here if largest_here > best else best
        total[column] += whole
        most[column] = max(most[column], best)
        low, column = stop, column + 1


normalisers = compiled(_normalisers_plainly)
_four = compiled(_four_plainly)
_single = compiled(_single_plainly)
pool = compiled(_pool_plainly)
fold = compiled(_fold_plainly)
