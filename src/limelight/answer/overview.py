"""Every head of a run at a glance: a small picture and the measures of each.

Room: the read path. Comes in: an open run and a query. Goes out: a labelled dataset.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from limelight.answer.facts import cards, example_of, step_of
from limelight.answer.ranges import weight_ranges
from limelight.measure import NAN_ROWS
from limelight.query import Query
from limelight.store import Run, Site


def grid(run: Run, query: Query) -> xr.Dataset:
    """Return a small picture and the measures of every head at one step.

    Parameters
    ----------
    run : Run
        An open run.
    query : Query
        ``step``; ``example``, 0 if None; ``reduce``.

    Returns
    -------
    Dataset
        For the site at index *i* of those the step has: ``cells_i`` uint8 [head_i, row_i,
        column_i], ``round(255 * sqrt(weight))``. Of ``n`` queries, row ``r`` of ``m`` covers those
        from
        ``floor(r n / m)`` on, keys alike, and holds the ``reduce`` of what it covers;
        ``nan_i`` bool, only if one of them is NaN; ``allowed_i`` bool, where a cell covers anything
        that may be attended to, only if one does, and with a head dim only where heads differ;
        each measure that suits the site's kind, as ``<measure>_i`` and ``<measure>_uniform_i``
        float32 [head_i], over the rows that hold no NaN; ``nan_rows_i`` [head_i] counts those that
        do, only if one does. ``cells_i`` says the site's ``range`` of weights for colours.

    Raises
    ------
    NotRecordedError
        If the run holds no such step or example.
    """
    step = step_of(run, query.step)
    example = example_of(run, query.example or 0) if run.sites else 0
    variables: dict[str, xr.Variable] = {}
    tables: dict[str, np.ndarray[Any, Any]] = {}
    if run.sites:
        pictures = run.overview(step, example, query.reduce)
        allowed = run.overview_allowed(step, example)
        recorded = run.measures([step]).isel({"step": 0, "example": example}, missing_dims="ignore")
        # Selecting by label for each of many sites would take longer than reading them all.
        tables = {str(name): values.values for name, values in recorded.data_vars.items()}
        ordinals = {name: ordinal for ordinal, name in enumerate(recorded["site"].values.tolist())}
        bounds = weight_ranges(run, step)
        for index, site in enumerate(run.sites_at(step).values()):
            variables |= _pictures(index, site, *pictures[site.name], allowed[site.name])
            variables[f"cells_{index}"].attrs["range"] = bounds[site.name]
            variables |= _measured(index, ordinals[site.name], site, tables)
    facts = {"step": step, "example": example, "reduce": query.reduce, "measures": cards(tables)}
    return xr.Dataset(variables, attrs=facts)


def _pictures(
    index: int,
    site: Site,
    cells: np.ndarray[Any, Any],
    nan: np.ndarray[Any, Any] | None,
    allowed: np.ndarray[Any, Any] | None,
) -> dict[str, xr.Variable]:
    dims = (f"head_{index}", f"row_{index}", f"column_{index}")
    facts = {"site": site.name, "queries": site.queries, "keys": site.keys}
    variables = {f"cells_{index}": xr.Variable(dims, cells, facts)}
    if nan is not None and nan.any():
        variables[f"nan_{index}"] = xr.Variable(dims, nan)
    if allowed is not None:
        alike = allowed.shape[0] == 1
        where, values = (dims[1:], allowed[0]) if alike else (dims, allowed)
        variables[f"allowed_{index}"] = xr.Variable(where, values)
    return variables


def _measured(
    index: int, ordinal: int, site: Site, tables: dict[str, np.ndarray[Any, Any]]
) -> dict[str, xr.Variable]:
    """Take one site's measures out of tables [site, head], and [site] for uniform attention."""
    variables: dict[str, xr.Variable] = {}
    broken = tables[NAN_ROWS][ordinal, : site.heads] if NAN_ROWS in tables else np.zeros(1)
    if (broken > 0).any():
        rows = np.nan_to_num(broken).astype(np.float32)
        variables[f"{NAN_ROWS}_{index}"] = xr.Variable((f"head_{index}",), rows)
    for name, card in cards(tables, site.kind).items():
        heads = tables[name][ordinal, : site.heads]
        uniform = np.full(site.heads, tables[f"{name}_uniform"][ordinal])
        for part, numbers in ((f"{name}_{index}", heads), (f"{name}_uniform_{index}", uniform)):
            values = numbers.astype(np.float32)
            variables[part] = xr.Variable((f"head_{index}",), values, {"units": card["units"]})
    return variables
