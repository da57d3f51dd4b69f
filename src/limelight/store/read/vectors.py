"""Maps that are computed from stored vectors when they are looked at.

Room: store. Comes in: where one site's vectors of one step lie. Goes out: the factors of a part of
them, read from disk as far as that part needs; and arrays that xarray indexes first and computes
afterwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from limelight import schema
from limelight.factors import Factors, blocks
from limelight.rule import Rule
from limelight.store.format.index import Line
from limelight.store.format.layout import ArraySpec
from limelight.store.format.precision import Precision
from limelight.store.read.lazy import lazy
from limelight.store.zarr.arrays import Arrays

#: Which of a dim is meant: a slice, or numbers.
Part = slice | NDArray[np.intp]

_ALL = slice(None)

#: Arrays by head, and bytes of one head that are worth keeping.
_BY_HEAD = ("query", "key", "query_wide", "key_wide", "normaliser", "allowed")
_MOST_KEPT = 1 << 23


@dataclass(frozen=True)
class Vectors:
    """One site's vectors at one step, on disk.

    Attributes
    ----------
    arrays : Arrays
    specs : dict of str to ArraySpec
        Of the site's group.
    ordinal : int
        The site's number in its group.
    line : Line
    name : str
        The site's.
    constants : tuple of str
        What else is stored of it, in storage order.
    """

    arrays: Arrays
    specs: dict[str, ArraySpec]
    ordinal: int
    line: Line
    name: str
    constants: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Sizes of example, head, query and key."""
        _, examples, heads, queries, _ = self.specs["query"].tail
        return examples, heads, queries, self.specs["key"].tail[3]

    @property
    def by_head(self) -> bool:
        """Whether heads may attend differently."""
        return self.name in self.line.by_head

    @property
    def precision(self) -> Precision:
        """How the vectors are stored, and the largest error of a weight that makes."""
        dtype = "float32" if self._wide else "float16"
        error = self._constant("max_error")
        return Precision(f"{dtype} vectors", error, dtype, "NaN")

    def factors(
        self, examples: Part = _ALL, heads: Part = _ALL, queries: Part = _ALL, keys: Part = _ALL
    ) -> Factors:
        """Read what the weights of some heads are computed from.

        Parameters
        ----------
        examples, heads, queries, keys : slice or array of int
            Which of them.

        Returns
        -------
        Factors
            With the normaliser of the whole rows, and as many heads of keys as of queries.

        Raises
        ------
        StoreError
            If a file is damaged.
        """
        suffix = "_wide" if self._wide else ""
        count, key_heads = self.shape[1], self.specs["key"].tail[2]
        chosen = np.arange(count)[heads]
        serving = chosen // (count // key_heads)
        low, high = int(serving.min()), int(serving.max()) + 1
        key = self._read(f"key{suffix}", examples, slice(low, high), keys)
        if len(chosen) < count:
            key = key[:, serving - low]
        scale, softcap = self._constant("scale"), self._constant("softcap")
        sink_logit = self._read("sink_logits")[heads]
        made = Factors(
            self._read(f"query{suffix}", examples, heads, queries).astype(np.float32),
            key.astype(np.float32), self.rule(examples, heads, queries, keys), scale,
            None if math.isnan(softcap) else softcap,
            None if np.isnan(sink_logit).any() else sink_logit,
        )  # fmt: skip
        made.keep(self._read("normaliser", examples, heads, queries).astype(np.float64))
        return made

    def rule(
        self, examples: Part = _ALL, heads: Part = _ALL, queries: Part = _ALL, keys: Part = _ALL
    ) -> Rule:
        """Read what may be attended to by some queries among some keys.

        Parameters
        ----------
        examples, heads, queries, keys : slice or array of int
            Which of them.

        Returns
        -------
        Rule

        Raises
        ------
        StoreError
            If a file is damaged.
        """
        ends = self._read("runs", examples, _ALL, queries)
        valid = self._read("reachable", examples, keys)
        position = np.arange(self.shape[3])[keys]
        cells = None
        if (ends < 0).any():
            several = heads if self.by_head else slice(0, 1)
            cells = self._read("allowed", examples, several, queries, keys)
        elif len(position) and position[-1] - position[0] != len(position) - 1:
            first, stop = ends[:, :1].swapaxes(1, 2), ends[:, 1:].swapaxes(1, 2)
            cells = ((position >= first) & (position < stop) & valid[:, None])[:, None]
        low = int(position[0]) if len(position) else 0
        ends = np.clip(ends.astype(np.int64) - low, 0, len(position)).astype(np.int32)
        return Rule(ends[:, 0], ends[:, 1], valid, cells)

    def sink_weights(self) -> NDArray[np.float32] | None:
        """Return what each query gives to no key [example, head, query]; None without the logit."""
        logits = self._read("sink_logits")
        if np.isnan(logits).any():
            return None
        log = self._read("normaliser").astype(np.float64)
        share = np.exp(logits[None, :, None] - log)
        return np.where(np.isneginf(log), 0, share).astype(np.float32)

    def weights(self) -> xr.Variable:
        """Return a variable [example, head, query, key] that computes what is asked of it."""
        return xr.Variable(schema.SITE_DIMS, indexing.LazilyIndexedArray(_Weights(self)))

    def allowed(self) -> xr.Variable:
        """Return a variable of what may be attended to, with ``head`` where heads differ."""

        def read(key: tuple[Any, ...]) -> NDArray[Any]:
            parts = [_several(index) for index in key]
            rule = self.rule(*parts)
            sizes = [len(range(n)[p]) if isinstance(p, slice) else len(p)
                     for p, n in zip(parts, self.shape, strict=True)]  # fmt: skip
            cells = np.empty(sizes, np.bool_)
            for example in range(sizes[0]):
                for head in range(sizes[1]):
                    cells[example, head] = rule.allowed(example, head, _ALL, _ALL)
            return np.asarray(cells[_squeezed(key)])

        variable = lazy(self.shape, read, bool)
        return variable if self.by_head else variable.isel(head=0)

    def _constant(self, name: str) -> float:
        return float(self._read("constants")[self.constants.index(name)])

    @property
    def _wide(self) -> bool:
        return self.name in self.line.wide

    def _read(self, role: str, *at: Any) -> NDArray[Any]:
        """Read part of an array; of one head, all of it, which is kept for the next question."""
        spec = self.specs[role]
        row = self.line.masks if role in ("runs", "reachable", "allowed") else self.line.row
        singles, rest = _singles(at, spec.tail[1:])
        size = np.dtype(spec.dtype).itemsize * math.prod(spec.tail[1 + len(singles) :])
        if size > _MOST_KEPT or (len(singles) < 2 and role in _BY_HEAD):
            return self.arrays.read(spec, row, self.line.step, self.ordinal, *at)
        values = self.arrays.keep(spec, row, self.line.step, self.ordinal, *singles)
        values = values[(np.newaxis,) * len(singles)]
        for axis, part in enumerate(rest, len(singles)):
            values = values[(_ALL,) * axis + (part,)]
        return values


def _singles(at: tuple[Any, ...], sizes: tuple[int, ...]) -> tuple[list[int], tuple[Any, ...]]:
    """Split an index into the single positions it begins with, and the rest."""
    singles: list[int] = []
    for part, size in zip(at, sizes, strict=False):
        several = range(size)[part] if isinstance(part, slice) else part
        if len(several) != 1:
            break
        singles.append(int(several[0]))
    return singles[:2], at[len(singles[:2]) :]


class _Weights(BackendArray):
    """Weights, computed one head at a time."""

    def __init__(self, vectors: Vectors) -> None:
        self.vectors = vectors
        self.shape = vectors.shape
        self.dtype = np.dtype(np.float32)

    @property
    def factors(self) -> Factors:
        """All vectors, read from disk."""
        return self.vectors.factors()

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        support = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[np.float32]:
        factors = self.vectors.factors(*[_several(index) for index in key])
        values = np.empty(factors.shape, np.float32)
        for example, heads, queries in blocks(factors.shape):
            values[example, heads, queries] = factors.weights(example, heads, queries, _ALL)
        return np.asarray(values[_squeezed(key)])


def _several(index: Any) -> Part:
    """Keep a dim of which one position is meant."""
    return slice(int(index), int(index) + 1) if isinstance(index, int | np.integer) else index


def _squeezed(key: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(0 if isinstance(index, int | np.integer) else _ALL for index in key)
