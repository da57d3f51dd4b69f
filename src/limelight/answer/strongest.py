"""The strongest weights of a part of one map.

Room: the read path. Comes in: one head, ranges of queries and keys, how many. Goes out: where they
are and how much of the attention there is theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.answer.tiles import MOST, Head, Range
from limelight.store.read.pooled import Pooled

#: What rounding to halves may have taken from the stored maximum of a cell.
_SLACK = 1 + 2.0**-10


@dataclass(frozen=True)
class Strongest:
    """Weights in falling order.

    Attributes
    ----------
    query, key : array [ordinal]
        int32.
    weight : array [ordinal]
        float32.
    share : float
        Their part of all attention in the ranges, 0 to 1; NaN where there is none.
    """

    query: NDArray[np.int32]
    key: NDArray[np.int32]
    weight: NDArray[np.float32]
    share: float


def strongest(head: Head, rows: Range, columns: Range, count: int) -> Strongest:
    """Find the strongest weights of a part.

    Parameters
    ----------
    head : Head
    rows, columns : (int, int)
        Queries and keys; of a part of more than :data:`MOST` weights, the start and the end of
        whole cells of the stored, pooled map.
    count : int
        At most so many.

    Returns
    -------
    Strongest
        Exact, also where the part is too large to be computed: then the cells with the largest
        stored maxima are, until no other can hold a stronger weight.
    """
    pooled = head.pooled()
    area = (rows[1] - rows[0]) * (columns[1] - columns[0])
    best = _Best(count)
    if pooled is None or area <= MOST:
        mass = 0.0
        for start, weights, _ in head.strips(rows, columns):
            best.take(weights, start, columns[0])
            mass += float(np.nansum(weights, dtype=np.float64))
    else:
        mass = _by_cells(head, pooled, rows, columns, best)
    return best.done(mass)


def _by_cells(head: Head, pooled: Pooled, rows: Range, columns: Range, best: _Best) -> float:
    """Compute the cells that can hold a strong weight, the most promising first."""
    parts = [
        slice(part[0] // stride, -(-part[1] // stride))
        for part, stride in zip((rows, columns), pooled.strides, strict=True)
    ]
    largest = np.nan_to_num(pooled.cells("max", *parts))
    mass = float(np.nansum(pooled.cells("mean", *parts) * pooled.allowed(*parts), dtype=np.float64))
    factors = head.factors(rows, columns)
    if factors is None:
        return mass
    down, across = pooled.strides
    # So many cells hold as many strongest weights; and as many more, because halves are rounded.
    count = min(2 * best.count, largest.size)
    order = np.argpartition(largest.ravel(), -count)[-count:]
    order = order[np.argsort(-largest.ravel()[order], kind="stable")]
    for row, column in zip(*np.unravel_index(order, largest.shape), strict=True):
        if largest[row, column] * _SLACK < best.least:
            break
        queries = slice(row * down, (row + 1) * down)
        keys = slice(column * across, (column + 1) * across)
        weights = factors.weights(0, 0, queries, keys)
        best.take(weights, rows[0] + row * down, columns[0] + column * across)
    return mass


class _Best:
    """The strongest of what was seen so far."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.least = 0.0  # nothing weaker is wanted any more
        self._parts: list[tuple[Any, Any, Any]] = []
        self._size = 0

    def take(self, weights: NDArray[np.float32], query: int, key: int) -> None:
        """Look at some weights, the first of which is that of this query and key."""
        indices = np.flatnonzero(weights.ravel() > self.least)
        values = weights.ravel()[indices]
        if indices.size > self.count:
            order = np.argpartition(values, -self.count)[-self.count :]
            indices, values = indices[order], values[order]
        row, column = np.unravel_index(indices, weights.shape)
        self._parts.append((row + query, column + key, values))
        self._size += indices.size
        if self._size > 4 * self.count:
            self._thin()

    def done(self, mass: float) -> Strongest:
        """Return them in falling order."""
        self._thin()
        query, key, weight = self._parts[0]
        order = np.lexsort((key, query, -weight))
        share = float(weight.sum(dtype=np.float64)) / mass if mass > 0 else float("nan")
        return Strongest(
            query[order].astype(np.int32), key[order].astype(np.int32),
            weight[order].astype(np.float32), min(share, 1.0),
        )  # fmt: skip

    def _thin(self) -> None:
        query, key, weight = (np.concatenate(parts) for parts in zip(*self._parts, strict=True))
        if weight.size >= self.count:
            order = np.argpartition(weight, -self.count)[-self.count :]
            query, key, weight = query[order], key[order], weight[order]
            self.least = float(weight.min())
        self._parts, self._size = [(query, key, weight)], weight.size
