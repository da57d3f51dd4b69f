"""Writes studies of heads into runs, as a study leaves them: numbers told from each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from limelight.store.format.studies import Study
from limelight.studying.keeping import Kept

#: The head that matters most of those that survive, and one of greater effect that does not.
SURE, LARGE = 1, 0


def kept(folder: Path, name: str = "ablation", key: str = "5eed0000", tasks: int = 4) -> Kept:
    """A study that begins now."""
    tier = "intervened" if name == "ablation" else "gradient-attributed"
    settings = {"study": name, "metric": "loss", "scheme": "one", "replace": "zero"}
    if name != "ablation":
        settings = {"study": name, "metric": "loss"}
    return Kept(folder, Study(name, key, settings, "m" * 8, "d" * 8, tasks, 1.7e9, {}, tier))


def numbers(heads: Mapping[str, int], *, n: int = 24, until: int | None = None) -> xr.Dataset:
    """Effects [site, head] that fall from head to head; NaN from some head on, if it still runs."""
    sites, most = list(heads), max(heads.values())
    shape = (len(sites), most)
    effect = np.full(shape, np.nan)
    for at, count in enumerate(heads.values()):
        effect[at, :count] = 0.3 / (1 + at) - 0.1 * np.arange(count)
    if until is not None:
        effect.reshape(-1)[until:] = np.nan
    wide = np.where(np.isnan(effect), np.nan, 0.05)
    wide[0, LARGE] = 0.5
    p = np.where(np.isnan(effect), np.nan, 0.8)
    p[0, SURE] = 0.004
    columns = {"effect": effect, "low": effect - wide, "high": effect + wide, "p_adjusted": p}
    attrs = {
        "study": "ablation", "tier": "intervened", "metric": "loss", "units": "nat",
        "better": "lower", "n": n, "of": "examples", "baseline": 0.7,
        "replace": "zero", "can_survive": 1, "sentence": "Planted.",
    }  # fmt: skip
    return labelled(columns, sites, most, attrs)


def weighed(heads: Mapping[str, int]) -> xr.Dataset:
    """Importance, and first-order effects, of the same heads."""
    effect = numbers(heads)["effect"].to_numpy()
    size = np.abs(effect) + 0.02
    columns = {
        "importance": size,
        "low": size - 0.01,
        "high": size + 0.01,
        "first_order": effect / 2,
    }
    attrs = {
        "study": "importance", "tier": "gradient-attributed", "metric": "loss", "units": "nat",
        "better": "lower", "n": 24, "of": "examples", "baseline": 0.7, "sentence": "Planted.",
    }  # fmt: skip
    return labelled(columns, list(heads), max(heads.values()), attrs)


def labelled(
    columns: Mapping[str, np.ndarray], sites: list[str], most: int, attrs: Mapping[str, object]
) -> xr.Dataset:
    variables = {name: (("site", "head"), values) for name, values in columns.items()}
    return xr.Dataset(
        variables, {"site": np.array(sites, np.str_), "head": np.arange(most)}, dict(attrs)
    )


def plant(folder: Path, heads: Mapping[str, int]) -> None:
    """Write a finished ablation and importance into a run."""
    ablation, importance = kept(folder), kept(folder, "importance", "1eed0000")
    with ablation.running(0):
        ablation.finish(numbers(heads))
    with importance.running(0):
        importance.finish(weighed(heads))
