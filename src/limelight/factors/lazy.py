"""Weights, and what is allowed, as xarray variables that are computed when they are looked at.

Room: factors. Comes in: :class:`~limelight.factors.vectors.Factors`, or a rule. Goes out: lazy
variables; and, of whole ones, the factors again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from limelight import schema
from limelight.factors.vectors import BLOCK, Factors
from limelight.rule import Rule


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


def without_padding(weights: xr.Variable, rows: Callable[[], NDArray[np.bool_]]) -> xr.Variable:
    """Return weights whose rows that do not count are NaN.

    Parameters
    ----------
    weights : Variable [example, head, query, key]
        In memory or not.
    rows : callable
        Returns which rows count [example, head or 1, query]; asked when values are looked at.

    Returns
    -------
    Variable
        In memory if ``weights`` are.
    """
    if not weights._in_memory:  # xarray keeps no public door to it
        lazily = indexing.LazilyIndexedArray(_Rows(weights, rows))
        return xr.Variable(weights.dims, lazily, weights.attrs)
    counting = rows()
    if counting.all():
        return weights
    values = np.where(counting[..., None], weights.values, np.float32(np.nan))
    return xr.Variable(weights.dims, values, weights.attrs)


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


class _Rows(BackendArray):
    """Weights that are computed or read, NaN in rows that do not count."""

    def __init__(self, weights: xr.Variable, rows: Callable[[], NDArray[np.bool_]]) -> None:
        self.weights = weights
        self.shape = weights.shape
        self.dtype = np.dtype(np.float32)
        self._rows = cache(rows)

    @property
    def factors(self) -> Factors | None:
        """What the weights are computed from."""
        return getattr(getattr(self.weights._data, "array", None), "factors", None)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        support = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[np.float32]:
        values = np.asarray(self.weights[key].values, np.float32)
        counting = np.broadcast_to(self._rows(), self.shape[:3])
        for axis, part in reversed(list(enumerate(key[:3]))):
            counting = counting[(slice(None),) * axis + (part,)]
        if counting.all():
            return values
        by_key = not isinstance(key[3], int | np.integer)
        return np.where(counting[..., None] if by_key else counting, values, np.float32(np.nan))


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
