"""One pass over scores, block by block of whole rows, in NumPy alone.

Room: analyses. Comes in: vectors, and the names of the sums that are wanted. Goes out: the sums of
each row, and maps pooled onto a grid. The other passes keep to this one's terms.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.analyses.blockwise.cells import Grid, Pooled, across, rows_of
from limelight.analyses.blockwise.sums import (
    APART,
    FIRST,
    NAMES,
    OFFSETS,
    SLOPE,
    TOP,
    TOTAL,
    blank,
    logs_of,
)
from limelight.factors import Factors, blocks

#: The exponential of anything lower is taken for 0.
LOWEST: Final = np.float32(-87.0)


def walk(
    factors: Factors,
    wanted: Collection[str],
    grid: Grid | None = None,
    known: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], Pooled | None]:
    """Make one pass over the scores.

    Parameters
    ----------
    factors : Factors
    wanted : collection of str
        Of :data:`~limelight.analyses.blockwise.sums.NAMES`; the first two come always.
    grid : (array [row], array [column]), optional
        Where cells start, rising from 0, if maps are to be pooled.
    known : array [example, head, query], optional
        Log normalisers the pooled weights are to have; else those of the scores.

    Returns
    -------
    raw : array [sum, example, head, query]
        float64, in the order of the names. Scores that are not allowed, or beyond the keys, are
        ``-inf``.
    pooled : Pooled or None
    """
    raw = blank(factors, wanted)
    pooled = None if grid is None else Pooled.blank(factors.shape, grid)
    for example, heads, queries in blocks(factors.shape):
        scores = factors.scores(example, heads, queries, slice(None))
        allowed = factors.rule.allowed(example, heads, queries, slice(None))
        if not allowed.all():
            np.copyto(scores, np.float32(-np.inf), where=~allowed)
        into = raw[:, example, heads, queries]
        _note(scores, queries, wanted, into)
        exponentials = _exponentials(scores, wanted, into)
        if grid is not None and pooled is not None:
            logs = _logs(factors, known, into, example, heads, queries)
            with np.errstate(invalid="ignore"):  # from infinite scores; the row is NaN then
                ratio = np.exp(into[TOP] - np.where(np.isneginf(logs), np.inf, logs))
                weights = exponentials * ratio[..., None]
            np.copyto(weights, 0, where=~allowed)  # of a row that is NaN too
            first = example * factors.shape[1]
            sites = slice(first + heads.start, first + heads.stop)
            pooled.take(sites, *_cells(weights, queries, grid))
        if "apart" in wanted:
            rows = np.arange(queries.start, queries.stop)[:, None]
            exponentials *= abs(rows - np.arange(factors.shape[3])).astype(np.float32)
            into[APART] = exponentials.sum(axis=-1, dtype=np.float64)
    return raw, pooled


def _note(scores: Any, queries: slice, wanted: Collection[str], into: NDArray[np.float64]) -> None:
    """Keep the scores of single keys, and the best one."""
    into[TOP] = scores.max(axis=-1)
    if "first" in wanted:
        into[FIRST] = scores[..., 0]
    for name in OFFSETS.keys() & {*wanted}:
        keys = np.arange(queries.start, queries.stop) + OFFSETS[name]
        inside = np.flatnonzero((keys >= 0) & (keys < scores.shape[-1]))
        into[NAMES.index(name)][:, inside] = scores[:, inside, keys[inside]]


def _exponentials(scores: Any, wanted: Collection[str], into: NDArray[np.float64]) -> Any:
    """Return exponentials of scores less the best one, and keep their sums; spoils ``scores``."""
    with np.errstate(invalid="ignore"):  # from infinite scores; the row is NaN then
        scores -= np.where(np.isneginf(into[TOP]), 0, into[TOP]).astype(np.float32)[..., None]
        exponentials = np.exp(scores)
        into[TOTAL] = exponentials.sum(axis=-1, dtype=np.float64)
        if "slope" in wanted:
            np.maximum(scores, LOWEST, out=scores)  # 0 times -inf would be NaN
            scores *= exponentials
            into[SLOPE] = scores.sum(axis=-1, dtype=np.float64)
    return exponentials


def _logs(
    factors: Factors, known: Any, into: Any, example: int, heads: slice, queries: slice
) -> NDArray[np.float64]:
    """Return the normalisers that weights of some rows are to have."""
    if known is not None:
        return np.asarray(known[example, heads, queries])
    logits = None if factors.sink_logit is None else factors.sink_logit[None, heads]
    return np.asarray(logs_of(into[:, None], logits)[0])


def _cells(weights: Any, queries: slice, grid: Grid) -> tuple[slice, Any, Any, Any]:
    """Pool some whole rows [head, query, key]; see what :meth:`Pooled.take` takes."""
    rows, edges = rows_of(queries, grid)
    # Rows first: pooling neighbours in memory, as columns are, takes ten times longer.
    largest, total = (
        np.stack([ufunc.reduce(weights[:, a:b], axis=1) for a, b in pairwise(edges)], 1)
        for ufunc in (np.maximum, np.add)
    )
    return rows, *across(largest, total.astype(np.float64), grid)
