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
from limelight.factors import Factors
from limelight.store.format.description import Description
from limelight.store.format.layout import ArraySpec
from limelight.store.format.packing import Packed, allowed_cells, pooled_allowed

#: ``allowed`` [example, head or 1, query, key], or the parts of a rule; ``query_valid``,
#: ``key_valid``.
Masks = tuple[np.ndarray[Any, Any], ...]

#: One row's values: an array, or one array for each site, None for one that has none.
Rows = np.ndarray[Any, Any] | Sequence[np.ndarray[Any, Any] | None]


def maps_of(site: xr.Dataset) -> np.ndarray[Any, Any]:
    """Return a site's weights [example, head, query, key], float32."""
    return np.asarray(site["weights"].transpose(*schema.SITE_DIMS).values, np.float32)


def masks_of(site: xr.Dataset, factors: Factors | None) -> Masks:
    """Return what may be attended to, and which queries and keys are valid.

    Parameters
    ----------
    site : Dataset
    factors : Factors, optional
        If the site is stored as vectors.

    Returns
    -------
    tuple of array
        ``allowed`` [example, head or 1, query, key], or a rule's ``first``, ``stop``, ``valid`` and
        perhaps ``cells``; then the valid queries and keys.
    """
    examples, _, queries, keys = (site["weights"].sizes[dim] for dim in schema.SITE_DIMS)
    rule = None if factors is None else factors.rule
    allowed: tuple[np.ndarray[Any, Any], ...] = ()
    if rule is not None:
        allowed = (rule.first, rule.stop, rule.valid)
        allowed += () if rule.cells is None else (rule.cells,)
    elif "allowed" in site:
        given = site["allowed"]
        if schema.HEAD not in given.dims:
            given = given.expand_dims(schema.HEAD)
        allowed = (given.transpose(*schema.SITE_DIMS).values.astype(bool, copy=False),)
    else:
        allowed = (np.ones((examples, 1, queries, keys), bool),)
    valid = []
    for name, dim, size in (("query", schema.QUERY, queries), ("key", schema.KEY, keys)):
        values = np.ones((examples, size), bool)
        if f"{name}_valid" in site:
            values = site[f"{name}_valid"].transpose(schema.EXAMPLE, dim).values.astype(bool)
        valid.append(values)
    return *allowed, *valid


def vector_rows(stored: Sequence[Packed]) -> dict[str, Rows]:
    """Lay out the vectors of a group's sites, and their pictures.

    Parameters
    ----------
    stored : sequence of Packed
        In storage order.

    Returns
    -------
    dict of str to array or list of array
        By role, as :func:`limelight.store.format.layout.group_specs` names them; ``nan`` only if
        there is one.
    """
    rows: dict[str, Rows] = {}
    for suffix, wide in (("", False), ("_wide", True)):
        if any(one.wide == wide for one in stored):
            for name in ("query", "key"):
                rows[name + suffix] = [
                    getattr(one, name) if one.wide == wide else None for one in stored
                ]
    rows["normaliser"] = [one.factors.normaliser.astype(np.float32) for one in stored]
    facts = [(one.factors.scale, one.factors.softcap, one.max_error) for one in stored]
    rows["constants"] = np.array(facts, np.float64)  # None becomes NaN
    none = np.full(stored[0].factors.shape[1], np.nan, np.float32)
    logits = [one.factors.sink_logit for one in stored]
    rows["sink_logits"] = np.stack([none if logit is None else logit for logit in logits]).astype(
        np.float32
    )
    drawn = [one.pictures for one in stored]
    rows["overview"] = np.stack([cells for cells, _, _ in drawn], 1)
    if any(nan.any() for _, nan, _ in drawn):
        rows["nan"] = np.stack([nan for _, nan, _ in drawn], 1)
    if drawn[0][2] is not None:
        rows["pooled"] = np.stack([large for *_, large in drawn if large is not None], 1)
    return rows


def rule_rows(every: Sequence[Factors], specs: Mapping[str, ArraySpec]) -> dict[str, Rows]:
    """Lay out what may be attended to in a group's sites.

    Parameters
    ----------
    every : sequence of Factors
        Of the group's sites, in storage order.
    specs : mapping of str to ArraySpec
        The group's.

    Returns
    -------
    dict of str to array or list of array
    """
    rules = [one.rule for one in every]
    examples, _, queries, keys = every[0].shape
    ends = [np.stack(np.broadcast_arrays(rule.first, rule.stop), 1) for rule in rules]
    for rule, one in zip(rules, ends, strict=True):
        if rule.cells is not None:
            one[:] = -1  # no runs: the cells say it
    rows: dict[str, Rows] = {
        "runs": [np.broadcast_to(one, (examples, 2, queries)).astype("<i4") for one in ends],
        "reachable": [np.broadcast_to(rule.valid, (examples, keys)) for rule in rules],
        "overview_allowed": [  # the array says which cells are barred
            np.broadcast_to(~allowed_cells(one), specs["overview_allowed"].tail[1:])
            for one in every
        ],
    }
    if any(rule.cells is not None for rule in rules):
        rows["allowed"] = [_over(rule.cells, examples) for rule in rules]
    if "pooled_allowed" in specs:
        rows["pooled_allowed"] = [_over(pooled_allowed(one), examples) for one in every]
    return rows


def _over(values: np.ndarray[Any, Any] | None, examples: int) -> np.ndarray[Any, Any] | None:
    """Repeat what examples share; what heads share stays with the first head."""
    return None if values is None else np.broadcast_to(values, (examples, *values.shape[1:]))


def table_of(
    spec: ArraySpec, description: Description, measures: Mapping[str, xr.Dataset]
) -> np.ndarray[Any, Any]:
    """Lay measures out as [site, example, (head,) measure], NaN where there is none.

    Measures that a recording does not have, because an earlier limelight began it, are left out.
    """
    table = np.full(spec.tail, np.nan, "<f4")
    dims = [dim for dim in spec.dims if dim in (schema.EXAMPLE, schema.HEAD)]
    for ordinal, site in enumerate(description.sites):
        for name, values in measures.get(site.name, xr.Dataset()).data_vars.items():
            if name not in description.measures:
                continue
            numbers = values.transpose(*dims).values
            column = table[ordinal, ..., description.measures.index(str(name))]
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


def digest_of(masks: Iterable[Masks], uniform: np.ndarray[Any, Any] | None) -> str:
    """Return what tells these masks from any others."""
    found = hashlib.blake2b(digest_size=8)
    for one in masks:
        for values in one:
            found.update(repr(values.shape).encode() + np.ascontiguousarray(values).tobytes())
    if uniform is not None:
        found.update(uniform.tobytes())
    return found.hexdigest()
