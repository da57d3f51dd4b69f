"""How much of one example's attention lies where each role would have it.

Room: maps. Comes in: maps of one example. Goes out: plain arrays by head, small enough to be kept
for each example: scores of roles, the profile over offsets, and what chance gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.maps.patterns import Pattern, fixed, segments
from limelight.maps.picking import permuted, picked
from limelight.maps.reading import Aside, Maps, mean, set_aside

#: Offsets that are looked at, on either side.
FURTHEST: Final = 64
#: Sizes of blocks that are looked for; the first stands for segments, as separators divide them.
BLOCKS: Final = (0, *range(2, 33), 40, 48, 56, 64, 96, 128, 192, 256)

#: Maps of at most so many cells are permuted; in larger ones three moments say as much.
SMALL: Final = 400

Numbers = dict[str, NDArray[np.float32]]


def scored(maps: Maps, roles: tuple[str, ...], patterns: Mapping[str, Pattern] | None) -> Numbers:
    """Return all that is to be known of one example's heads for their roles.

    Parameters
    ----------
    maps : Maps
        Of a self-attention.
    roles : tuple of str
        Names of those that pick nothing; one without keys here is NaN.
    patterns : mapping of str to array or callable, optional
        A user's own, by names that are among ``roles``.

    Returns
    -------
    dict of str to array [head, …]
        ``fixed`` [head, role, 3]: score, null, and the score of ``self`` on the same rows.
        ``offsets`` and ``blocks`` [head, candidate, 4]: score, and mean, variance and third moment
        under permutation. ``key`` [head, 2]: score and null. ``first`` [head, 3]: share, null, and
        share of rows left out.
    """
    aside = set_aside(maps)
    keys = fixed(maps, patterns)
    moments = _Moments(aside)
    return {
        "fixed": _fixed(aside, keys, roles),
        "offsets": _offsets(aside, moments),
        "blocks": _blocks(aside, moments, segments(maps)),
        "key": _key(aside, moments),
        "first": np.stack([aside.first_share, aside.first_null, aside.left_out], -1).astype("f4"),
    }


class _Moments:
    """Moments of a row's weights, and so of what a permutation puts on a key."""

    def __init__(self, aside: Aside) -> None:
        count = np.broadcast_to(aside.eligible.sum(-1), aside.rows.shape)
        self.count = np.maximum(count, 1).astype(np.float64)  # [head, query]
        weights = aside.weights
        square = np.einsum("hqk,hqk->hq", weights, weights, dtype=np.float64)
        cube = np.einsum("hqk,hqk->hq", weights * weights, weights, dtype=np.float64)
        even = 1 / self.count
        self.mean = np.where(aside.rows, even, 0)
        self.variance = np.where(aside.rows, np.maximum(square * even - even**2, 0), 0)
        third = cube * even - 3 * even * square * even + 2 * even**3
        self.third = np.where(aside.rows, np.maximum(third, 0), 0)


def _fixed(aside: Aside, keys: Mapping[str, NDArray[Any]], roles: tuple[str, ...]) -> Any:
    heads = len(aside.weights)
    made = np.full((heads, len(roles), 3), np.nan, np.float32)
    count = aside.eligible.sum(-1)
    diagonal = np.diagonal(aside.weights, axis1=1, axis2=2) if _is_square(aside) else None
    for number, role in enumerate(roles):
        if role not in keys:
            continue
        cells = keys[role] & aside.eligible  # [head or 1, query, key]
        held = cells.sum(-1)
        rows = aside.rows & (held > 0) & (held < count)
        if not rows.any():
            continue
        score = _inside(aside.weights, keys[role])
        null = np.broadcast_to(held / np.maximum(count, 1), rows.shape)
        made[:, number, 0], made[:, number, 1] = mean(score, rows), mean(null, rows)
        if diagonal is not None:
            made[:, number, 2] = mean(diagonal, rows)
    return made


def _inside(weights: NDArray[np.float32], cells: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return what of each row lies on cells [query, key]; weights are 0 where not eligible."""
    if (cells == cells[:1]).all():  # the same keys for every query
        return np.asarray(weights @ cells[0].astype(np.float32), np.float32)
    query, key = np.nonzero(cells)
    if len(query) > cells.size // 16:
        return np.asarray(np.einsum("hqk,qk->hq", weights, cells.astype(np.float32)), np.float32)
    made = np.zeros(weights.shape[:2], np.float32)
    for head, rows in enumerate(weights):
        made[head] = np.bincount(query, rows[query, key], len(cells))
    return made


def _offsets(aside: Aside, moments: _Moments) -> NDArray[np.float32]:
    """Return what lies at each offset; those that few queries have are scaled down."""
    heads, queries, keys = aside.weights.shape
    made = np.full((heads, 2 * FURTHEST + 1, 4), np.nan, np.float32)
    far = min(FURTHEST, max(queries, keys) - 1)
    weights = _skewed(aside.weights, far)
    eligible = _skewed(aside.eligible.astype(np.float32), far)
    rows = aside.rows.astype(np.float32)
    count = _summed(rows, eligible)
    held = np.maximum(np.maximum(count, rows.sum(-1)[:, None] / 2), 1)
    columns = [_summed(rows, weights) / held]
    for power, moment in enumerate((moments.mean, moments.variance, moments.third), 1):
        columns.append(_summed(moment.astype(np.float32), eligible) / held**power)
    offsets = np.arange(-far, far + 1)
    there = (offsets > -queries) & (offsets < keys)
    near = np.stack(columns, -1)
    near[:, ~there] = np.nan
    made[:, FURTHEST - far : FURTHEST + far + 1] = near
    return made


def _skewed(cells: NDArray[np.float32], far: int) -> NDArray[np.float32]:
    """Return cells [head, query, offset] of [head, query, key]; 0 beyond the keys."""
    heads, queries, keys = cells.shape
    wide = np.zeros((heads, queries, max(queries, keys) + 2 * far), np.float32)
    wide[:, :, far : far + keys] = cells
    across, down, right = wide.strides
    return np.lib.stride_tricks.as_strided(
        wide, (heads, queries, 2 * far + 1), (across, down + right, right), writeable=False
    )


def _summed(rows: NDArray[np.float32], skewed: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return sums over queries [head, offset], each row weighed."""
    return np.asarray(np.matmul(rows[:, None], skewed)[:, 0], np.float64)


def _key(aside: Aside, moments: _Moments) -> NDArray[np.float32]:
    """Return the share of the key that most rests on, picked in this example."""
    rows = aside.rows.sum(-1)
    eligible = np.broadcast_to(aside.eligible, aside.weights.shape).astype(np.float32)
    seen = np.einsum("hqk,hq->hk", eligible, aside.rows.astype(np.float32))
    held = np.maximum(np.maximum(seen, rows[:, None] / 2), 1)
    sums = np.einsum("hqk,hq->hk", aside.weights, aside.rows.astype(np.float32), dtype=np.float64)
    chance, variance, third = (
        np.einsum("hqk,hq->hk", eligible, moment.astype(np.float32)) / held**power
        for power, moment in ((1, moments.mean), (2, moments.variance), (3, moments.third))
    )
    score = np.where(seen > 0, sums / held, np.nan)
    best, null = picked(score, chance, variance, skewness(variance, third))
    if aside.weights[0].size <= SMALL:
        null = permuted(aside.weights, aside.eligible, held, chance)
    heads = np.arange(len(score))
    made = np.stack([score[heads, best], over(chance[heads, best], null)], -1)
    return np.where(rows[:, None] > 0, made, np.nan).astype(np.float32)


def _blocks(aside: Aside, moments: _Moments, segment: Any) -> NDArray[np.float32]:
    """Return what lies in a query's own block, for each way to divide positions into blocks."""
    heads, count, keys = aside.weights.shape
    made = np.full((heads, len(BLOCKS), 4), np.nan)
    if count != keys:
        return made.astype(np.float32)
    at = np.arange(count)
    ways = {number: (at // size, (at + size // 2) // size)
            for number, size in enumerate(BLOCKS) if 0 < size <= count // 2}  # fmt: skip
    if segment is not None:
        half = max(count // (2 * (int(segment[-1]) + 1)), 1)
        ways[0] = (segment, segment[np.minimum(at + half, count - 1)])
    if not ways:
        return made.astype(np.float32)
    blocks = np.array([way for pair in ways.values() for way in pair])
    score, chance, variance = _within(aside, moments, blocks)
    excess = (score - chance) / (1 - chance)
    # A head that looks nearby fills blocks wherever they begin: what counts is that it does not
    # cross where these do.
    edge = np.maximum(2 * (excess[:, ::2] - excess[:, 1::2]), 0)
    score, chance, variance = (part[:, ::2] for part in (score, chance, variance))
    score = np.minimum(score, chance + edge * (1 - chance))
    made[:, list(ways)] = np.stack([score, chance, variance, np.zeros_like(score)], -1)
    return made.astype(np.float32)


def _within(aside: Aside, moments: _Moments, blocks: NDArray[Any]) -> Any:
    """Return mean, chance and variance [head, way] of what lies in a query's own block."""
    at = np.arange(blocks.shape[1])
    begin, end = (np.stack([np.searchsorted(way, way, side) for way in blocks])
                  for side in ("left", "right"))  # fmt: skip
    inside, held = (
        part[:, at, end] - part[:, at, begin]  # [head, way, query]
        for part in (_running(aside.weights), _running(aside.eligible.astype(np.float32)))
    )
    count = moments.count[:, None]
    rows = aside.rows[:, None] & (held > 0) & (held < count)
    number = np.maximum(rows.sum(-1), 1)
    # Of a finite population without replacement: the weights of m of the row's n keys.
    variance = moments.variance[:, None] * held * (count - held) / np.maximum(count - 1, 1)
    total = np.where(rows, variance, 0).sum(-1) / number**2
    return mean(inside, rows), mean(np.broadcast_to(held / count, rows.shape), rows), total


def _running(cells: NDArray[Any]) -> NDArray[np.float64]:
    """Return sums of each row up to each key, from none to all."""
    made = np.zeros((*cells.shape[:2], cells.shape[2] + 1))
    np.cumsum(cells, -1, out=made[..., 1:])
    return made


def skewness(variance: NDArray[Any], third: NDArray[Any]) -> NDArray[np.float64]:
    """Return the skewness that belongs to a variance and a third moment.

    Parameters
    ----------
    variance, third : array

    Returns
    -------
    array
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(np.asarray(third / variance**1.5, np.float64), posinf=0.0)


def over(chance: NDArray[Any], best: NDArray[Any]) -> NDArray[np.float64]:
    """Return the score that lies so far over chance, as a share of what is above it.

    Parameters
    ----------
    chance, best : array

    Returns
    -------
    array
    """
    return np.asarray(chance + best * (1 - chance), np.float64)


def _is_square(aside: Aside) -> bool:
    return bool(aside.weights.shape[1] == aside.weights.shape[2])
