"""Attention kept as what it is a function of: queries, keys, a scale, a rule, a log normaliser.

Room: lowest. Comes in: the vectors of one site. Goes out: exactly the weights somebody asks for,
computed from them; nobody who reads ``weights`` can tell. T positions cost O(T · feature), not
O(T²). May import NumPy and xarray only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from limelight import schema
from limelight.rule import Rule

#: Largest number of weights computed at once while walking over a whole map.
BLOCK: Final = 1 << 21


@dataclass(frozen=True, eq=False)
class Factors:
    r"""One site's attention, as vectors.

    .. math:: a_{qk} = \exp(\sigma(s \, q \cdot k) - \ell_q) \text{ where allowed, else } 0

    Attributes
    ----------
    query : array [example, head, query, feature]
        float32.
    key : array [example, key head, key, feature]
        float32; the number of heads is a multiple of the number of key heads (grouped queries),
        and each key head serves the heads of one run of neighbours.
    rule : Rule
        Which keys each query may attend to.
    scale : float
        What products are multiplied by.
    softcap : float, optional
        Scores are then ``softcap · tanh(score / softcap)``.
    sink : array [head], optional
        One more score per head that takes a share of each row and belongs to no key.
    normaliser : array [example, head, query]
        float64, log of the sum of ``exp(score)`` over the allowed keys and the sink, in nats;
        ``-inf`` where nothing is allowed.
    """

    query: NDArray[np.float32]
    key: NDArray[np.float32]
    rule: Rule
    scale: float
    normaliser: NDArray[np.float64]
    softcap: float | None = None
    sink: NDArray[np.float32] | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Sizes of example, head, query and key."""
        examples, heads, queries, _ = self.query.shape
        return examples, heads, queries, int(self.key.shape[2])

    @property
    def nbytes(self) -> int:
        """Bytes the vectors take."""
        return int(self.query.nbytes + self.key.nbytes + self.normaliser.nbytes)

    def scores(self, example: int, head: int, queries: slice, keys: slice) -> NDArray[np.float32]:
        """Return scores before the softmax, whatever is allowed.

        Parameters
        ----------
        example, head : int
        queries, keys : slice

        Returns
        -------
        array [query, key]
            float32.
        """
        group = self.query.shape[1] // self.key.shape[1]
        vectors = self.query[example, head, queries] * np.float32(self.scale)
        found: NDArray[np.float32] = vectors @ self.key[example, head // group, keys].T
        if self.softcap is not None:
            cap = np.float32(self.softcap)
            found = np.tanh(found / cap) * cap
        return found

    def weights(self, example: int, head: int, queries: slice, keys: slice) -> NDArray[np.float32]:
        """Return the weights of a part of one map.

        Parameters
        ----------
        example, head : int
        queries, keys : slice

        Returns
        -------
        array [query, key]
            float32, exactly 0 where not allowed.
        """
        log = self.normaliser[example, head, queries, None]
        # In double precision: at a score of 30, single precision loses 2e-6 of the weight.
        found = np.exp(self.scores(example, head, queries, keys) - np.where(log > -np.inf, log, 0))
        return np.where(self.rule.allowed(example, head, queries, keys), found, 0).astype(
            np.float32
        )

    def dense(self) -> NDArray[np.float32]:
        """Return all weights.

        Returns
        -------
        array [example, head, query, key]
            float32.
        """
        found = np.empty(self.shape, np.float32)
        for example, head, queries in blocks(self.shape):
            found[example, head, queries] = self.weights(example, head, queries, slice(None))
        return found

    def sink_weights(self) -> NDArray[np.float32] | None:
        """Return what each query gives to no key, [example, head, query]; None without a sink."""
        if self.sink is None:
            return None
        found = np.exp(self.sink[None, :, None].astype(np.float64) - self.normaliser)
        return np.where(np.isneginf(self.normaliser), 0, found).astype(np.float32)


def factored(
    query: NDArray[np.float32],
    key: NDArray[np.float32],
    rule: Rule,
    scale: float,
    *,
    softcap: float | None = None,
    sink: NDArray[np.float32] | None = None,
) -> Factors:
    """Build factors, with each row's log normaliser computed in blocks of rows.

    Parameters
    ----------
    query : array [example, head, query, feature]
    key : array [example, key head, key, feature]
    rule : Rule
    scale : float
    softcap : float, optional
    sink : array [head], optional

    Returns
    -------
    Factors

    Examples
    --------
    >>> q = k = np.eye(2, dtype=np.float32)[None, None]
    >>> found = factored(q, k, Rule.everything(2, 2), 1.0)
    >>> found.dense()[0, 0].round(3).tolist()
    [[0.7310000061988831, 0.2689999938011169], [0.2689999938011169, 0.7310000061988831]]
    """
    query = np.ascontiguousarray(query, np.float32)
    key = np.ascontiguousarray(key, np.float32)
    shape = (*query.shape[:3], key.shape[2])
    made = Factors(query, key, rule, scale, np.zeros(query.shape[:3]), softcap, sink)
    every = slice(None)
    for example, head, queries in blocks(shape):
        scores = made.scores(example, head, queries, every)
        scores[~rule.allowed(example, head, queries, every)] = -np.inf
        extra = -np.inf if sink is None else float(sink[head])
        made.normaliser[example, head, queries] = _log_sum(scores, extra)
    return made


def blocks(shape: tuple[int, int, int, int]) -> Iterator[tuple[int, int, slice]]:
    """Walk over maps in blocks of whole rows.

    Parameters
    ----------
    shape : tuple of int
        Sizes of example, head, query and key.

    Yields
    ------
    tuple
        Example, head, and a slice of queries of at most :data:`BLOCK` weights, or one row.
    """
    examples, heads, queries, keys = shape
    rows = max(1, BLOCK // max(keys, 1))
    for example in range(examples):
        for head in range(heads):
            for start in range(0, queries, rows):
                yield example, head, slice(start, min(start + rows, queries))


def lazy_weights(factors: Factors) -> xr.Variable:
    """Return a variable [example, head, query, key] that computes what is asked of it.

    Parameters
    ----------
    factors : Factors

    Returns
    -------
    Variable
        float32.
    """
    return xr.Variable(schema.SITE_DIMS, indexing.LazilyIndexedArray(_Weights(factors)))


def lazy_allowed(rule: Rule, shape: tuple[int, int, int, int]) -> xr.Variable:
    """Return a variable that computes which cells are allowed.

    Parameters
    ----------
    rule : Rule
    shape : tuple of int
        Sizes of example, head, query and key.

    Returns
    -------
    Variable
        bool, [example, query, key], or with ``head`` where heads differ.
    """
    array = _Allowed(rule, shape)
    dims = schema.SITE_DIMS if rule.by_head else (schema.EXAMPLE, schema.QUERY, schema.KEY)
    return xr.Variable(dims, indexing.LazilyIndexedArray(array))


def factors_of(weights: xr.DataArray) -> Factors | None:
    """Return what whole, lazy weights are computed from.

    Parameters
    ----------
    weights : DataArray [example, head, query, key]

    Returns
    -------
    Factors or None
        None where they are dense, or a selection.
    """
    data = weights.variable._data  # xarray keeps no public door to what is not loaded yet
    if not isinstance(data, indexing.LazilyIndexedArray):
        return None
    array = data.array
    whole = data.shape == array.shape and weights.dims == schema.SITE_DIMS
    return array.factors if whole and isinstance(array, _Weights) else None


class _Weights(BackendArray):
    """Weights, one rectangle of one head at a time."""

    def __init__(self, factors: Factors) -> None:
        self.factors = factors
        self.shape = factors.shape
        self.dtype = np.dtype(np.float32)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        support = indexing.IndexingSupport.BASIC
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

    def _read(self, key: tuple[int | slice, ...]) -> NDArray[np.float32]:
        kept = tuple(slice(i, i + 1) if isinstance(i, (int, np.integer)) else i for i in key)
        places = [range(*one.indices(size)) for one, size in zip(kept, self.shape, strict=True)]
        found = np.empty([len(place) for place in places], np.float32)
        for at, example in enumerate(places[0]):
            for spot, head in enumerate(places[1]):
                found[at, spot] = self.factors.weights(example, head, kept[2], kept[3])
        return found[tuple(0 if isinstance(i, (int, np.integer)) else slice(None) for i in key)]


class _Allowed(BackendArray):
    """Which cells are allowed, one rectangle at a time."""

    def __init__(self, rule: Rule, shape: tuple[int, int, int, int]) -> None:
        self.rule = rule
        self.shape = shape if rule.by_head else (shape[0], *shape[2:])
        self.dtype = np.dtype(np.bool_)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        support = indexing.IndexingSupport.BASIC
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

    def _read(self, key: tuple[int | slice, ...]) -> NDArray[np.bool_]:
        kept = tuple(slice(i, i + 1) if isinstance(i, (int, np.integer)) else i for i in key)
        places = [range(*one.indices(size)) for one, size in zip(kept, self.shape, strict=True)]
        found = np.empty([len(place) for place in places], np.bool_)
        for at, example in enumerate(places[0]):
            if self.rule.by_head:
                for spot, head in enumerate(places[1]):
                    found[at, spot] = self.rule.allowed(example, head, kept[2], kept[3])
            else:
                found[at] = self.rule.allowed(example, 0, kept[1], kept[2])
        return found[tuple(0 if isinstance(i, (int, np.integer)) else slice(None) for i in key)]


def _log_sum(scores: NDArray[np.float32], extra: float) -> NDArray[np.float64]:
    """Return each row's log of the sum of exponentials, in double precision."""
    top = np.maximum(scores.max(axis=-1, keepdims=True, initial=-np.inf), extra)
    safe = np.where(np.isneginf(top), 0, top).astype(np.float64)
    total = np.exp(scores - safe).sum(axis=-1) + np.exp(extra - safe[..., 0])
    with np.errstate(divide="ignore"):
        found: NDArray[np.float64] = np.log(total) + safe[..., 0]
    return found
