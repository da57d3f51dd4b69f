"""Measures of maps over steps, read from a recording.

Room: store. Comes in: an opened recording and lines of its index. Goes out: labelled datasets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from limelight.catalogue import analyses
from limelight.measure import LARGEST_SCORE, UNIFORM, counts_rows
from limelight.store.format.index import Line
from limelight.store.read.opening import Opened


def measures(opened: Opened, lines: Sequence[Line]) -> xr.Dataset:
    """Return recorded measures [step, site, example, head] and those of uniform attention."""
    variables: dict[str, Any] = {}
    cards = analyses()
    names = every(layout.description.measures for layout in opened.shown)
    for role, suffix in (("measures", ""), ("uniform", UNIFORM)):
        specs = [spec for layout in opened.shown if (spec := layout.specs.shared.get(role))]
        if not specs:
            continue
        dims = specs[0].dims[1:-1]
        table = _measured(opened, lines, role, names)
        for number, name in enumerate(names):
            if role == "uniform" and (counts_rows(name) or name == LARGEST_SCORE):
                continue
            card = cards.get(name)
            # `bounds` would name a variable, by the conventions of netCDF files.
            least, most = card.bounds if card else (0.0, 0.0)
            attrs = {"units": card.units, "least": least, "most": most} if card else {}
            variables[name + suffix] = (("step", *dims), table[..., number], attrs)
    return xr.Dataset(variables, {**coords(lines), "site": list(opened.sites)})


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


def every(lists: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return every name once, those of the newest first.

    Parameters
    ----------
    lists : iterable of sequence of str

    Returns
    -------
    tuple of str
    """
    return tuple(dict.fromkeys(name for names in lists for name in names))


def coords(lines: Sequence[Line]) -> dict[str, Any]:
    """Return the coordinates of steps: their numbers and epochs.

    Parameters
    ----------
    lines : sequence of Line

    Returns
    -------
    dict
    """
    epochs = [np.nan if line.epoch is None else line.epoch for line in lines]
    steps = np.array([line.step for line in lines], np.int64)
    return {"step": steps, "epoch": ("step", np.array(epochs, np.float64))}
