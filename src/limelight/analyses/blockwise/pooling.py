"""Pools maps that are kept as vectors, tile by tile, so that none is ever whole in memory.

Room: analyses. Comes in: :class:`~limelight.factors.Factors`, or a rule, and where cells start.
Goes out: the largest and the summed weight of each cell, or how much of it is allowed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.analyses.blockwise.cells import Grid
from limelight.factors import Factors
from limelight.rule import Rule

#: Queries and keys of a tile: its weights stay in a core's cache.
_TILE: Final = (256, 1024)


def even(size: int, stride: int) -> NDArray[np.intp]:
    """Return where cells of ``stride`` positions start.

    Parameters
    ----------
    size, stride : int

    Returns
    -------
    array [cell]

    Examples
    --------
    >>> even(5, 2).tolist()
    [0, 2, 4]
    """
    return np.arange(0, size, stride)


def pool(factors: Factors, grids: Sequence[Grid]) -> list[NDArray[np.float32]]:
    """Pool every map onto several grids in one pass.

    Parameters
    ----------
    factors : Factors
    grids : sequence of (array [row], array [column])
        Where cells start, rising from 0; each reaches to the next, the last to the end.

    Returns
    -------
    list of array [2, example, head, row, column]
        For each grid the largest weight of each cell, and the sum of its weights; float32. A cell
        that covers a NaN is NaN.

    Examples
    --------
    >>> from limelight.factors import factored
    >>> q = k = np.zeros((1, 1, 4, 2), np.float32)
    >>> factors = factored(q, k, Rule.causal(4, 4), 1.0)
    >>> largest, total = pool(factors, [(even(4, 2), even(4, 2))])[0][:, 0, 0]
    >>> total.round(2).tolist()
    [[2.0, 0.0], [1.1699999570846558, 0.8299999833106995]]
    """
    examples, heads, *_ = factors.shape
    rows, columns = joined(grids)
    fine = np.zeros((2, examples, heads, len(rows), len(columns)), np.float32)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)) if _LINUX else None) as threads:
        for example in range(examples):
            for head in range(heads):
                _strips(factors, example, head, rows, columns, fine[:, example, head], threads)
    return [folded(fine[0], fine[1], (rows, columns), grid) for grid in grids]


def joined(grids: Sequence[Grid]) -> Grid:
    """Return the coarsest grid that several can be folded from.

    Parameters
    ----------
    grids : sequence of (array [row], array [column])

    Returns
    -------
    (array [row], array [column])
    """
    rows, columns = (np.unique(np.concatenate(starts)) for starts in zip(*grids, strict=True))
    return rows, columns


def folded(largest: Any, total: Any, fine: Grid, grid: Grid) -> NDArray[np.float32]:
    """Fold pooled maps onto a coarser grid.

    Parameters
    ----------
    largest, total : array [..., row, column]
        Of the cells of ``fine``.
    fine, grid : (array [row], array [column])
        The second starts cells only where the first does.

    Returns
    -------
    array [2, ..., row, column]
        float32.
    """
    down, across = (
        np.searchsorted(edges, starts) for edges, starts in zip(fine, grid, strict=True)
    )
    values = (largest, total)
    parts = [_folded(part, down, across, by) for part, by in zip(values, _BY, strict=True)]
    return np.stack(parts).astype(np.float32, copy=False)


def counts(rule: Rule, shape: tuple[int, int, int, int], grid: Grid) -> NDArray[np.int32]:
    """Count how many weights of each cell are allowed.

    Parameters
    ----------
    rule : Rule
    shape : tuple of int
        Sizes of example, head, query and key.
    grid : (array [row], array [column])
        Where cells start.

    Returns
    -------
    array [example or 1, head or 1, row, column]
        int32; one head unless heads differ, one example if the rule has one.

    Examples
    --------
    >>> counts(Rule.causal(4, 4), (1, 1, 4, 4), (even(4, 2), even(4, 2)))[0, 0].tolist()
    [[3, 0], [4, 3]]
    """
    down, across = grid
    queries, keys = shape[2:]
    if rule.cells is not None:
        patterns: tuple[int, ...] = rule.cells.shape[:2]
    else:
        patterns = (max(len(rule.first), len(rule.stop), len(rule.valid)), 1)
    allowed = np.zeros((*patterns, len(down), len(across)), np.int32)
    for example, head in np.ndindex(*patterns):
        for start, stop in _cut(queries, _TILE[0]):
            if rule.cells is not None:
                part = rule.cells[example, head, start:stop]
                row = np.add.reduceat(part, across, axis=1, dtype=np.int32)
            else:
                row = _run_counts(rule, example, slice(start, stop), np.append(across, keys))
            cells, edges = _inside(down, start, stop)
            allowed[example, head, cells] += np.add.reduceat(row, edges[:-1], axis=0)
    return allowed


def _run_counts(
    rule: Rule, example: int, queries: slice, edges: NDArray[np.intp]
) -> NDArray[np.int32]:
    """Count the allowed keys between edges, for some queries [query, cell]."""
    first = rule.first[example if len(rule.first) > 1 else 0, queries, None]
    stop = rule.stop[example if len(rule.stop) > 1 else 0, queries, None]
    valid = rule.valid[example if len(rule.valid) > 1 else 0]
    before = np.concatenate([[0], valid.cumsum(dtype=np.int32)]).astype(np.int32)
    inside = np.clip(edges, first, np.maximum(first, stop)).clip(0, len(valid))
    return np.asarray(np.diff(before[inside], axis=1), np.int32)


_BY: Final = (np.maximum, np.add)
_LINUX: Final = hasattr(os, "sched_getaffinity")


def _strips(
    factors: Factors, example: int, head: int, rows: Any, columns: Any, fine: Any, threads: Any
) -> None:
    """Pool one map, strips of rows on several cores."""
    factors.normaliser  # noqa: B018  # computed once, by whatever is fastest, before all threads

    def strip(ends: tuple[int, int]) -> tuple[slice, Any]:
        return _strip(factors, example, head, slice(*ends), rows, columns)

    for cells, pooled in threads.map(strip, _cut(factors.shape[2], _TILE[0])):
        for into, part, ufunc in zip(fine, pooled, _BY, strict=True):
            ufunc(into[cells], part, out=into[cells])


def _strip(
    factors: Factors, example: int, head: int, queries: slice, rows: Any, columns: Any
) -> tuple[slice, Any]:
    """Pool some whole rows: which cells, and [2, row, column]."""
    cells, ends = _inside(rows, queries.start, queries.stop)
    pooled = np.zeros((2, len(ends) - 1, len(columns)), np.float32)
    for start, stop in _cut(factors.shape[3], _TILE[1]):
        if not _reached(factors.rule, example, queries, start, stop):
            continue
        weights = factors.weights(example, head, queries, slice(start, stop))
        across, edges = _inside(columns, start, stop)
        for into, ufunc in zip(pooled, _BY, strict=True):
            # Rows first: folding neighbours in memory, as columns are, takes ten times longer.
            low = np.stack([ufunc.reduce(weights[a:b]) for a, b in pairwise(ends)])
            ufunc(into[:, across], ufunc.reduceat(low, edges[:-1], axis=1), out=into[:, across])
    return cells, pooled


def _inside(starts: Any, begin: int, end: int) -> tuple[slice, Any]:
    """Return which cells lie between two positions, and their edges counted from the first."""
    cells = slice(
        int(np.searchsorted(starts, begin, "right")) - 1, int(np.searchsorted(starts, end))
    )
    return cells, np.append(np.maximum(starts[cells], begin), end) - begin


def _reached(rule: Rule, example: int, queries: slice, start: int, stop: int) -> bool:
    """Tell whether any of these queries may attend to any of these keys, as far as runs say."""
    if rule.cells is not None:
        return True
    first = rule.first[example if len(rule.first) > 1 else 0, queries]
    end = rule.stop[example if len(rule.stop) > 1 else 0, queries]
    return bool(((first < stop) & (end > start) & (end > first)).any())


def _folded(values: Any, down: Any, across: Any, ufunc: np.ufunc) -> Any:
    return ufunc.reduceat(ufunc.reduceat(values, down, axis=-2), across, axis=-1)


def _cut(size: int, part: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + part, size)) for start in range(0, size, part))
