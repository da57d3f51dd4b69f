"""Maps of one step, read from a recording.

Room: store. Comes in: an opened recording, a site, a step's line. Goes out: lazy variables, whole
sites, small pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from limelight import schema
from limelight.errors import NotRecordedError
from limelight.factors import without_padding
from limelight.store.format import overview as pictures
from limelight.store.format.description import NOTES, ONE_LAYOUT, Site
from limelight.store.format.index import Line
from limelight.store.read.lazy import lazy
from limelight.store.read.opening import Located, Opened
from limelight.store.read.pooled import Pooled
from limelight.store.read.vectors import Vectors

#: A picture and where it covers a NaN, if it does.
Picture = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]


def weights(opened: Opened, at: Located, line: Line) -> xr.DataArray:
    """Return a site's maps, to be read when they are looked at; NaN in rows that do not count."""
    return _counting(_site(opened, at, line, _lazy_valid), at, line)["weights"]


def site(opened: Opened, at: Located, line: Line) -> xr.Dataset:
    """Return a site as :mod:`limelight.schema` describes it."""
    return _counting(whole_site(opened, at, line), at, line)


def _counting(whole: xr.Dataset, at: Located, line: Line) -> xr.Dataset:
    """Make rows that do not count NaN, and what says so coordinates."""
    counting = whole["weights"].variable
    if line.padded is None or at.site.name in line.padded:
        counting = without_padding(counting, lambda: np.asarray(schema.valid_rows(whole)))
    marks = [name for name in schema.POSITIONS if name in whole]
    return whole.assign(weights=counting).set_coords(marks)


def _weights(opened: Opened, at: Located, line: Line) -> xr.DataArray:
    """Return a site's maps as they are on disk."""
    attrs = _attrs(at.site)
    if (stored := vectors(opened, at, line)) is None:
        variable = _whole_weights(opened, at, line)
    else:
        variable = stored.weights()
        attrs |= {"max_error": stored.precision.max_error}
    coords = {"step": line.step, "site": at.site.name}
    return xr.DataArray(variable, coords, name="weights", attrs=attrs)


def vectors(opened: Opened, at: Located, line: Line) -> Vectors | None:
    """Return where a site's vectors lie; None if its maps are stored whole."""
    if at.site.features is None:
        return None
    constants = at.description.sizes.constants
    return Vectors(opened.arrays, at.specs, at.ordinal, line, at.site.name, constants)


def pooled(opened: Opened, at: Located, line: Line, example: int, head: int) -> Pooled | None:
    """Return where a large map lies as it was pooled; None if it is not."""
    if at.site.strides is None:
        return None
    reductions = at.description.sizes.reductions
    by_head = at.site.name in line.by_head
    indices = (at.ordinal, example, head)
    return Pooled(at.site.strides, opened.arrays, at.specs, line, indices, by_head, reductions)


def whole_site(opened: Opened, at: Located, line: Line) -> xr.Dataset:
    """Return a site's maps as they are on disk, and what belongs to them."""
    return _site(opened, at, line, _read_valid)


def _site(opened: Opened, at: Located, line: Line, valid: Callable[..., Any]) -> xr.Dataset:
    site, stored = at.site, vectors(opened, at, line)
    variables: dict[str, Any] = {
        "weights": _weights(opened, at, line).variable,
        "allowed": _whole_allowed(opened, at, line) if stored is None else stored.allowed(),
    }
    for dim in (schema.QUERY, schema.KEY):
        variables[f"{dim}_valid"] = valid(opened, at, line, dim)
    if stored is not None and (share := stored.sink_weights()) is not None:
        variables["sink_weight"] = (schema.SITE_DIMS[:3], share)
    for token, dim, table in (
        ("query_token", schema.QUERY, site.query_text),
        ("key_token", schema.KEY, site.key_text),
    ):
        if table is not None:
            texts = np.array(at.description.texts[table], dtype=np.str_)
            variables[token] = ((schema.EXAMPLE, dim), texts)
    return xr.Dataset(variables, {"step": line.step, "site": site.name}, _attrs(site))


def valid(
    opened: Opened, at: Located, line: Line
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return which of a site's queries and keys are valid [example, position]."""
    queries, keys = (_valid(opened, at, line, dim) for dim in (schema.QUERY, schema.KEY))
    return queries, keys


def _valid(opened: Opened, at: Located, line: Line, dim: str) -> np.ndarray[Any, Any]:
    return opened.arrays.keep(at.specs[f"{dim}_valid"], line.masks, line.step, at.ordinal)


def _read_valid(opened: Opened, at: Located, line: Line, dim: str) -> xr.Variable:
    return xr.Variable((schema.EXAMPLE, dim), _valid(opened, at, line, dim))


def _lazy_valid(opened: Opened, at: Located, line: Line, dim: str) -> xr.Variable:
    """Return a variable [example, position] of what is valid, to be read when it is looked at."""

    def read(key: tuple[Any, ...]) -> np.ndarray[Any, Any]:
        flags = _valid(opened, at, line, dim)
        for axis, part in reversed(list(enumerate(key))):
            flags = flags[(slice(None),) * axis + (part,)]
        return flags

    spec = at.specs[f"{dim}_valid"]
    return lazy(spec.tail[1:], read, bool, (schema.EXAMPLE, dim))


def images(opened: Opened) -> np.ndarray[Any, Any] | None:
    """Return the newest pictures of the probe's examples, if there are any."""
    for line in reversed(opened.published.lines):
        layout = opened.layout(line)
        spec = layout.specs.shared.get("images")
        if spec is not None and (line.images >= 0 or layout.version <= ONE_LAYOUT):
            return opened.arrays.keep(spec, max(line.images, 0), None)
    return None


def overview(opened: Opened, line: Line, example: int, reduce: str) -> dict[str, Picture]:
    """Return a small picture of every head of every site, for one example."""
    layout = opened.layout(line)
    examples = len(layout.description.examples)
    if not 0 <= example < examples:
        raise NotRecordedError(
            f"Got example {example}.",
            f"Run {opened.run!r} has {examples}, numbered from 0.",
            "Ask for one of these.",
        )
    reductions = layout.description.sizes.reductions
    if reduce not in reductions:
        raise NotRecordedError(
            f"Got {reduce=!r}.",
            f"Run {opened.run!r} has overviews by {', '.join(reductions)}.",
            "Ask for one of these.",
        )
    drawn: dict[str, Picture] = {}
    part = (reductions.index(reduce), slice(None), example)
    for group, specs in zip(layout.description.groups, layout.specs.groups, strict=True):
        cells = opened.arrays.read(specs["overview"], line.row, line.step, *part)
        nan = None
        if line.nan and opened.arrays.holds(specs["nan"], line.row):
            nan = opened.arrays.read(specs["nan"], line.row, line.step, *part)
        for ordinal, name in enumerate(group.sites):
            broken = None if nan is None or not nan[ordinal].any() else nan[ordinal]
            drawn[name] = (cells[ordinal], broken)
    return {site.name: drawn[site.name] for site in layout.description.sites}


def overview_allowed(
    opened: Opened, line: Line, example: int
) -> dict[str, np.ndarray[Any, Any] | None]:
    """Return which cells of each site's small pictures cover anything that may be attended to."""
    covered: dict[str, np.ndarray[Any, Any] | None] = {}
    layout = opened.layout(line)
    sizes = layout.description.sizes
    for group, specs in zip(layout.description.groups, layout.specs.groups, strict=True):
        by_head = any(name in line.by_head for name in group.sites)
        # Where all heads may attend alike, one is read for them all.
        part = (slice(None), example, slice(None) if by_head else slice(0, 1))
        role = "allowed" if group.features is None else "overview_allowed"
        cells = opened.arrays.read(specs[role], line.masks, line.step, *part).astype(bool)
        if group.features is None:
            cells = pictures.allowed_cells(cells, sizes.overview_of(group.queries, group.keys))
        else:
            cells = ~cells  # the array says which cells are barred
        for ordinal, name in enumerate(group.sites):
            covered[name] = None if cells[ordinal].all() else cells[ordinal]
    return covered


def _whole_weights(opened: Opened, at: Located, line: Line) -> xr.Variable:
    """Return a variable of maps that are stored whole."""
    form, spec = at.description.precision, at.specs["weights"]

    def read(key: tuple[Any, ...]) -> np.ndarray[Any, Any]:
        return form.decode(opened.arrays.read(spec, line.row, line.step, at.ordinal, *key))

    return lazy(spec.tail[1:], read)


def _whole_allowed(opened: Opened, at: Located, line: Line) -> xr.Variable:
    """Return a variable of what may be attended to, with ``head`` where heads differ."""
    spec = at.specs["allowed"]

    def read(key: tuple[Any, ...]) -> np.ndarray[Any, Any]:
        return opened.arrays.read(spec, line.masks, line.step, at.ordinal, *key)

    allowed = lazy(spec.tail[1:], read, bool)
    return allowed if at.site.name in line.by_head else allowed.isel(head=0)


def _attrs(site: Site) -> dict[str, Any]:
    """Return what the schema wants a site to say of itself."""
    attrs: dict[str, Any] = {
        "module": site.module,
        "kind": site.kind,
        "module_class": site.module_class,
        "framework": site.framework,
        "dtype": site.dtype,
        "passed": "inference",
        "dropout": "before",
    }
    for name in ("query_layout", "key_layout"):
        if getattr(site, name) is not None:
            attrs[name] = getattr(site, name)
    return attrs | {name: note for name in NOTES if (note := getattr(site, name))}
