"""What follows from counts alone: quantiles, shares, distances, other bins.

Room: lowest. Comes in: counts on the bins of :mod:`limelight.distribution.bins`, of one tensor or
of many at once. Goes out: numbers. Values are taken to be even within a bin, so each is off by no
more than a bin.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.distribution import compiled
from limelight.distribution.bins import BINS, SIDE, edges

Counts = NDArray[Any]


def quantiles(counts: Counts, shares: Iterable[float], zeros: Any = 0) -> NDArray[np.float64]:
    """Return quantiles.

    Parameters
    ----------
    counts : array [..., bin]
    shares : iterable of float
        0 to 1.
    zeros : int or array [...]
        How many values are exactly zero.

    Returns
    -------
    array [..., share]
        Each lies in the bin of the exact one, or on its edge. NaN where nothing was counted.
    """
    wanted = np.asarray(list(shares), np.float64)
    if _is_table(counts) and (wanted[1:] >= wanted[:-1]).all() and compiled.counting():
        every = np.broadcast_to(np.asarray(zeros, np.int64).reshape(-1), len(counts))
        exact: NDArray[np.float64] = compiled.counting().quantiles(
            counts, wanted, np.ascontiguousarray(every)
        )
        return exact
    rows, used = _in_use(counts)
    if not used.size:
        return np.full((*counts.shape[:-1], wanted.size), np.nan)
    above = np.cumsum(rows, axis=1, dtype=np.int64)
    totals = above[:, -1:]
    heights = wanted * totals
    # All rows at once: each one's heights lie above those of the row before.
    base = np.concatenate([[0], np.cumsum(totals[:-1, 0] + 1)])[:, None]
    flat = (above + base).ravel()
    at = np.searchsorted(flat, heights + base, "left")
    lowest = np.searchsorted(flat, np.broadcast_to(base, heights.shape), "right")
    at = np.maximum(at, lowest) - used.size * np.arange(len(rows))[:, None]
    at = np.clip(at, 0, used.size - 1)
    inside = np.take_along_axis(rows, at, axis=1)
    below = np.take_along_axis(above, at, axis=1) - inside
    number = used[at]
    left, right = edges()[number], edges()[number + 1].copy()
    exact = np.broadcast_to(np.reshape(zeros, (-1, 1)), number.shape)
    right[(number == SIDE) & (inside == exact)] = 0.0
    with np.errstate(invalid="ignore", divide="ignore"):
        known = left + (heights - below) / inside * (right - left)
    return np.asarray(np.where(totals > 0, known, np.nan).reshape(*counts.shape[:-1], -1))


def within(counts: Counts, limit: Any, zeros: Any = 0) -> NDArray[np.float64]:
    """Return the share of values with ``|value| <= limit``.

    Parameters
    ----------
    counts : array [..., bin]
    limit : float or array [...]
    zeros : int or array [...]
        How many values are exactly zero; these always count.

    Returns
    -------
    array [...]
        0 to 1, off by at most the share of the two bins that hold the limits; NaN where nothing
        was counted, or ``limit`` is NaN.
    """
    if _is_table(counts) and compiled.counting():
        every = np.broadcast_to(np.asarray(zeros, np.int64).reshape(-1), len(counts))
        ends = np.broadcast_to(np.asarray(limit, np.float64).reshape(-1), len(counts))
        shares: NDArray[np.float64] = compiled.counting().within(
            counts, np.ascontiguousarray(ends), np.ascontiguousarray(every)
        )
        return shares
    rows, used = _in_use(counts)
    limits = np.broadcast_to(np.reshape(limit, -1), len(rows)).astype(np.float64)
    known = np.nan_to_num(limits, nan=0.0)
    below = np.zeros((len(rows), used.size + 1), np.int64)
    below[:, 1:] = np.cumsum(rows, axis=1, dtype=np.int64)
    totals = below[:, -1]
    ends = _up_to(rows, used, below, np.stack([known, -known], axis=-1))
    inside = np.where(known > 0, ends[:, 0] - ends[:, 1], 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.minimum(1.0, np.maximum(inside, np.reshape(zeros, -1)) / totals)
    share = np.where(np.isnan(limits) | (totals == 0), np.nan, share)
    return np.asarray(share.reshape(counts.shape[:-1]), np.float64)


def distance(a: Counts, b: Counts) -> NDArray[np.float64]:
    """Return the Wasserstein-1 distance of histograms: how far values moved, on average.

    Parameters
    ----------
    a, b : array [..., bin]

    Returns
    -------
    array [...]
        In the values' own unit; NaN where one is empty. Off by at most the width of the bins that
        values lie in.

    References
    ----------
    .. [1] C. Villani, "Topics in Optimal Transportation", 2003, section 2.2.
    """
    if _is_table(a) and _is_table(b) and len(a) in (1, len(b)) and compiled.counting():
        between: NDArray[np.float64] = compiled.counting().distance(a, b)
        return between
    shape = np.broadcast_shapes(a.shape, b.shape)[:-1]
    rows = [part.reshape(-1, part.shape[-1]) for part in (a, b)]
    used = np.flatnonzero(rows[0].any(axis=0) | rows[1].any(axis=0))
    if not used.size:
        return np.full(shape, np.nan)
    pair = np.stack(np.broadcast_arrays(*(part[:, used] for part in rows)))
    with np.errstate(invalid="ignore", divide="ignore"):
        below = np.cumsum(pair, axis=-1, dtype=np.int64)
        shares = below / below[..., -1:]  # exactly 1 where all lies below
        gap = shares[0] - shares[1]
        begin = np.concatenate([np.zeros((len(gap), 1)), gap[:, :-1]], axis=1)
        left, right = np.abs(begin), np.abs(gap)
        total = left + right
        crossing = (left**2 + right**2) / (2 * total)
    mean = np.where(begin * gap < 0, crossing, total / 2)
    lines = edges()
    moved = mean @ (lines[used + 1] - lines[used])
    # Between bins in use nothing lies, and what is to be moved across stays the same.
    moved += right[:, :-1] @ (lines[used[1:]] - lines[used[:-1] + 1])
    return np.asarray(moved.reshape(shape), np.float64)


def spread(counts: Counts, onto: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count on other bins: what a bin holds is spread over its width.

    Parameters
    ----------
    counts : array [row, bin]
    onto : array [row, edge]
        Ascending; what lies outside is counted in the first or last.

    Returns
    -------
    array [row, edge - 1]
        Whole numbers of the same sums; 0 where nothing was counted.
    """
    rows, used = _in_use(counts)
    below = np.zeros((len(rows), used.size + 1), np.int64)
    np.cumsum(rows, axis=1, out=below[:, 1:])
    heights = _up_to(rows, used, below, np.nan_to_num(onto))
    heights[:, 0], heights[:, -1] = 0, below[:, -1]
    return np.asarray(np.diff(np.rint(heights).astype(np.int64)), np.int64)


def gathered(counts: Counts, lines: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count on the bins of this room what was counted on others, as :func:`spread` does.

    Parameters
    ----------
    counts : array [other]
    lines : array [other + 1]
        Edges, ascending.

    Returns
    -------
    array [bin]
    """
    if not int(counts.sum()):
        return np.zeros(BINS, np.int64)
    below = np.concatenate([[0], np.cumsum(counts)])
    heights = np.interp(edges(), lines, below)
    whole: NDArray[np.int64] = np.diff(np.rint(heights).astype(np.int64))
    return whole


def _is_table(counts: Counts) -> bool:
    """Say whether counts are of many tensors, as they are recorded."""
    return counts.ndim == 2 and counts.dtype == np.uint32 and counts.flags.c_contiguous


def _in_use(counts: Counts) -> tuple[Counts, NDArray[np.intp]]:
    """Return rows of what was counted, in bins in which anything was, and which bins these are."""
    rows = counts.reshape(-1, counts.shape[-1])
    used = np.flatnonzero(rows.any(axis=0))
    return rows[:, used], used


def _up_to(
    rows: Counts, used: NDArray[np.intp], below: Counts, limits: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how many values of each row lie below its limits [row, limit]."""
    holding = np.searchsorted(edges(), limits, "right") - 1
    at, number = np.searchsorted(used, holding), np.arange(len(rows))[:, None]
    whole = below[number, at].astype(np.float64)
    part = (np.append(used, -1)[at] == holding) & (holding >= 0) & (holding < BINS)
    row, bins = np.nonzero(part)[0], holding[part]
    left, right = edges()[bins], edges()[bins + 1]
    whole[part] += (limits[part] - left) / (right - left) * rows[row, at[part]]
    return whole
