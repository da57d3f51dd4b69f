"""How unlike the maps of heads are: Jensen-Shannon divergence of every pair, query by query.

Room: maps. Comes in: maps of one example, with the first key set aside or not. Goes out: distances
of all pairs, and what they would be if the heads had nothing to do with each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.maps.reading import Maps, set_aside

#: Cells and heads that are worked on at once: what the second nearest cache holds.
_CELLS: Final = 4096
_HEADS: Final = 12
#: Rows of which the null is drawn, about.
_NULL_ROWS: Final = 32
_TINY: Final = np.float32(1e-30)


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of many heads that can be compared.

    Attributes
    ----------
    weights : array [head, query, key]
        float32; 0 where a row does not count.
    eligible : array [head or 1, query, key]
    counted : array [head, query]
    """

    weights: NDArray[np.float32]
    eligible: NDArray[np.bool_]
    counted: NDArray[np.bool_]


def rows_of(maps: Sequence[Maps], aside: bool) -> Rows:
    """Return the rows of the heads of several sites, one below the other.

    Parameters
    ----------
    maps : sequence of Maps
        Of as many queries and keys.
    aside : bool
        Whether the first key is set aside.

    Returns
    -------
    Rows
    """
    weights, eligible, counted = [], [], []
    for site in maps:
        if aside:
            rest = set_aside(site)
            part = Rows(rest.weights, rest.eligible, rest.rows)
        else:
            there = np.broadcast_to(site.rows, site.weights.shape[:2])
            part = Rows(np.where(there[..., None], site.weights, 0), site.allowed, there)
        weights.append(part.weights)
        eligible.append(np.broadcast_to(part.eligible, part.weights.shape))
        counted.append(part.counted)
    first = eligible[0][:1]
    alike = all((part == first).all() for part in eligible)
    return Rows(
        np.concatenate(weights), first if alike else np.concatenate(eligible),
        np.concatenate(counted),
    )  # fmt: skip


def divergences(rows: Rows) -> NDArray[np.float32]:
    r"""Return the Jensen-Shannon divergence of each pair of heads, mean over queries.

    .. math:: JS(p, q) = H((p + q) / 2) - (H(p) + H(q)) / 2

    Parameters
    ----------
    rows : Rows

    Returns
    -------
    array [pair]
        Nat, 0 to log 2; pairs in SciPy's order: (0, 1), (0, 2) …, (1, 2) …; NaN for a pair without
        a query that counts for both. Not its square root, as SciPy's ``jensenshannon`` is.

    Notes
    -----
    Queries that count for one head only are taken out again afterwards: for these the sum over keys
    is the head's own entropy.

    References
    ----------
    .. [1] J. Lin, "Divergence Measures Based on the Shannon Entropy", IEEE Transactions on
       Information Theory 37(1), 1991.

    Examples
    --------
    >>> weights = np.array([[[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 0.0]]], np.float32)
    >>> rows = Rows(weights, np.ones((1, 1, 2), bool), np.ones((3, 1), bool))
    >>> divergences(rows).round(4).tolist()
    [0.6930999755859375, 0.0, 0.6930999755859375]
    """
    heads = len(rows.weights)
    sums = _sums(rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(rows.weights > 0, np.log(rows.weights), 0)
    entropy = np.einsum("hqk,hqk->hq", rows.weights, logs, dtype=np.float64)  # Σ p log p
    counted = rows.counted.astype(np.float64)
    both = counted @ counted.T
    alone = entropy @ (1 - counted).T  # of rows that count for the first of a pair only
    shared = entropy @ counted.T
    first, second = np.triu_indices(heads, 1)
    number = both[first, second]
    joint = sums - alone[first, second] - alone[second, first]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (shared[first, second] + shared[second, first] - joint) / (2 * number)
    return np.asarray(np.clip(mean + np.log(2), 0, np.log(2)), np.float32)


def permuted(rows: Rows, seed: int) -> Rows:
    """Return some of the rows, each permuted over its keys: what of heads is alike by chance.

    Parameters
    ----------
    rows : Rows
    seed : int

    Returns
    -------
    Rows
        About 32 queries, evenly spread.
    """
    step = max(rows.weights.shape[1] // _NULL_ROWS, 1)
    weights, counted = rows.weights[:, ::step], rows.counted[:, ::step]
    eligible = np.broadcast_to(rows.eligible[:, ::step], weights.shape)
    random = np.random.default_rng(seed)
    made = np.zeros_like(weights)
    for head in range(len(weights)):
        order = np.where(eligible[head], random.random(weights.shape[1:], np.float32), 2)
        sources = np.argsort(order, -1)
        targets = np.argsort(~eligible[head], -1, kind="stable")
        np.put_along_axis(made[head], targets, np.take_along_axis(weights[head], sources, -1), -1)
    return Rows(made, rows.eligible[:, ::step], counted)


def _sums(rows: Rows) -> NDArray[np.float64]:
    """Return Σ (p + q) log (p + q) over all cells, for each pair."""
    heads = len(rows.weights)
    cells = np.flatnonzero(rows.eligible.any(0))
    flat = rows.weights.reshape(heads, -1)
    made = np.zeros((heads, heads))
    for begin in range(0, len(cells), _CELLS):
        # Each head's cells side by side, as indexing would not lay them; no logarithm is of 0.
        part = np.take(flat, cells[begin : begin + _CELLS], axis=1) + _TINY
        pairs = np.empty((_HEADS, part.shape[1]), np.float32)
        logs = np.empty_like(pairs)
        for head in range(heads - 1):
            for other in range(head + 1, heads, _HEADS):
                count = min(_HEADS, heads - other)
                joint = np.add(part[head], part[other : other + count], out=pairs[:count])
                np.log(joint, out=logs[:count])
                made[head, other : other + count] += np.einsum("jc,jc->j", joint, logs[:count])
    return made[np.triu_indices(heads, 1)]


def square(pairs: NDArray[Any]) -> NDArray[Any]:
    """Return a matrix of what each pair of heads has.

    Parameters
    ----------
    pairs : array [pair]

    Returns
    -------
    array [head, head]
        Symmetric, 0 on the diagonal.
    """
    heads = round((1 + float(np.sqrt(1 + 8 * len(pairs)))) / 2)
    made = np.zeros((heads, heads))
    made[np.triu_indices(heads, 1)] = pairs
    return made + made.T
