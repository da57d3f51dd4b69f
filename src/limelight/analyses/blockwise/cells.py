"""Grids of cells over maps, and maps that are pooled onto one.

Room: analyses. Comes in: rows of weights, already added up. Goes out: cells that hold what the rows
gave, and what each key receives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Where the rows and the columns of a grid start.
Grid = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True)
class Pooled:
    """Maps as a grid of cells, and what each key receives.

    Attributes
    ----------
    largest : array [example, head, row, column]
        float32; the largest weight of what a cell covers, NaN where it covers one.
    total : array [example, head, row, column]
        float64; the sum of those weights.
    received : array [example, head, key]
        float64; the sum over queries.
    """

    largest: NDArray[np.float32]
    total: NDArray[np.float64]
    received: NDArray[np.float64]

    @classmethod
    def blank(cls, shape: tuple[int, int, int, int], grid: Grid) -> Pooled:
        """Return what is known before any weight was seen."""
        size = (*shape[:2], *map(len, grid))
        return cls(np.zeros(size, np.float32), np.zeros(size), np.zeros((*shape[:2], shape[3])))

    def take(self, sites: slice, rows: slice, largest: Any, total: Any, received: Any) -> None:
        """Add some rows of cells [site, row, column], and what keys receive of them [site, key].

        A site is a head of an example.
        """
        size = self.total.shape
        most, added = (
            cells.reshape(-1, *size[2:])[sites, rows] for cells in (self.largest, self.total)
        )
        added += total
        np.maximum(most, largest, out=most)
        most[np.isnan(added)] = np.nan
        flat = self.received.reshape(-1, self.received.shape[2])
        flat[sites] += received


def rows_of(queries: slice, grid: Grid) -> tuple[slice, NDArray[np.intp]]:
    """Return which rows of cells some queries lie in, and their edges counted from the first."""
    starts = grid[0]
    rows = slice(
        int(np.searchsorted(starts, queries.start, "right")) - 1,
        int(np.searchsorted(starts, queries.stop)),
    )
    edges = np.append(np.maximum(starts[rows], queries.start), queries.stop)
    return rows, edges - queries.start


def across(largest: Any, total: Any, grid: Grid) -> tuple[Any, Any, Any]:
    """Pool rows of cells [head, row, key] along keys; also return what each key receives."""
    starts = grid[1]
    pooled = np.maximum.reduceat(largest, starts, axis=2), np.add.reduceat(total, starts, axis=2)
    return *pooled, total.sum(axis=1)
