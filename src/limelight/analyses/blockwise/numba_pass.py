"""One pass over scores in small tiles, compiled.

Room: analyses. Comes in and goes out: what the pass in NumPy takes and gives. Products,
exponentials and sums of a tile follow each other while it lies in the nearest cache. Where maps are
pooled too, the exponentials of a block of whole rows are kept until the rows' normalisers are
known. Compiled code is kept on disk until this file or one of the steps' changes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numba
import numpy as np
from numpy.typing import NDArray

from limelight.analyses.blockwise.cells import Grid, Pooled
from limelight.analyses.blockwise.numba_pooling import fold, normalisers, pool
from limelight.analyses.blockwise.numba_product import (
    PANEL,
    ROWS,
    WIDTH,
    cap,
    compiled,
    lift,
    multiply,
    pack,
)
from limelight.analyses.blockwise.numba_sums import add
from limelight.analyses.blockwise.sums import DIAGONAL, FIRST, NEXT, OFFSETS, PREVIOUS, blank
from limelight.factors import Factors

#: Queries of a block, and how many exponentials of it are kept at once: about what the second
#: nearest cache holds.
BLOCK: Final = 64
HELD: Final = 1 << 20

_NOTHING: Final = np.float32(0)
_NEVER: Final = np.float32(-np.inf)
_NAN: Final = np.float32(np.nan)


def walk(
    factors: Factors,
    wanted: Collection[str],
    grid: Grid | None = None,
    known: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], Pooled | None]:
    """Make one pass over the scores on all cores; see the NumPy form of the same name."""
    near = bool({*wanted} & {*OFFSETS})  # all else comes in any case
    raw = blank(factors, wanted)
    rule = factors.rule
    examples, heads, queries, keys = factors.shape
    sites = examples * heads
    pooled = None if grid is None else Pooled.blank(factors.shape, grid)
    down, across = (np.zeros(1, np.intp),) * 2 if grid is None else grid
    cells = np.zeros((1, 1, 1, 1), np.bool_) if rule.cells is None else rule.cells
    logs = np.zeros((1, 1, 1)) if known is None else np.ascontiguousarray(known)
    limit = 0.0 if factors.softcap is None else float(factors.softcap)
    holes = not bool(rule.valid.all())
    sink_logit = np.full(heads, -np.inf)
    if factors.sink_logit is not None:
        sink_logit = factors.sink_logit.astype(np.float64)
    query, key = np.ascontiguousarray(factors.query), np.ascontiguousarray(factors.key)
    # Whole maps for each core; parts of maps where there are few.
    cores = _cores()
    parts = 1 if sites >= 4 * cores else max(1, min(4 * cores, queries // 64))
    rows_each = -(-queries // parts)
    each = max(1, sites // (4 * cores))
    block = max(2 * ROWS, min(BLOCK, HELD // max(keys, 1) // ROWS * ROWS))

    def act(piece: tuple[int, int]) -> tuple[slice, slice, Any, Any, Any]:
        first, row = piece
        last, stop = min(first + each, sites), min(row + rows_each, queries)
        rows = slice(int(np.searchsorted(down, row, "right")) - 1, int(np.searchsorted(down, stop)))
        size = (last - first, rows.stop - rows.start, len(across)) if pooled else (1, 1, 1)
        largest, total = np.zeros(size, np.float32), np.zeros(size)
        received = np.zeros((last - first, keys) if pooled else (1, 1))
        _walk(
            query, key, np.float32(factors.scale), limit, rule.first, rule.stop, rule.valid, holes,
            cells, rule.cells is not None, first, last, row, stop, near, raw,
            pooled is not None, block, known is not None, logs, sink_logit,
            np.append(down[rows], queries), across, largest, total, received,
        )  # fmt: skip
        return slice(first, last), rows, largest, total, received

    # What is long comes first, so that no core waits for another's last piece.
    pieces = [(a, b) for b in reversed(range(0, queries, rows_each)) for a in range(0, sites, each)]
    with ThreadPoolExecutor(cores) as threads:
        for result in (map if cores == 1 or len(pieces) == 1 else threads.map)(act, pieces):
            if pooled is not None:
                pooled.take(*result)
    return raw, pooled


def _cores() -> int:
    """Return how many cores this process may use."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return allowed or 1


def _walk_plainly(
    query: Any, key: Any, scale: Any, limit: Any, first: Any, stop: Any, valid: Any, holes: Any,
    cells: Any, by_cell: Any, site_from: Any, site_to: Any, row_from: Any, row_to: Any, near: Any,
    raw: Any, pools: Any, block: Any, given: Any, known: Any, sink_logit: Any, down: Any,
    across: Any, largest: Any, total: Any, received: Any,
) -> None:  # fmt: skip
    """Walk over some maps, or some rows of one, tile by tile."""
    heads, features = query.shape[1], query.shape[3]
    keys, group = key.shape[2], heads // key.shape[1]
    tiles = (keys + WIDTH - 1) // WIDTH
    packed = np.zeros((tiles, features * WIDTH), np.float32)
    lifted = np.zeros(block * features, np.float32)
    parts = np.zeros((tiles if pools else 1) * block * WIDTH, np.float32)
    less = np.empty((tiles if pools else 1) * block, np.float32)
    sums, most = np.zeros(tiles * WIDTH, np.float32), np.zeros(tiles * WIDTH, np.float32)
    logs = np.empty(block)
    for site in range(site_from, site_to):
        example, head = site // heads, site % heads
        begins, ends = first[example % len(first)], stop[example % len(stop)]
        whole = valid[example % len(valid)]
        pattern = cells[example % len(cells), head % cells.shape[1]]
        into, vectors = raw[:, example, head], query[example, head]
        low, high = _tiles(begins[row_from:row_to], ends[row_from:row_to], keys, by_cell)
        for tile in range(low, high):
            begin = tile * WIDTH
            pack(key[example, head // group], begin, min(WIDTH, keys - begin), packed[tile])
        for row in range(row_from, row_to, block):
            count = min(block, row_to - row)
            here = slice(row, row + count)
            low, high = _tiles(begins[here], ends[here], keys, by_cell)
            lift(vectors, row, count, scale, lifted)
            if pools:
                less[low * block : high * block] = _NEVER
            for tile in range(low, high):
                slot = tile * block if pools else 0
                _tile(
                    lifted, features, packed[tile], tile * WIDTH, min(WIDTH, keys - tile * WIDTH),
                    limit, begins, ends, whole, holes, pattern, by_cell, row, count, near, into,
                    pools, parts[slot * WIDTH :], less[slot:],
                )  # fmt: skip
            if not pools:
                continue
            if given:
                logs[:count] = known[example, head, row : row + count]
            else:
                normalisers(into, row, count, sink_logit[head], logs)
            at = site - site_from
            _lay(
                parts, less, logs, block, low, high, row, count, begins, ends, whole, pattern,
                by_cell, down, across, sums, most, received[at], largest[at], total[at],
            )  # fmt: skip


def _lay_plainly(
    parts: Any, less: Any, logs: Any, block: Any, low: Any, high: Any, row: Any, count: Any,
    begins: Any, ends: Any, whole: Any, pattern: Any, by_cell: Any, down: Any, across: Any,
    sums: Any, most: Any, received: Any, largest: Any, total: Any,
) -> None:  # fmt: skip
    """Lay the weights of a block of whole rows into the cells they belong to."""
    keys = len(received)
    cell, here = np.searchsorted(down, row, side="right") - 1, row
    while here < row + count:
        until = min(row + count, down[cell + 1])
        pool(parts, less, logs, block, here - row, until - row, low, high, sums, most)
        for query in range(here, until):
            if logs[query - row] != logs[query - row]:
                left, right = (0, keys) if by_cell else (begins[query], ends[query])
                _spoil(whole, pattern[query % len(pattern)], by_cell, left, right, sums)
        fold(
            sums, most, low * WIDTH, min(keys, high * WIDTH), across, received, largest[cell],
            total[cell],
        )  # fmt: skip
        here, cell = until, cell + 1


def _tile_plainly(
    lifted: Any, features: Any, packed: Any, start: Any, count: Any, limit: Any, begins: Any,
    ends: Any, whole: Any, holes: Any, pattern: Any, by_cell: Any, row: Any, rows: Any, near: Any,
    into: Any, pools: Any, parts: Any, less: Any,
) -> None:  # fmt: skip
    """Add a tile to what is known of a block of rows; leaves its exponentials in ``parts``."""
    for panel in range(0, count, PANEL):
        keys = packed[panel * features : (panel + PANEL) * features]
        for group in range(0, rows, ROWS):
            low, high = 0, count
            if not by_cell:
                here = slice(row + group, row + min(rows, group + ROWS))
                low, high = _reach(begins[here], ends[here], start, count)
            if low < panel + PANEL and panel < high:
                multiply(lifted[group * features :], features, keys, parts[group * WIDTH + panel :])
    for offset in range(rows):
        at, left, right = row + offset, 0, count
        scores = parts[offset * WIDTH : (offset + 1) * WIDTH]
        if not by_cell:
            left, right = max(left, begins[at] - start), min(right, ends[at] - start)
        if left >= right:
            continue
        if limit > 0:
            cap(scores, left, right, limit)
        if by_cell:
            _forbid(scores, pattern[at, start:], left, right)
        elif holes:
            _forbid(scores, whole[start:], left, right)
        _note(scores, start, left, right, near, into, at)
        best = add(scores[left:right], start + left - at, into, at)
        if pools:
            less[offset] = best
            scores[:left] = _NOTHING
            scores[right:] = _NOTHING


def _tiles_plainly(begins: Any, ends: Any, keys: Any, by_cell: Any) -> Any:
    """Return from which to which tile any of some queries may look."""
    low, high = 0, keys
    if not by_cell:
        low, high = _reach(begins, ends, 0, keys)
    if low >= high:
        return 0, 0
    return low // WIDTH, (high + WIDTH - 1) // WIDTH


def _reach_plainly(begins: Any, ends: Any, start: Any, count: Any) -> Any:
    """Return from where to where any of a few queries may look into a tile."""
    low, high = count, 0
    for row in range(len(begins)):
        if ends[row] > begins[row]:
            low = max(0, min(low, begins[row] - start))
            high = min(count, max(high, ends[row] - start))
    return low, high


def _forbid_plainly(scores: Any, allowed: Any, left: Any, right: Any) -> None:
    for key in range(left, right):
        if not allowed[key]:
            scores[key] = _NEVER


def _note_plainly(
    scores: Any, start: Any, left: Any, right: Any, near: Any, into: Any, row: Any
) -> None:
    """Keep the scores of single keys."""
    if start == 0 and left == 0:
        into[FIRST, row] = scores[0]
    if near:
        key = row - start
        if left <= key < right:
            into[DIAGONAL, row] = scores[key]
        if left <= key - 1 < right:
            into[PREVIOUS, row] = scores[key - 1]
        if left <= key + 1 < right:
            into[NEXT, row] = scores[key + 1]


def _spoil_plainly(
    whole: Any, pattern: Any, by_cell: Any, left: Any, right: Any, sums: Any
) -> None:
    """Lay the weights of a row without a normaliser, which are all NaN."""
    for key in range(left, right):
        if pattern[key] if by_cell else whole[key]:
            sums[key] = _NAN


_reach = compiled(_reach_plainly)
_tiles = compiled(_tiles_plainly)
_forbid = compiled(_forbid_plainly)
_note = compiled(_note_plainly)
_spoil = compiled(_spoil_plainly)
_tile = compiled(_tile_plainly)
_lay = compiled(_lay_plainly)
_pass = compiled(_walk_plainly)


def _cached(sources: str) -> Any:
    """Compile the pass, and keep that on disk for these sources where there is room.

    Numba looks for a change in the file of the function it keeps, not in those of what that calls;
    but what a function encloses is part of what it is kept under.
    """

    def walk(*arguments: Any) -> None:
        if len(sources) > 0:
            _pass(*arguments)

    try:
        return numba.njit(nogil=True, cache=True)(walk)
    except RuntimeError:  # no folder to keep compiled code in
        return numba.njit(nogil=True)(walk)


def _digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


_walk = _cached(_digest())
