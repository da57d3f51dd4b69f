"""One site's measures over steps.

Room: the read path. Comes in: an open run and a query. Goes out: a labelled dataset.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from limelight.answer.bootstrap import interval
from limelight.answer.facts import (
    cards,
    example_of,
    site_of,
    thinned,
)
from limelight.measure import NAN_ROWS
from limelight.query import Query
from limelight.store import Run, Site


def measures(run: Run, query: Query) -> xr.Dataset:
    """Return one site's measures over steps, with intervals, and those of uniform attention.

    Parameters
    ----------
    run : Run
        An open run.
    query : Query
        ``site``; ``example``, or None for the mean over all; at most ``steps`` steps.

    Returns
    -------
    Dataset
        For each measure that suits the site: its mean over examples [step, head], ``_low`` and
        ``_high`` of the mean's 95 % bootstrap interval (NaN for fewer than two examples) and
        ``_uniform`` [step], the same measure of uniform attention over the allowed keys. Rows that
        hold a NaN are left out, and examples of which no row is left; ``nan_rows`` [step, head]
        counts those rows over the examples, only if there is one, of ``rows`` valid ones.

    Raises
    ------
    NotRecordedError
        If the run holds no such site or example.
    """
    site = site_of(run, query.site)
    chosen = slice(None)
    if query.example is not None:
        chosen = slice(example_of(run, query.example), query.example + 1)
    recorded = run.measures(thinned(run.steps_of(site.name), query.steps)).sel(site=site.name)
    recorded = recorded.isel(example=chosen, head=slice(_heads(run, site)))
    variables: dict[str, xr.Variable] = {}
    described = cards(recorded.data_vars, site.kind)
    broken = _values(recorded, NAN_ROWS)
    for name, card in described.items():
        values = recorded[name].transpose("step", "head", "example").values
        # Left out is what is known to have no number; in a recording that does not count such
        # rows, a NaN makes the mean one, because leaving it out would hide it.
        missing = np.isnan(values) if broken is not None else np.zeros(values.shape, bool)
        low, high = _interval(values, missing)
        uniform = recorded[f"{name}_uniform"].transpose("step", "example").values
        parts = {
            name: (("step", "head"), _mean(values, missing)),
            f"{name}_low": (("step", "head"), low),
            f"{name}_high": (("step", "head"), high),
            f"{name}_uniform": (("step",), _mean(uniform)),
        }
        for part, (dims, numbers) in parts.items():
            units = {"units": card["units"]}
            variables[part] = xr.Variable(dims, numbers.astype(np.float32), units)
    if broken is not None and (broken > 0).any():
        counts = np.nan_to_num(broken).sum(-1).astype(np.float32)
        variables[NAN_ROWS] = xr.Variable(("step", "head"), counts)
    facts = {
        "site": site.name,
        "example": query.example,
        "examples": recorded.sizes["example"],
        "measures": described,
        "rows": _rows(run, site, chosen),
    }
    return xr.Dataset(variables, coords={"step": recorded["step"].values}, attrs=facts)


def _heads(run: Run, site: Site) -> int:
    """Return the most heads that a site ever had."""
    return max(
        sites[site.name].heads for sites in run.site_changes().values() if site.name in sites
    )


def _values(recorded: xr.Dataset, name: str) -> np.ndarray[Any, Any] | None:
    if name not in recorded:
        return None
    return np.asarray(recorded[name].transpose("step", "head", "example").values)


def _rows(run: Run, site: Site, chosen: slice) -> int:
    """Count the valid queries of the examples."""
    steps = run.steps_of(site.name)
    return int(run.valid(site.name, int(steps[-1]))[0][chosen].sum()) if steps.size else 0


def _mean(
    values: np.ndarray[Any, Any], missing: np.ndarray[Any, Any] | None = None
) -> np.ndarray[Any, Any]:
    """Mean over examples, but those that are missing."""
    if missing is None:
        return np.asarray(values.mean(-1))
    count = (~missing).sum(-1)
    total = np.where(missing, 0, values).sum(-1)
    return np.asarray(total / np.where(count == 0, np.nan, count))


def _interval(
    values: np.ndarray[Any, Any], missing: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Interval of the mean over examples, but those that are missing."""
    low, high = interval(values)
    for at in zip(*np.nonzero(missing.any(-1)), strict=True):
        low[at], high[at] = interval(values[at][~missing[at]])
    return low, high
