"""Maps of one step, read from a recording.

Room: store. Comes in: an opened recording, a site, a step's line. Goes out: lazy variables, whole
sites, small pictures.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from limelight import schema
from limelight.errors import NotRecordedError
from limelight.store.format import overview as pictures
from limelight.store.format.description import Site
from limelight.store.format.index import Line
from limelight.store.format.layout import REDUCTIONS, strides
from limelight.store.read.lazy import lazy
from limelight.store.read.opening import Opened
from limelight.store.read.pooled import Pooled
from limelight.store.read.vectors import Vectors

#: A picture and where it covers a NaN, if it does.
Picture = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]


def weights(opened: Opened, name: str, line: Line) -> xr.DataArray:
    """Return a site's maps, to be read when they are looked at."""
    site, specs, ordinal = opened.locate(name)
    arrays, form = opened.arrays, opened.description.precision
    coords = {"step": line.step, "site": name}
    if (own := vectors(opened, name, line)) is not None:
        facts = _attrs(site) | {"max_error": own.precision.max_error}
        return xr.DataArray(own.weights(), coords, name="weights", attrs=facts)

    def read(key: tuple[Any, ...]) -> np.ndarray[Any, Any]:
        return form.decode(arrays.read(specs["weights"], line.row, line.step, ordinal, *key))

    variable = lazy(_shape(opened, site), read)
    return xr.DataArray(variable, coords, name="weights", attrs=_attrs(site))


def vectors(opened: Opened, name: str, line: Line) -> Vectors | None:
    """Return where a site's vectors lie; None if its maps are stored whole."""
    site, specs, ordinal = opened.locate(name)
    return None if site.features is None else Vectors(opened.arrays, specs, ordinal, line, name)


def pooled(opened: Opened, name: str, line: Line, example: int, head: int) -> Pooled | None:
    """Return where a large map lies as it was pooled; None if it is not."""
    site, specs, ordinal = opened.locate(name)
    own = strides(site.queries, site.keys)
    if own is None or "pooled" not in specs:
        return None
    at = (ordinal, example, head)
    return Pooled(own, opened.arrays, specs, line, at, name in line.by_head)


def whole_site(opened: Opened, name: str, line: Line) -> xr.Dataset:
    """Return a site's maps and what belongs to them."""
    site, specs, ordinal = opened.locate(name)
    arrays = opened.arrays

    def read(key: tuple[Any, ...]) -> np.ndarray[Any, Any]:
        return arrays.read(specs["allowed"], line.masks, line.step, ordinal, *key)

    own = vectors(opened, name, line)
    allowed = lazy(_shape(opened, site), read, bool)
    if own is None and name not in line.by_head:
        allowed = allowed.isel(head=0)
    variables: dict[str, Any] = {
        "weights": weights(opened, name, line).variable,
        "allowed": allowed if own is None else own.allowed(),
    }
    for dim, valid_ones in zip((schema.QUERY, schema.KEY), valid(opened, name, line), strict=True):
        variables[f"{dim}_valid"] = ((schema.EXAMPLE, dim), valid_ones)
    if own is not None and (sink := own.sink_weights()) is not None:
        variables["sink_weight"] = (schema.SITE_DIMS[:3], sink)
    for token, dim, table in (
        ("query_token", schema.QUERY, site.query_text),
        ("key_token", schema.KEY, site.key_text),
    ):
        if table is not None:
            texts = np.array(opened.description.texts[table], dtype=np.str_)
            variables[token] = ((schema.EXAMPLE, dim), texts)
    return xr.Dataset(variables, {"step": line.step, "site": name}, _attrs(site))


def valid(
    opened: Opened, name: str, line: Line
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return which of a site's queries and keys are valid [example, position]."""
    _, specs, ordinal = opened.locate(name)
    queries, keys = (
        opened.arrays.keep(specs[f"{dim}_valid"], line.masks, line.step, ordinal)
        for dim in (schema.QUERY, schema.KEY)
    )
    return queries, keys


def overview(opened: Opened, line: Line, example: int, reduce: str) -> dict[str, Picture]:
    """Return a small picture of every head of every site, for one example."""
    examples = len(opened.description.examples)
    if not 0 <= example < examples:
        raise NotRecordedError(
            f"Got example {example}.",
            f"Run {opened.run!r} has {examples}, numbered from 0.",
            "Ask for one of these.",
        )
    found: dict[str, Picture] = {}
    part = (REDUCTIONS.index(reduce), slice(None), example)
    for number, group in enumerate(opened.description.groups):
        specs = opened.group(number, group)
        cells = opened.arrays.read(specs["overview"], line.row, line.step, *part)
        nan = None
        if line.nan and opened.arrays.holds(specs["nan"], line.row):
            nan = opened.arrays.read(specs["nan"], line.row, line.step, *part)
        for ordinal, name in enumerate(group.sites):
            broken = None if nan is None or not nan[ordinal].any() else nan[ordinal]
            found[name] = (cells[ordinal], broken)
    return {site.name: found[site.name] for site in opened.description.sites}


def overview_allowed(
    opened: Opened, line: Line, example: int
) -> dict[str, np.ndarray[Any, Any] | None]:
    """Return which cells of each site's small pictures cover anything that may be attended to."""
    found: dict[str, np.ndarray[Any, Any] | None] = {}
    for number, group in enumerate(opened.description.groups):
        specs = opened.group(number, group)
        by_head = any(name in line.by_head for name in group.sites)
        # Where all heads may attend alike, one is read for them all.
        part = (slice(None), example, slice(None) if by_head else slice(0, 1))
        role = "allowed" if group.features is None else "overview_allowed"
        cells = opened.arrays.read(specs[role], line.masks, line.step, *part).astype(bool)
        # Of vectors, the array says which cells are barred.
        cells = pictures.allowed_cells(cells) if group.features is None else ~cells
        for ordinal, name in enumerate(group.sites):
            found[name] = None if cells[ordinal].all() else cells[ordinal]
    return found


def _shape(opened: Opened, site: Site) -> tuple[int, int, int, int]:
    return len(opened.description.examples), site.heads, site.queries, site.keys


def _attrs(site: Site) -> dict[str, Any]:
    """Return what the schema wants a site to say of itself."""
    attrs: dict[str, Any] = {
        "module": site.module,
        "kind": site.kind,
        "module_class": site.module_class,
        "framework": site.framework,
        "dtype": site.dtype,
        "mode": "inference",
        "dropout": "before",
    }
    for name in ("query_layout", "key_layout"):
        if getattr(site, name) is not None:
            attrs[name] = getattr(site, name)
    return attrs
