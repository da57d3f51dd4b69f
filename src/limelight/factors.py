"""Attention kept as what it is a function of: queries, keys, a scale, a rule, a log normaliser.

Room: lowest. Comes in: the vectors of one site. Goes out: exactly the weights somebody asks for,
computed from them; nobody who reads ``weights`` can tell. T positions cost O(T · feature), not
O(T²). May import NumPy and xarray only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from limelight import renamed, schema
from limelight.rule import Rule

#: Largest number of weights computed at once while walking over whole maps: few enough to stay in
#: a core's cache.
BLOCK: Final = 1 << 18


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
    sink_logit : array [head], optional
        One more score per head that takes a share of each row and belongs to no key.
    """

    query: NDArray[np.float32]
    key: NDArray[np.float32]
    rule: Rule
    scale: float
    softcap: float | None = None
    sink_logit: NDArray[np.float32] | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Sizes of example, head, query and key."""
        examples, heads, queries, _ = self.query.shape
        return examples, heads, queries, int(self.key.shape[2])

    @property
    def nbytes(self) -> int:
        """Bytes the vectors and the normaliser take."""
        return int(self.query.nbytes + self.key.nbytes + 8 * math.prod(self.shape[:3]))

    @cached_property
    def normaliser(self) -> NDArray[np.float64]:
        """Log of the sum of ``exp(score)`` over the allowed keys and the sink logit, in nats.

        float64 [example, head, query]; ``-inf`` where nothing is allowed. Computed when it is
        first asked for, unless :meth:`keep` gave it.
        """
        logs = np.empty(self.shape[:3])
        every = slice(None)
        for example, heads, queries in blocks(self.shape):
            scores = self.scores(example, heads, queries, every)
            _forbid(scores, self.rule.allowed(example, heads, queries, every), -np.inf)
            extra = (
                None if self.sink_logit is None else self.sink_logit[heads, None].astype(np.float64)
            )
            logs[example, heads, queries] = _log_sum(scores, extra)
        return logs

    @property
    def kept(self) -> NDArray[np.float64] | None:
        """The log normaliser if it is known already, without computing it."""
        return self.__dict__.get("normaliser")

    def keep(self, normaliser: NDArray[np.float64]) -> None:
        """Take a normaliser that another pass found on its way.

        Parameters
        ----------
        normaliser : array [example, head, query]
            float64, in nats, of these very factors.
        """
        self.__dict__["normaliser"] = normaliser

    def scores(
        self, example: int, head: int | slice, queries: slice, keys: slice
    ) -> NDArray[np.float32]:
        """Return scores before the softmax, whatever is allowed.

        Parameters
        ----------
        example : int
        head : int or slice
        queries, keys : slice

        Returns
        -------
        array [query, key], or [head, query, key] for a slice of heads
            float32.
        """
        group = self.query.shape[1] // self.key.shape[1]
        key_head: Any = head
        if group > 1:
            key_head = np.arange(self.query.shape[1])[head] // group
        vectors = self.query[example, head, queries] * np.float32(self.scale)
        scores: NDArray[np.float32] = vectors @ self.key[example, key_head][..., keys, :].swapaxes(
            -1, -2
        )
        if self.softcap is not None:
            scores /= np.float32(self.softcap)
            np.tanh(scores, out=scores)
            scores *= np.float32(self.softcap)
        return scores

    def weights(
        self, example: int, head: int | slice, queries: slice, keys: slice
    ) -> NDArray[np.float32]:
        """Return the weights of a part of one map, or of several heads.

        Parameters
        ----------
        example : int
        head : int or slice
        queries, keys : slice

        Returns
        -------
        array [query, key], or [head, query, key] for a slice of heads
            float32, exactly 0 where not allowed.
        """
        log = self.normaliser[example, head, queries, None]
        log = np.where(np.isneginf(log), 0, log)
        # At a score of 30 a normaliser in single precision loses 2e-6 of the weight; what rounding
        # cuts off it is put back as a factor, and all else may be single.
        single = log.astype(np.float32)
        weights = self.scores(example, head, queries, keys)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not allowed may be huge
            weights -= single
            np.exp(weights, out=weights)
            weights *= np.exp(single - log).astype(np.float32)
        _forbid(weights, self.rule.allowed(example, head, queries, keys), 0)
        return weights

    def dense(self) -> NDArray[np.float32]:
        """Return all weights.

        Returns
        -------
        array [example, head, query, key]
            float32.
        """
        weights = np.empty(self.shape, np.float32)
        for example, heads, queries in blocks(self.shape):
            weights[example, heads, queries] = self.weights(example, heads, queries, slice(None))
        return weights

    def sink_weights(self) -> NDArray[np.float32] | None:
        """Return each query's share for no key [example, head, query]; None without the logit."""
        if self.sink_logit is None:
            return None
        share = np.exp(self.sink_logit[None, :, None].astype(np.float64) - self.normaliser)
        return np.where(np.isneginf(self.normaliser), 0, share).astype(np.float32)


@renamed.arguments(sink="sink_logit")
def factored(
    query: NDArray[np.float32],
    key: NDArray[np.float32],
    rule: Rule,
    scale: float,
    *,
    softcap: float | None = None,
    sink_logit: NDArray[np.float32] | None = None,
) -> Factors:
    """Build factors of any floating vectors.

    Parameters
    ----------
    query : array [example, head, query, feature]
    key : array [example, key head, key, feature]
    rule : Rule
    scale : float
    softcap : float, optional
    sink_logit : array [head], optional

    Returns
    -------
    Factors

    Examples
    --------
    >>> q = k = np.eye(2, dtype=np.float32)[None, None]
    >>> found = factored(q, k, Rule.everything(2, 2), 1.0)
    >>> found.dense()[0, 0].astype(float).round(3).tolist()
    [[0.731, 0.269], [0.269, 0.731]]
    """
    query = np.ascontiguousarray(query, np.float32)
    key = np.ascontiguousarray(key, np.float32)
    return Factors(query, key, rule, float(scale), softcap, sink_logit)


def blocks(
    shape: tuple[int, int, int, int], most: int = BLOCK
) -> Iterator[tuple[int, slice, slice]]:
    """Walk over maps in blocks of whole rows.

    Parameters
    ----------
    shape : tuple of int
        Sizes of example, head, query and key.
    most : int
        Weights of a block.

    Yields
    ------
    tuple
        Example, a slice of heads, a slice of queries: several heads where they are small, a part of
        one where it is large. At most so many weights, or one row.
    """
    examples, heads, queries, keys = shape
    rows = max(1, min(queries, most // max(keys, 1)))
    several = max(1, most // max(queries * keys, 1)) if rows == queries else 1
    for example in range(examples):
        for head in range(0, heads, several):
            for start in range(0, queries, rows):
                yield (
                    example,
                    slice(head, min(head + several, heads)),
                    slice(start, min(start + rows, queries)),
                )


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
    # A recording's own arrays have them too, and read them now.
    factors: Factors | None = getattr(array, "factors", None) if whole else None
    return factors


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
        index = tuple(slice(i, i + 1) if isinstance(i, (int, np.integer)) else i for i in key)
        ranges = [range(*part.indices(size)) for part, size in zip(index, self.shape, strict=True)]
        weights = np.empty([len(part) for part in ranges], np.float32)
        # All heads at once where that is little: a call for each costs more than small maps do.
        little = math.prod(map(len, ranges[1:])) <= BLOCK
        for at, example in enumerate(ranges[0]):
            if little:
                weights[at] = self.factors.weights(example, index[1], index[2], index[3])
                continue
            for ordinal, head in enumerate(ranges[1]):
                weights[at, ordinal] = self.factors.weights(example, head, index[2], index[3])
        return weights[tuple(0 if isinstance(i, (int, np.integer)) else slice(None) for i in key)]


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
        index = tuple(slice(i, i + 1) if isinstance(i, (int, np.integer)) else i for i in key)
        ranges = [range(*part.indices(size)) for part, size in zip(index, self.shape, strict=True)]
        cells = np.empty([len(part) for part in ranges], np.bool_)
        for at, example in enumerate(ranges[0]):
            if self.rule.by_head:
                for ordinal, head in enumerate(ranges[1]):
                    cells[at, ordinal] = self.rule.allowed(example, head, index[2], index[3])
            else:
                cells[at] = self.rule.allowed(example, 0, index[1], index[2])
        return cells[tuple(0 if isinstance(i, (int, np.integer)) else slice(None) for i in key)]


def _forbid(values: NDArray[np.float32], allowed: NDArray[np.bool_], instead: float) -> None:
    """Put something where nothing is allowed, in place, for all heads alike or each its own."""
    if not allowed.all():
        np.copyto(values, np.float32(instead), where=~allowed)


def _log_sum(scores: NDArray[np.float32], extra: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return each row's log of the sum of exponentials, in double precision; spoils ``scores``."""
    top = scores.max(axis=-1, initial=-np.inf)
    safe = np.where(np.isneginf(top), 0, top)
    with np.errstate(divide="ignore", invalid="ignore"):
        scores -= safe[..., None]
        total = np.exp(scores, out=scores).sum(axis=-1, dtype=np.float64)
        logs: NDArray[np.float64] = np.log(total) + safe
    return logs if extra is None else np.logaddexp(logs, extra)
