"""What of a step is laid into rows: plain arrays in storage order.

Room: store. Comes in: datasets of sites and measures. Goes out: NumPy arrays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import Any

import numpy as np
import xarray as xr

from limelight import schema
from limelight.store.description import Description
from limelight.store.layout import ArraySpec

#: ``allowed`` [example, head or 1, query, key], ``query_valid``, ``key_valid``.
Masks = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]


def maps_of(site: xr.Dataset) -> np.ndarray[Any, Any]:
    """Return a site's weights [example, head, query, key], float32."""
    return np.asarray(site["weights"].transpose(*schema.SITE_DIMS).values, np.float32)


def masks_of(site: xr.Dataset) -> Masks:
    """Return ``allowed`` [example, head or 1, query, key] and which queries and keys are valid."""
    examples, _, queries, keys = (site["weights"].sizes[dim] for dim in schema.SITE_DIMS)
    allowed = np.ones((examples, 1, queries, keys), bool)
    if "allowed" in site:
        given = site["allowed"]
        if schema.HEAD not in given.dims:
            given = given.expand_dims(schema.HEAD)
        allowed = given.transpose(*schema.SITE_DIMS).values.astype(bool, copy=False)
    valid = []
    for name, dim, size in (("query", schema.QUERY, queries), ("key", schema.KEY, keys)):
        values = np.ones((examples, size), bool)
        if f"{name}_valid" in site:
            values = site[f"{name}_valid"].transpose(schema.EXAMPLE, dim).values.astype(bool)
        valid.append(values)
    return allowed, valid[0], valid[1]


def table_of(
    spec: ArraySpec, description: Description, measures: Mapping[str, xr.Dataset]
) -> np.ndarray[Any, Any]:
    """Lay measures out as [site, example, (head,) measure], NaN where there is none."""
    table = np.full(spec.tail, np.nan, "<f4")
    dims = [dim for dim in spec.dims if dim in (schema.EXAMPLE, schema.HEAD)]
    for place, site in enumerate(description.sites):
        for name, values in measures.get(site.name, xr.Dataset()).data_vars.items():
            numbers = values.transpose(*dims).values
            column = table[place, ..., description.measures.index(str(name))]
            column[tuple(map(slice, numbers.shape))] = numbers
    return table


class OneByOne(Sequence[np.ndarray[Any, Any]]):
    """Arrays that are made when they are asked for, in order, and the next ones meanwhile.

    Parameters
    ----------
    makers : sequence of callable
        Each makes one array.
    pool : Executor
        Where the next ones are made.
    ahead : int
        How many arrays are held beside the one that was asked for.
    """

    def __init__(
        self, makers: Sequence[Callable[[], np.ndarray[Any, Any]]], pool: Executor, ahead: int = 1
    ) -> None:
        self._makers = makers
        self._pool = pool
        self._ahead = ahead
        self._made: dict[int, Future[np.ndarray[Any, Any]]] = {}

    def __len__(self) -> int:
        return len(self._makers)

    def __getitem__(self, place: Any) -> Any:
        wanted = range(place, min(place + 1 + self._ahead, len(self._makers)))
        if place not in wanted:
            raise IndexError(place)
        for old in set(self._made) - set(wanted):
            del self._made[old]
        for one in wanted:
            if one not in self._made:
                self._made[one] = self._pool.submit(self._makers[one])
        return self._made[place].result()


def digest_of(masks: Iterable[Masks], nulls: np.ndarray[Any, Any] | None) -> str:
    """Return what tells these masks from any others."""
    found = hashlib.blake2b(digest_size=8)
    for one in masks:
        for values in one:
            found.update(repr(values.shape).encode() + np.ascontiguousarray(values).tobytes())
    if nulls is not None:
        found.update(nulls.tobytes())
    return found.hexdigest()
