"""What may be attended to in a step, and its rows, which many steps share.

Room: store. Comes in: the sites of a step. Goes out: a :class:`Pattern`, by whose digest an earlier
step's rows are found again, and rows if there are none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from limelight import schema
from limelight.factors import Factors, factors_of
from limelight.store.format.description import Group
from limelight.store.format.layout import ArraySpec
from limelight.store.write.packing import Pair, allowed_cells, pooled_allowed
from limelight.store.write.rows import Row, streamed
from limelight.store.write.settle import Settled
from limelight.store.write.step import Step
from limelight.store.write.tables import table_of

#: ``allowed`` [example, head or 1, query, key], or the parts of a rule; ``query_valid``,
#: ``key_valid``.
Masks = tuple[np.ndarray[Any, Any], ...]


@dataclass(frozen=True)
class Pattern:
    """What may be attended to.

    Attributes
    ----------
    digest : str
        Tells it from any other.
    by_head : tuple of str
        Sites whose heads may attend differently.
    valid : dict of str to (array, array)
        By site, which queries and which keys are valid [example, position].
    uniform : array [site, example, measure], optional
        What measures give for uniform attention.
    """

    digest: str
    by_head: tuple[str, ...]
    valid: dict[str, Masks]
    uniform: np.ndarray[Any, Any] | None

    @property
    def padded(self) -> tuple[str, ...]:
        """Sites of which perhaps not every row counts."""
        return tuple(
            name for name, (queries, _) in self.valid.items()
            if name in self.by_head or not queries.all()
        )  # fmt: skip


def pattern_of(step: Step, settled: Settled) -> Pattern:
    """Return what may be attended to in a step.

    A site's pattern may be computed only now, as its maps are: one is held at a time, and it is
    computed again if it is written.
    """
    form = {site.name: site for site in settled.description.sites}
    digest = hashlib.blake2b(digest_size=8)
    valid = {}
    for name, site in step.sites.items():
        masks = _masks(site, factors_in(site) if form[name].features is not None else None)
        for values in masks:
            digest.update(repr(values.shape).encode() + np.ascontiguousarray(values).tobytes())
        valid[name] = masks[-2:]
    uniform = None
    if (spec := settled.specs.shared.get("uniform")) is not None:
        uniform = table_of(spec, settled.description, step.uniform)
        digest.update(uniform.tobytes())
    by_head = tuple(
        name
        for name, site in step.sites.items()
        if "allowed" in site and schema.HEAD in site["allowed"].dims
    )
    return Pattern(digest.hexdigest(), by_head, valid, uniform)


def pattern_rows(step: Step, settled: Settled, pattern: Pattern, row: int) -> Iterator[Row]:
    """Lay out what may be attended to."""
    for group, specs in zip(settled.description.groups, settled.specs.groups, strict=True):
        sites = [step.sites[name] for name in group.sites]
        if group.features is not None:
            sides = settled.description.sizes.overview_of(group.queries, group.keys)
            every = [factors_in(site) for site in sites]
            yield from _rule_rows(every, group, specs, row, sides)
        else:
            yield Row("allowed", specs["allowed"], row, _cells(sites, specs["allowed"].tail[1:]))
        for part, role in enumerate(("query_valid", "key_valid")):
            values = np.stack([pattern.valid[name][part] for name in group.sites])
            yield Row(role, specs[role], row, values)
    if pattern.uniform is not None:
        yield Row("uniform", settled.specs.shared["uniform"], row, pattern.uniform)


def factors_in(site: xr.Dataset) -> Factors:
    """Return the vectors of a site that is stored as such."""
    factors = factors_of(site["weights"])
    if factors is None:
        raise TypeError("a site described by vectors came without them")
    return factors


def _masks(site: xr.Dataset, factors: Factors | None) -> Masks:
    """Return what may be attended to, and which queries and keys are valid.

    ``allowed`` [example, head or 1, query, key], or a rule's ``first``, ``stop``, ``valid`` and
    perhaps ``cells``; then the valid queries and keys.
    """
    rule = None if factors is None else factors.rule
    allowed: Masks
    if rule is not None:
        allowed = (rule.first, rule.stop, rule.valid)
        allowed += () if rule.cells is None else (rule.cells,)
    else:
        allowed = (_allowed(site),)
    examples, _, queries, keys = (site["weights"].sizes[dim] for dim in schema.SITE_DIMS)
    valid = []
    for name, dim, size in (("query", schema.QUERY, queries), ("key", schema.KEY, keys)):
        values = np.ones((examples, size), bool)
        if f"{name}_valid" in site:
            values = site[f"{name}_valid"].transpose(schema.EXAMPLE, dim).values.astype(bool)
        valid.append(values)
    return *allowed, *valid


def _allowed(site: xr.Dataset) -> np.ndarray[Any, Any]:
    """Return what may be attended to in a site [example, head or 1, query, key]."""
    if "allowed" not in site:
        examples, _, queries, keys = (site["weights"].sizes[dim] for dim in schema.SITE_DIMS)
        return np.ones((examples, 1, queries, keys), bool)
    allowed = site["allowed"]
    if schema.HEAD not in allowed.dims:
        allowed = allowed.expand_dims(schema.HEAD)
    return np.asarray(allowed.transpose(*schema.SITE_DIMS).values.astype(bool, copy=False))


def _cells(sites: Sequence[xr.Dataset], shape: tuple[int, ...]) -> Iterator[np.ndarray[Any, Any]]:
    """Make what may be attended to in each head, site by site."""
    with ThreadPoolExecutor(1) as pool:
        for allowed in streamed([partial(_allowed, site) for site in sites], pool):
            yield np.broadcast_to(allowed, shape)


def _rule_rows(
    every: Sequence[Factors], group: Group, specs: Mapping[str, ArraySpec], row: int, sides: Pair
) -> Iterator[Row]:
    """Lay out what may be attended to in sites kept as vectors."""
    examples, _, queries, keys = every[0].shape
    ends, cells = [], []
    for factors in every:
        rule = factors.rule
        both = np.stack(np.broadcast_arrays(rule.first, rule.stop), 1)
        if rule.cells is not None:
            both[:] = -1  # no runs: the cells say it
        ends.append(np.broadcast_to(both, (examples, 2, queries)).astype("<i4"))
        cells.append(_over(rule.cells, examples))
    yield Row("runs", specs["runs"], row, ends)
    reachable = [np.broadcast_to(factors.rule.valid, (examples, keys)) for factors in every]
    yield Row("reachable", specs["reachable"], row, reachable)
    spec = specs["overview_allowed"]
    # The array says which cells are barred.
    barred = [~allowed_cells(factors, sides) for factors in every]
    yield Row("overview_allowed", spec, row, [np.broadcast_to(x, spec.tail[1:]) for x in barred])
    if any(part is not None for part in cells):
        yield Row("allowed", specs["allowed"], row, cells)
    if group.strides is not None:
        counts = [_over(pooled_allowed(factors, group.strides), examples) for factors in every]
        yield Row("pooled_allowed", specs["pooled_allowed"], row, counts)


def _over(values: np.ndarray[Any, Any] | None, examples: int) -> np.ndarray[Any, Any] | None:
    """Repeat what examples share; what heads share stays with the first head."""
    return None if values is None else np.broadcast_to(values, (examples, *values.shape[1:]))
