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
    diverged,
    example_of,
    site_of,
    thinned,
)
from limelight.measure import LEFT_OUT, NAN_ROWS
from limelight.query import Query
from limelight.store import Run


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
        ``_uniform`` [step], the same measure of uniform attention over the allowed keys.

    Raises
    ------
    NotRecordedError
        If the run holds no such site or example.
    """
    site = site_of(run, query.site)
    chosen = slice(None)
    if query.example is not None:
        chosen = slice(example_of(run, query.example), query.example + 1)
    recorded = run.measures(thinned(run.steps, query.steps)).sel(site=site.name)
    recorded = recorded.isel(example=chosen, head=slice(site.heads))
    variables: dict[str, xr.Variable] = {}
    described = cards(recorded.data_vars, site.kind)
    broken = _values(recorded, NAN_ROWS)
    for name, card in described.items():
        means = recorded[name].transpose("step", "head", "example").values
        values = diverged(means, broken)
        low, high = interval(values)
        undefined = None  # for an example none of whose queries has a number
        if f"{name}{LEFT_OUT}" in recorded and broken is not None:
            undefined = np.isnan(means) & (broken == 0)
        uniform = recorded[f"{name}_uniform"].transpose("step", "example").values
        parts = {
            name: (("step", "head"), _mean(values, undefined)),
            f"{name}_low": (("step", "head"), low),
            f"{name}_high": (("step", "head"), high),
            f"{name}_uniform": (("step",), _mean(uniform)),
        }
        for part, (dims, numbers) in parts.items():
            units = {"units": card["units"]}
            variables[part] = xr.Variable(dims, numbers.astype(np.float32), units)
    facts = {
        "site": site.name,
        "example": query.example,
        "examples": recorded.sizes["example"],
        "measures": described,
    }
    return xr.Dataset(variables, coords={"step": recorded["step"].values}, attrs=facts)


def _values(recorded: xr.Dataset, name: str) -> np.ndarray[Any, Any] | None:
    if name not in recorded:
        return None
    return np.asarray(recorded[name].transpose("step", "head", "example").values)


def _mean(
    values: np.ndarray[Any, Any], undefined: np.ndarray[Any, Any] | None = None
) -> np.ndarray[Any, Any]:
    """Mean over examples; one that is NaN makes it NaN, because leaving it out would hide it."""
    if undefined is None or undefined.all():
        return np.asarray(values.mean(-1))
    count = (~undefined).sum(-1)
    total = np.where(undefined, 0, values).sum(-1)
    return np.asarray(total / np.where(count == 0, np.nan, count))
