"""One step laid out: the rows it fills, in the order in which they are written.

Room: store. Comes in: a step, the settled recording, the step's line. Goes out: :class:`Row` after
:class:`Row`. What a row holds may be made only while it is written: maps take more than all else of
a run, and few of them are held at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import numpy as np
import xarray as xr

from limelight import schema
from limelight.store.format.description import Group
from limelight.store.format.index import Line
from limelight.store.format.layout import ArraySpec
from limelight.store.format.overview import pictures
from limelight.store.format.precision import Precision
from limelight.store.write.packing import Packed, Pair, packed
from limelight.store.write.patterns import Pattern, factors_in, pattern_rows
from limelight.store.write.rows import Row, streamed
from limelight.store.write.settle import Settled
from limelight.store.write.step import Step
from limelight.store.write.tables import statistics_rows, table_of

#: Bytes of maps in single precision that are made ahead while others are written.
_HELD: Final = 1 << 26

#: A site's cells as bytes [reduction, example, head, row, column], and where one covers a NaN.
Pictures = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def lay_out(step: Step, settled: Settled, line: Line, pattern: Pattern | None) -> Iterator[Row]:
    """Lay a step out.

    Parameters
    ----------
    step : Step
    settled : Settled
        The recording's description and arrays.
    line : Line
        Says which rows are the step's.
    pattern : Pattern, optional
        What may be attended to, if no earlier step's is the same.

    Yields
    ------
    Row
    """
    description, specs = settled.description, settled.specs
    form = description.precision
    if step.sites:
        for group, arrays in zip(description.groups, specs.groups, strict=True):
            sites = [step.sites[name] for name in group.sites]
            sides = description.sizes.overview_of(group.queries, group.keys)
            if group.features is None:
                yield from _map_rows(sites, arrays, line.row, form, sides)
            else:
                yield from _vector_rows(sites, group, arrays, line.row, form, sides)
        if "measures" in specs.shared:
            table = table_of(specs.shared["measures"], description, step.measures)
            yield Row("measures", specs.shared["measures"], line.row, table)
    if pattern is not None:
        yield from pattern_rows(step, settled, pattern, line.masks)
    yield from statistics_rows(step, settled, line.row)
    if step.images is not None and line.images == line.row:
        images = np.asarray(step.images, description.images_dtype)
        yield Row("images", specs.shared["images"], line.row, images)


def _map_rows(
    sites: Sequence[xr.Dataset],
    specs: Mapping[str, ArraySpec],
    row: int,
    form: Precision,
    sides: Pair,
) -> Iterator[Row]:
    """Lay out a group's maps, and their pictures, which are drawn meanwhile."""
    drawn: list[Pictures] = []
    yield Row("weights", specs["weights"], row, _stored(sites, form, sides, drawn))
    yield Row("overview", specs["overview"], row, np.stack([cells for cells, _ in drawn], 1))
    if any(nan.any() for _, nan in drawn):
        yield Row("nan", specs["nan"], row, np.stack([nan for _, nan in drawn], 1))


def _stored(
    sites: Sequence[xr.Dataset], form: Precision, sides: Pair, drawn: list[Pictures]
) -> Iterator[np.ndarray[Any, Any]]:
    """Make each site's maps as they are stored; adds their pictures to ``drawn``."""

    def make(site: xr.Dataset) -> tuple[np.ndarray[Any, Any], Pictures]:
        maps = np.asarray(site["weights"].transpose(*schema.SITE_DIMS).values, np.float32)
        rows = schema.valid_rows(site)
        if rows is not None and not rows.all():
            # A NaN on disk is a diverged model's; what does not count is empty there.
            maps = np.where(np.isnan(maps) & ~rows[..., None], np.float32(0), maps)
        return form.encode(maps), pictures(maps, sides)

    cores = os.cpu_count() or 1
    ahead = max(1, min(cores, _HELD // max(4 * sites[0]["weights"].size, 1)))
    with ThreadPoolExecutor(min(cores, ahead)) as pool:  # NumPy lets others work meanwhile
        for values, picture in streamed([partial(make, site) for site in sites], pool, ahead):
            drawn.append(picture)
            yield values


def _vector_rows(
    sites: Sequence[xr.Dataset],
    group: Group,
    specs: Mapping[str, ArraySpec],
    row: int,
    form: Precision,
    sides: Pair,
) -> Iterator[Row]:
    """Lay out a group's vectors, and their pictures."""
    packs = [packed(factors_in(site), form, sides, group.strides) for site in sites]
    for suffix, wide in (("", False), ("_wide", True)):
        names = tuple(name for name, pack in zip(group.sites, packs, strict=True)
                      if pack.wide == wide)  # fmt: skip
        for name in ("query", "key") if names else ():
            parts = [getattr(pack, name) if pack.wide == wide else None for pack in packs]
            yield Row(name + suffix, specs[name + suffix], row, parts, names)
    logs = [pack.factors.normaliser.astype(np.float32) for pack in packs]
    yield Row("normaliser", specs["normaliser"], row, logs)
    yield Row("constants", specs["constants"], row, _constants(packs))
    heads = packs[0].factors.shape[1]
    none = np.full(heads, np.nan, np.float32)
    logits = [pack.factors.sink_logit for pack in packs]
    values = np.stack([none if logit is None else logit for logit in logits]).astype(np.float32)
    yield Row("sink_logits", specs["sink_logits"], row, values)
    drawn = [pack.pictures for pack in packs]
    yield Row("overview", specs["overview"], row, np.stack([part.cells for part in drawn], 1))
    if any(part.nan.any() for part in drawn):
        yield Row("nan", specs["nan"], row, np.stack([part.nan for part in drawn], 1))
    large = [part.large for part in drawn if part.large is not None]
    if large:
        yield Row("pooled", specs["pooled"], row, np.stack(large, 1))


def _constants(packs: Sequence[Packed]) -> np.ndarray[Any, Any]:
    """Return what is multiplied, capped and erred by [site, constant]; NaN: there is no cap."""
    facts = [(pack.factors.scale, pack.factors.softcap, pack.max_error) for pack in packs]
    return np.array(facts, np.float64)
