"""One pass over scores, block by block of whole rows, in NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.factors import Factors, blocks

#: Places in what a pass returns: the best allowed score; and with ``e`` the exponential of each
#: score less the best one, the sums of ``e``, of ``e`` times that difference, of ``e`` times the
#: distance in positions; and the score of the first key.
TOP: Final = 0
TOTAL: Final = 1
SLOPE: Final = 2
APART: Final = 3
FIRST: Final = 4
#: And the scores of the positions around the query's own.
NEAR: Final = {"diagonal": 5, "previous": 6, "next": 7}
OFFSETS: Final = {"diagonal": 0, "previous": -1, "next": 1}

#: The exponential of anything lower is taken for 0.
LOWEST: Final = np.float32(-87.0)

#: Where the rows and the columns of a grid start.
Grid = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True)
class Shrunk:
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
    def blank(cls, shape: tuple[int, int, int, int], grid: Grid) -> Shrunk:
        """Return what is known before any weight was seen."""
        size = (*shape[:2], *map(len, grid))
        return cls(np.zeros(size, np.float32), np.zeros(size), np.zeros((*shape[:2], shape[3])))

    def take(self, sites: slice, rows: slice, largest: Any, total: Any, received: Any) -> None:
        """Add some rows of cells [site, row, column], and what keys receive of them [site, key].

        A site is a head of an example.
        """
        size = self.total.shape
        mine = [x.reshape(-1, *size[2:])[sites, rows] for x in (self.largest, self.total)]
        mine[1] += total
        np.maximum(mine[0], largest, out=mine[0])
        mine[0][np.isnan(mine[1])] = np.nan
        flat = self.received.reshape(-1, self.received.shape[2])
        flat[sites] += received


def walk(
    factors: Factors,
    apart: bool,
    near: bool,
    grid: Grid | None = None,
    known: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], Shrunk | None]:
    """Make one pass over the scores.

    Parameters
    ----------
    factors : Factors
    apart, near : bool
        Whether :data:`APART` and :data:`NEAR` are wanted.
    grid : (array [row], array [column]), optional
        Where cells start, rising from 0, if maps are to be shrunk.
    known : array [example, head, query], optional
        Log normalisers the shrunk weights are to have; else those of the scores.

    Returns
    -------
    raw : array [place, example, head, query]
        float64; the places are those named in this module. Scores that are not allowed, or beyond
        the keys, are ``-inf``.
    shrunk : Shrunk or None
    """
    raw = blank(factors, near)
    shrunk = None if grid is None else Shrunk.blank(factors.shape, grid)
    keys = np.arange(factors.shape[3])
    for example, heads, queries in blocks(factors.shape):
        scores = factors.scores(example, heads, queries, slice(None))
        allowed = factors.rule.allowed(example, heads, queries, slice(None))
        if not allowed.all():
            np.copyto(scores, np.float32(-np.inf), where=~allowed)
        into = raw[:, example, heads, queries]
        into[FIRST] = scores[..., 0]
        place = np.arange(queries.start, queries.stop)
        if near:
            for name, offset in OFFSETS.items():
                there = place + offset
                inside = np.flatnonzero((there >= 0) & (there < len(keys)))
                into[NEAR[name]][:, inside] = scores[:, inside, there[inside]]
        top = scores.max(axis=-1)
        into[TOP] = top
        with np.errstate(invalid="ignore"):  # from infinite scores; the row is NaN then
            scores -= np.where(np.isneginf(top), 0, top)[..., None]
            found = np.exp(scores)
            into[TOTAL] = found.sum(axis=-1, dtype=np.float64)
            np.maximum(scores, LOWEST, out=scores)  # 0 times -inf would be NaN
            scores *= found
            into[SLOPE] = scores.sum(axis=-1, dtype=np.float64)
            if grid is not None and shrunk is not None:
                sink = None if factors.sink_logit is None else factors.sink_logit[None, heads]
                logs = logs_of(into[:, None], sink)[0] if known is None else (
                    known[example, heads, queries]
                )  # fmt: skip
                lost = np.isneginf(logs)
                weights = found * np.exp(top - np.where(lost, np.inf, logs))[..., None]
                np.copyto(weights, 0, where=~allowed)  # of a row that is NaN too
                first = example * factors.shape[1]
                sites = slice(first + heads.start, first + heads.stop)
                shrunk.take(sites, *_cells(weights, queries, grid))
            if apart:
                found *= abs(place[:, None] - keys).astype(np.float32)
                into[APART] = found.sum(axis=-1, dtype=np.float64)
    return raw, shrunk


def blank(factors: Factors, near: bool) -> NDArray[np.float64]:
    """Return a pass's result before any score was seen."""
    raw = np.zeros((FIRST + 1 + (len(NEAR) if near else 0), *factors.shape[:3]))
    raw[[TOP, *range(FIRST, len(raw))]] = -np.inf
    return raw


def logs_of(raw: NDArray[np.float64], sink: NDArray[np.float32] | None) -> NDArray[np.float64]:
    """Return the log normalisers of rows that a pass has seen whole.

    Parameters
    ----------
    raw : array [place, example, head, query]
    sink : array [example or 1, head], optional

    Returns
    -------
    array [example, head, query]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log(raw[TOTAL]) + np.where(np.isneginf(raw[TOP]), 0, raw[TOP])
    if sink is not None:
        found = np.logaddexp(found, sink[..., None].astype(np.float64))
    return np.asarray(found, np.float64)


def down(queries: slice, grid: Grid) -> tuple[slice, NDArray[np.intp]]:
    """Return which rows of cells some queries lie in, and their edges counted from the first."""
    starts = grid[0]
    rows = slice(
        int(np.searchsorted(starts, queries.start, "right")) - 1,
        int(np.searchsorted(starts, queries.stop)),
    )
    edges = np.append(np.maximum(starts[rows], queries.start), queries.stop)
    return rows, edges - queries.start


def across(largest: Any, total: Any, grid: Grid) -> tuple[Any, Any, Any]:
    """Shrink rows of cells [head, row, key] along keys; also return what each key receives."""
    starts = grid[1]
    folded = np.maximum.reduceat(largest, starts, axis=2), np.add.reduceat(total, starts, axis=2)
    return *folded, total.sum(axis=1)


def _cells(weights: Any, queries: slice, grid: Grid) -> tuple[slice, Any, Any, Any]:
    """Shrink some whole rows [head, query, key]; see what :meth:`Shrunk.take` takes."""
    rows, edges = down(queries, grid)
    # Rows first: folding neighbours in memory, as columns are, takes ten times longer.
    largest, total = (
        np.stack([ufunc.reduce(weights[:, a:b], axis=1) for a, b in pairwise(edges)], 1)
        for ufunc in (np.maximum, np.add)
    )
    return rows, *across(largest, total.astype(np.float64), grid)
