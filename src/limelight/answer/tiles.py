"""Parts of one map at any zoom: exact weights, or cells that each sum up many.

Room: the read path. Comes in: an open run, one head, ranges of queries and keys. Goes out: a
:class:`Tile` of at most as many cells as were asked for, computed or read; never the whole map.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.analyses.blockwise import pooling
from limelight.factors import Factors
from limelight.query import Reduce
from limelight.store import Run
from limelight.store.read.pooled import Pooled

#: At most so many weights are computed for one answer; what covers more comes from the map as it
#: was pooled when it was recorded.
MOST: Final = 1 << 27

#: Rows of maps stored whole that are read at once.
_STRIP: Final = 512

Range = tuple[int, int]


@dataclass(frozen=True)
class Tile:
    """A part of one map.

    Attributes
    ----------
    weights : array [row, column]
        float32.
    allowed : array [row, column]
        Whether anything a cell covers may be attended to.
    rows, columns : (int, int)
        Queries and keys covered: those asked for, widened to whole cells.
    strides : (int, int)
        How many queries and keys lie in a cell, powers of two.
    """

    weights: NDArray[np.float32]
    allowed: NDArray[np.bool_]
    rows: Range
    columns: Range
    strides: tuple[int, int]


@dataclass(frozen=True)
class Head:
    """One head's map in a recording.

    Attributes
    ----------
    run : Run
    site : str
    step, example, head : int
    """

    run: Run
    site: str
    step: int
    example: int
    head: int

    @property
    def shape(self) -> tuple[int, int]:
        """How many queries and keys there are."""
        site = self.run.sites_at(self.step)[self.site]
        return site.queries, site.keys

    def pooled(self) -> Pooled | None:
        """Return the map as it was pooled when it was recorded, if it was."""
        return self.run.pooled(self.site, self.step, self.example, self.head)

    def factors(self, rows: Range, columns: Range) -> Factors | None:
        """Read the vectors of a part; None where maps are stored whole."""
        vectors = self.run.vectors(self.site, self.step)
        if vectors is None:
            return None
        single = slice(self.example, self.example + 1), slice(self.head, self.head + 1)
        return vectors.factors(*single, slice(*rows), slice(*columns))

    def strips(self, rows: Range, columns: Range) -> Iterator[tuple[int, Any, Any]]:
        """Walk over a part, some rows at a time: where they start, weights, what is allowed."""
        factors = self.factors(rows, columns)
        if factors is None:
            site = self.run.stored(self.site, self.step).isel(example=self.example)
            site = site.isel(head=self.head, key=slice(*columns))
            for start in range(rows[0], rows[1], _STRIP):
                part = site.isel(query=slice(start, min(start + _STRIP, rows[1])))
                yield start, part["weights"].values, part["allowed"].values
            return
        for start in range(0, rows[1] - rows[0], _STRIP):
            strip, every = slice(start, start + _STRIP), slice(None)
            allowed = factors.rule.allowed(0, 0, strip, every)
            yield start + rows[0], factors.weights(0, 0, strip, every), allowed


def tile(head: Head, rows: Range, columns: Range, cells: int, reduce: Reduce) -> Tile:
    """Return a part of one map.

    Parameters
    ----------
    head : Head
    rows, columns : (int, int)
        Queries and keys, within the map.
    cells : int
        At most so many along each axis.
    reduce : str
        ``max``, or ``mean`` over what may be attended to.

    Returns
    -------
    Tile
        Of fewer, larger cells where they would cover more than :data:`MOST` weights.
    """
    strides = fitting(rows, cells), fitting(columns, cells)
    pooled = head.pooled()
    if pooled is not None:
        area = _area(
            _aligned(rows, strides[0], head.shape[0]), _aligned(columns, strides[1], head.shape[1])
        )
        coarse = strides[0] >= pooled.strides[0] and strides[1] >= pooled.strides[1]
        if coarse or area > MOST:
            strides = max(strides[0], pooled.strides[0]), max(strides[1], pooled.strides[1])
        else:
            pooled = None
    rows = _aligned(rows, strides[0], head.shape[0])
    columns = _aligned(columns, strides[1], head.shape[1])
    if pooled is not None:
        content = _from_pooled(pooled, rows, columns, strides, reduce)
    elif (factors := head.factors(rows, columns)) is not None:
        content = _from_factors(factors, strides, reduce)
    else:
        content = _from_whole(head, rows, columns, strides, reduce)
    return Tile(*content, rows, columns, strides)


def fitting(part: Range, cells: int) -> int:
    """Return the smallest power of two such that a range takes at most so many cells of that size.

    Parameters
    ----------
    part : (int, int)
    cells : int

    Returns
    -------
    int

    Examples
    --------
    >>> fitting((0, 1024), 512), fitting((1, 1025), 512), fitting((3, 5), 1)
    (2, 4, 8)
    """
    stride = 1
    while -(-part[1] // stride) - part[0] // stride > cells:
        stride *= 2
    return stride


def fold(values: Any, part: Range, stride: int, ufunc: np.ufunc, axis: int = 0) -> Any:
    """Fold what lies along an axis into cells.

    Parameters
    ----------
    values : array
        One number for each position of the range.
    part : (int, int)
        Starts with a whole cell.
    stride : int
    ufunc : ufunc
    axis : int

    Returns
    -------
    array
    """
    return ufunc.reduceat(values, pooling.even(part[1] - part[0], stride), axis=axis)


def _aligned(part: Range, stride: int, size: int) -> Range:
    return part[0] // stride * stride, min(-(-part[1] // stride) * stride, size)


def _area(rows: Range, columns: Range) -> int:
    return (rows[1] - rows[0]) * (columns[1] - columns[0])


def _from_factors(factors: Factors, strides: tuple[int, int], reduce: Reduce) -> tuple[Any, Any]:
    every = slice(None)
    if strides == (1, 1):
        return factors.weights(0, 0, every, every), factors.rule.allowed(0, 0, every, every)
    grid = (
        pooling.even(factors.shape[2], strides[0]),
        pooling.even(factors.shape[3], strides[1]),
    )
    largest, total = pooling.pool(factors, [grid])[0][:, 0, 0]
    count = pooling.counts(factors.rule, factors.shape, grid)[0, 0]
    return (largest if reduce == "max" else total / np.maximum(count, 1)), count > 0


def _from_pooled(
    pooled: Pooled, rows: Range, columns: Range, strides: tuple[int, int], reduce: Reduce
) -> tuple[Any, Any]:
    parts = [
        slice(part[0] // stored, -(-part[1] // stored))
        for part, stored in zip((rows, columns), pooled.strides, strict=True)
    ]
    cells, count = pooled.cells(reduce, *parts), pooled.allowed(*parts)
    down, across = (
        pooling.even(len(range(part.start, part.stop)), stride // stored)
        for part, stride, stored in zip(parts, strides, pooled.strides, strict=True)
    )

    def folded(values: Any, ufunc: np.ufunc) -> Any:
        return ufunc.reduceat(ufunc.reduceat(values, down, axis=0), across, axis=1)

    several = folded(count, np.add)
    if reduce == "max":
        return folded(cells, np.maximum), several > 0
    return folded(cells * count, np.add) / np.maximum(several, 1), several > 0


def _from_whole(
    head: Head, rows: Range, columns: Range, strides: tuple[int, int], reduce: Reduce
) -> tuple[Any, Any]:
    sides = [
        -(-(part[1] - part[0]) // stride)
        for part, stride in zip((rows, columns), strides, strict=True)
    ]
    cells, count = np.zeros(sides, np.float32), np.zeros(sides, np.int64)
    ufunc = np.maximum if reduce == "max" else np.add
    for start, weights, allowed in head.strips(rows, columns):
        first = (start - rows[0]) // strides[0]
        edges = np.arange(first, (start - rows[0] + len(weights) - 1) // strides[0] + 1)
        starts = np.maximum(edges * strides[0] - (start - rows[0]), 0)
        for into, values, by in (
            (cells, weights, ufunc),
            (count, allowed.astype(np.int64), np.add),
        ):
            low = by.reduceat(fold(values, columns, strides[1], by, axis=1), starts, axis=0)
            into[edges] = by(into[edges], low)
    return (
        cells if reduce == "max" else (cells / np.maximum(count, 1)).astype(np.float32)
    ), count > 0
