"""One example's maps of one site as plain arrays, and the same with the first key set aside.

Room: maps. Comes in: a site's labelled dataset. Goes out: weights, what is allowed, and which rows
count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

#: Rows that hold less of their weight beside the first key are left out: what they would be scaled
#: up to is noise.
LEAST_REST: Final = 0.05


@dataclass(frozen=True, eq=False)
class Maps:
    """The maps of all heads of a site on one example.

    Attributes
    ----------
    weights : array [head, query, key]
        float32.
    allowed : array [head or 1, query, key]
        bool.
    rows : array [head or 1, query]
        bool; False is padding, or a head that allows the query no key.
    words : tuple of str, optional
        Texts of the keys.
    ids : array [key], optional
        Whole numbers that stand for them.
    kind : str
        Of the site, such as ``self``.
    """

    weights: NDArray[np.float32]
    allowed: NDArray[np.bool_]
    rows: NDArray[np.bool_]
    words: tuple[str, ...] | None = None
    ids: NDArray[Any] | None = None
    kind: str = "self"

    @property
    def first(self) -> int:
        """The first key that anyone may attend to; padding may stand before it."""
        seen = self.allowed[:, self.rows.any(0)].any((0, 1))
        return int(np.argmax(seen))


@dataclass(frozen=True, eq=False)
class Aside:
    """Maps whose first key is set aside: what is left sums to 1 again.

    Attributes
    ----------
    weights : array [head, query, key]
        0 where a row is left out.
    eligible : array [head or 1, query, key]
        Keys that are allowed and not set aside.
    rows : array [head, query]
        Rows that count: with at least two such keys, and a twentieth of their weight on them.
    first_share, first_null : array [head]
        Mean share of the first key, and what uniform attention would give it.
    left_out : array [head]
        Share of the rows that are left out.
    """

    weights: NDArray[np.float32]
    eligible: NDArray[np.bool_]
    rows: NDArray[np.bool_]
    first_share: NDArray[np.float64]
    first_null: NDArray[np.float64]
    left_out: NDArray[np.float64]


def examples(site: xr.Dataset, ids: NDArray[Any] | None = None) -> Iterator[Maps]:
    """Yield the maps of each example of a site.

    Parameters
    ----------
    site : Dataset
        With ``weights`` [example, head, query, key], as captured or read from a run.
    ids : array [example, key], optional
        Whole numbers that stand for the keys' tokens.

    Yields
    ------
    Maps
    """
    whole = batch(site)
    words = None
    if "key_token" in site.coords:
        words = np.asarray(site["key_token"].transpose("example", "key").values)
    for number in range(len(whole.weights)):
        yield Maps(
            whole.weights[number], whole.allowed[number], whole.rows[number],
            None if words is None else tuple(map(str, words[number])),
            None if ids is None else np.asarray(ids[number]), whole.kind,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Batch:
    """The maps of all heads of a site on several examples.

    Attributes
    ----------
    weights : array [example, head, query, key]
        float32; 0 in rows that hold no finite number.
    allowed : array [example, head or 1, query, key]
        bool.
    rows : array [example, head or 1, query]
        bool; False is padding, or a head that allows the query no key.
    kind : str
        Of the site.
    """

    weights: NDArray[np.float32]
    allowed: NDArray[np.bool_]
    rows: NDArray[np.bool_]
    kind: str


def batch(site: xr.Dataset) -> Batch:
    """Return the maps of a site.

    Parameters
    ----------
    site : Dataset
        With ``weights`` [example, head, query, key].

    Returns
    -------
    Batch
    """
    dims = ("example", "head", "query", "key")
    weights = np.asarray(site["weights"].transpose(*dims).values, np.float32)
    count, _, queries, keys = weights.shape
    allowed: Any = np.ones((count, 1, queries, keys), np.bool_)
    if "allowed" in site:
        given = site["allowed"].transpose(*(dim for dim in dims if dim in site["allowed"].dims))
        allowed = np.asarray(given.values, np.bool_).reshape(count, -1, queries, keys)
    if "key_valid" in site.coords:
        valid = site["key_valid"].transpose("example", "key").values
        allowed = allowed & np.asarray(valid, np.bool_)[:, None, None]
    rows: Any = allowed.any(-1)
    if "query_valid" in site.coords:
        valid = site["query_valid"].transpose("example", "query").values
        rows = rows & np.asarray(valid, np.bool_)[:, None]
    sound: Any = np.isfinite(weights).all(-1)
    if not sound.all():
        weights, rows = np.where(sound[..., None], weights, np.float32(0)), rows & sound
    return Batch(weights, allowed, rows, str(site.attrs.get("kind", "self")))


def set_aside(maps: Maps) -> Aside:
    """Set the first key aside.

    Parameters
    ----------
    maps : Maps

    Returns
    -------
    Aside

    Notes
    -----
    Many heads rest on the first key whatever they do else; with it, all look alike.

    References
    ----------
    .. [1] G. Xiao et al., "Efficient Streaming Language Models with Attention Sinks", ICLR 2024,
       arXiv:2309.17453.

    Examples
    --------
    >>> maps = Maps(np.array([[[0.5, 0.3, 0.2]]], np.float32), np.ones((1, 1, 3), bool),
    ...             np.ones((1, 1), bool))
    >>> set_aside(maps).weights.round(2).tolist()
    [[[0.0, 0.6000000238418579, 0.4000000059604645]]]
    """
    first = maps.first
    eligible = maps.allowed.copy()
    eligible[..., first] = False
    weights = np.where(eligible, maps.weights, np.float32(0))
    rest = weights.sum(-1, dtype=np.float64)
    counted = np.broadcast_to(maps.rows, rest.shape)
    rows = counted & (eligible.sum(-1) > 1) & (rest >= LEAST_REST)
    scale = np.where(rows, 1 / np.where(rows, rest, 1), 0).astype(np.float32)
    sees = counted & np.broadcast_to(maps.allowed[..., first], rest.shape)
    uniform = np.broadcast_to(1 / np.maximum(maps.allowed.sum(-1), 1), rest.shape)
    return Aside(
        weights * scale[..., None], eligible, rows,
        mean(maps.weights[..., first], sees), mean(uniform, sees),
        1 - mean(rows.astype(np.float64), counted),
    )  # fmt: skip


def mean(values: NDArray[Any], counted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean over the last axis of what counts; NaN where nothing does.

    Parameters
    ----------
    values : array [head, query]
    counted : array [head, query]

    Returns
    -------
    array [head]
    """
    count = counted.sum(-1)
    total = np.where(counted, values, 0).sum(-1, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
