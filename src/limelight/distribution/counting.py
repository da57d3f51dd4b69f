"""What follows from counts alone: quantiles, shares, distances, other bins.

Room: lowest. Comes in: counts on the bins of :mod:`limelight.distribution.bins`. Goes out: numbers.
Values are taken to be even within a bin, so each is off by no more than a bin.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.distribution.bins import BINS, SIDE, edges

Counts = NDArray[Any]


def quantiles(counts: Counts, shares: Iterable[float], zeros: int = 0) -> NDArray[np.float64]:
    """Return quantiles.

    Parameters
    ----------
    counts : array [bin]
    shares : iterable of float
        0 to 1.
    zeros : int
        How many values are exactly zero.

    Returns
    -------
    array
        Each lies in the bin of the exact one, or on its edge. NaN where nothing was counted.
    """
    wanted = np.asarray(list(shares), np.float64)
    used = np.flatnonzero(counts)
    if not used.size:
        return np.full(wanted.shape, np.nan)
    left, right = edges()[used], edges()[used + 1].copy()
    right[(used == SIDE) & (counts[used] == zeros)] = 0.0
    above = np.cumsum(counts[used].astype(np.int64))
    below = above - counts[used]
    heights = np.stack([below, above], axis=1).ravel()
    points = np.stack([left, right], axis=1).ravel()
    return np.interp(wanted * float(above[-1]), heights, points)


def within(counts: Counts, limit: float, zeros: int = 0) -> float:
    """Return the share of values with ``|value| <= limit``.

    Parameters
    ----------
    counts : array [bin]
    limit : float
    zeros : int
        How many values are exactly zero; these always count.

    Returns
    -------
    float
        0 to 1, off by at most the share of the two bins that hold the limits.
    """
    total = int(counts.sum(dtype=np.int64))
    if not total or math.isnan(limit):
        return math.nan
    inside = _up_to(counts, limit) - _up_to(counts, -limit) if limit > 0 else 0.0
    return float(min(1.0, max(inside, float(zeros)) / total))


def distance(a: Counts, b: Counts) -> float:
    """Return the Wasserstein-1 distance of two histograms: how far values moved, on average.

    Parameters
    ----------
    a, b : array [bin]

    Returns
    -------
    float
        In the values' own unit; NaN where one is empty. Off by at most the width of the bins that
        values lie in.

    References
    ----------
    .. [1] C. Villani, "Topics in Optimal Transportation", 2003, section 2.2.
    """
    size_a, size_b = int(a.sum()), int(b.sum())
    if not size_a or not size_b:
        return math.nan
    used = np.flatnonzero((a > 0) | (b > 0))
    lowest, highest = int(used[0]), int(used[-1]) + 1
    gap = a[lowest:highest] / size_a - b[lowest:highest] / size_b
    ends = np.concatenate([[0.0], np.cumsum(gap)])
    left, right = np.abs(ends[:-1]), np.abs(ends[1:])
    total = left + right
    with np.errstate(invalid="ignore", divide="ignore"):
        crossing = (left**2 + right**2) / (2 * total)
    mean = np.where(ends[:-1] * ends[1:] < 0, crossing, total / 2)
    return float(np.sum(np.diff(edges()[lowest : highest + 1]) * mean))


def spread(counts: Counts, onto: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count on other bins: what a bin holds is spread over its width.

    Parameters
    ----------
    counts : array [bin]
    onto : array [edge]
        Ascending; what lies outside is counted in the first or last.

    Returns
    -------
    array [edge - 1]
        Whole numbers of the same sum.
    """
    if not int(counts.sum()):
        return np.zeros(len(onto) - 1, np.int64)
    used = np.flatnonzero(counts)
    lowest, highest = int(used[0]), int(used[-1]) + 1
    below = np.concatenate([[0], np.cumsum(counts[lowest:highest].astype(np.int64))])
    heights = np.interp(onto, edges()[lowest : highest + 1], below)
    heights[0], heights[-1] = 0, below[-1]
    whole: NDArray[np.int64] = np.diff(np.rint(heights).astype(np.int64))
    return whole


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


def _up_to(counts: Counts, limit: float) -> float:
    """Return how many values lie below a limit."""
    at = int(np.searchsorted(edges(), limit, "right")) - 1
    if at < 0:
        return 0.0
    if at >= BINS:
        return float(counts.sum())
    left, right = float(edges()[at]), float(edges()[at + 1])
    return float(counts[:at].sum()) + (limit - left) / (right - left) * float(counts[at])
