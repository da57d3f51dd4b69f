"""Numbers over steps, read from a recording: measures of maps, the model's own parameters.

Room: store. Comes in: an opened recording and lines of its index. Goes out: labelled datasets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from limelight.catalogue import analyses
from limelight.errors import NotRecordedError
from limelight.measure import UNIFORM, counts_rows
from limelight.store.format.index import PARAMETER, Line
from limelight.store.format.layout import counts_of, statistics_of
from limelight.store.read.opening import Opened, absent


def measures(opened: Opened, lines: Sequence[Line]) -> xr.Dataset:
    """Return recorded measures [step, site, example, head] and those of uniform attention."""
    variables: dict[str, Any] = {}
    cards = analyses()
    names = _every(layout.description.measures for layout in opened.shown)
    for role, suffix in (("measures", ""), ("uniform", UNIFORM)):
        specs = [spec for layout in opened.shown if (spec := layout.specs.shared.get(role))]
        if not specs:
            continue
        dims = specs[0].dims[1:-1]
        table = _measured(opened, lines, role, names)
        for number, name in enumerate(names):
            if role == "uniform" and counts_rows(name):
                continue
            card = cards.get(name)
            # `bounds` would name a variable, by the conventions of netCDF files.
            least, most = card.bounds if card else (0.0, 0.0)
            attrs = {"units": card.units, "least": least, "most": most} if card else {}
            variables[name + suffix] = (("step", *dims), table[..., number], attrs)
    return xr.Dataset(variables, {**_coords(lines), "site": list(opened.sites)})


def _measured(
    opened: Opened, lines: Sequence[Line], role: str, names: Sequence[str]
) -> np.ndarray[Any, Any]:
    """Read a table of measures [step, site, example, (head,) measure]; NaN where there is none."""
    sites = {name: ordinal for ordinal, name in enumerate(opened.sites)}
    specs = [spec for layout in opened.shown if (spec := layout.specs.shared.get(role))]
    middle = np.max([spec.tail[1:-1] for spec in specs], axis=0)
    table = np.full((len(lines), len(sites), *middle, len(names)), np.nan, np.float32)
    seen: dict[tuple[int, int], np.ndarray[Any, Any]] = {}  # many steps share what is uniform
    for ordinal, line in enumerate(lines):
        layout = opened.layout(line)
        spec = layout.specs.shared.get(role)
        if not line.attention or spec is None:
            continue
        row = line.masks if role == "uniform" else line.row
        if (line.layout, row) not in seen:
            seen[line.layout, row] = opened.arrays.read(spec, row, line.step)
        values = seen[line.layout, row]
        if values.shape == table.shape[1:] and layout is opened.shown[0]:
            table[ordinal] = values
            continue
        description = layout.description
        where = [[sites[site.name] for site in description.sites], *map(range, spec.tail[1:-1]),
                 [names.index(name) for name in description.measures]]  # fmt: skip
        table[ordinal][np.ix_(*map(list, where))] = values
    return table


def parameters(
    opened: Opened, names: Sequence[str], lines: Sequence[Line], kind: str = PARAMETER
) -> xr.Dataset:
    """Return histograms and statistics [step, parameter] of the model's own parameters."""
    known = opened.members(kind)
    for name in names:
        if name not in known:
            raise absent(kind, name, opened.run, list(known))
    tables = [table for layout in opened.shown if (table := layout.description.table(kind))]
    sizes = opened.newest(lambda description: description.table(kind)).sizes
    columns = _every(table.columns for table in tables) or sizes.statistics
    bins = {table.bins for line in lines
            if (table := opened.layout(line).description.table(kind))}  # fmt: skip
    if len(bins) > 1:
        raise NotRecordedError(
            f"Got steps of run {opened.run!r} with histograms of {sorted(bins)} bins.",
            "Wanted steps whose histograms have as many.",
            "Ask for some of them: step=slice(first, last).",
        )
    counts = np.zeros((len(lines), len(names), *(bins or {sizes.bins})), np.int64)
    numbers = np.full((len(lines), len(names), len(columns)), np.nan)
    for at, line in enumerate(lines):
        layout = opened.layout(line)
        table = layout.description.table(kind)
        if kind not in line.tables or table is None:
            continue
        ordinals = {member.name: ordinal for ordinal, member in enumerate(table.members)}
        into = [ordinal for ordinal, name in enumerate(names) if name in ordinals]
        if not into:
            continue
        source = [ordinals[names[ordinal]] for ordinal in into]
        shared = layout.specs.shared
        counts[at, into] = opened.arrays.read(shared[counts_of(kind)], line.row, line.step)[source]
        rows = opened.arrays.read(shared[statistics_of(kind)], line.row, line.step)[source]
        numbers[at][np.ix_(into, [columns.index(name) for name in table.columns])] = rows
    variables: dict[str, Any] = {"count": (("step", "parameter", "bin"), counts)}
    for number, name in enumerate(columns):
        variables[name] = (("step", "parameter"), numbers[..., number])
    low, high = (numbers[..., columns.index(name)] for name in ("low", "high"))
    with np.errstate(invalid="ignore"):  # of parameters that are infinite
        edges = np.linspace(low, high, counts.shape[-1] + 1, axis=-1)
    variables["edge"] = (("step", "parameter", "bin_edge"), edges)
    return xr.Dataset(variables, {**_coords(lines), "parameter": np.array(names, np.str_)})


def _every(lists: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return every name once, those of the newest first."""
    return tuple(dict.fromkeys(name for names in lists for name in names))


def _coords(lines: Sequence[Line]) -> dict[str, Any]:
    epochs = [np.nan if line.epoch is None else line.epoch for line in lines]
    steps = np.array([line.step for line in lines], np.int64)
    return {"step": steps, "epoch": ("step", np.array(epochs, np.float64))}
