"""Numbers over steps, read from a recording: measures of maps, the model's own parameters.

Room: store. Comes in: an opened recording and lines of its index. Goes out: labelled datasets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from limelight.catalogue import analyses
from limelight.measure import UNIFORM, counts_rows
from limelight.store.format.index import Line
from limelight.store.read.opening import Opened, absent


def measures(opened: Opened, lines: Sequence[Line]) -> xr.Dataset:
    """Return recorded measures [step, site, example, head] and those of uniform attention."""
    variables: dict[str, Any] = {}
    cards = analyses()
    for role, suffix in (("measures", ""), ("uniform", UNIFORM)):
        if (spec := opened.specs.shared.get(role)) is None:
            continue
        table = np.full((len(lines), *spec.tail), np.nan, np.float32)
        seen: dict[int, np.ndarray[Any, Any]] = {}  # many steps share one row of what is uniform
        for ordinal, line in enumerate(lines):
            if not line.attention:
                continue
            row = line.masks if role == "uniform" else line.row
            if row not in seen:
                seen[row] = opened.arrays.read(spec, row, line.step)
            table[ordinal] = seen[row]
        for number, name in enumerate(opened.description.measures):
            if role == "uniform" and counts_rows(name):
                continue
            card = cards.get(name)
            attrs = {"units": card.units, "bounds": list(card.bounds)} if card else {}
            variables[name + suffix] = (("step", *spec.dims[1:-1]), table[..., number], attrs)
    sites = [site.name for site in opened.description.sites]
    return xr.Dataset(variables, {**_coords(lines), "site": sites})


def parameters(opened: Opened, names: Sequence[str], lines: Sequence[Line]) -> xr.Dataset:
    """Return histograms and statistics [step, parameter] of the model's own parameters."""
    known = {
        parameter.name: ordinal for ordinal, parameter in enumerate(opened.description.parameters)
    }
    for name in names:
        if name not in known:
            raise absent("parameter", name, opened.run, list(known))
    ordinals = [known[name] for name in names]
    sizes = opened.description.sizes
    counts = np.zeros((len(lines), len(names), sizes.bins), np.int64)
    numbers = np.full((len(lines), len(names), len(sizes.statistics)), np.nan)
    for at, line in enumerate(lines):
        if line.parameters and ordinals:
            for role, target in (("counts", counts), ("statistics", numbers)):
                spec = opened.specs.shared[role]
                target[at] = opened.arrays.read(spec, line.row, line.step)[ordinals]
    variables: dict[str, Any] = {"count": (("step", "parameter", "bin"), counts)}
    for number, name in enumerate(sizes.statistics):
        variables[name] = (("step", "parameter"), numbers[..., number])
    return xr.Dataset(variables, {**_coords(lines), "parameter": np.array(names, np.str_)})


def _coords(lines: Sequence[Line]) -> dict[str, Any]:
    epochs = [np.nan if line.epoch is None else line.epoch for line in lines]
    steps = np.array([line.step for line in lines], np.int64)
    return {"step": steps, "epoch": ("step", np.array(epochs, np.float64))}
