"""A model's own parameters: their histograms over steps, and all of them at one step.

Room: the read path. Comes in: an open run and a query. Goes out: a labelled dataset.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from limelight.answer.facts import listed, step_of, thinned
from limelight.errors import NotRecordedError
from limelight.query import Query
from limelight.store import Run


def parameters(run: Run, query: Query) -> xr.Dataset:
    """Return histograms and statistics of chosen parameters over steps.

    Parameters
    ----------
    run : Run
        An open run.
    query : Query
        ``parameter``, empty for all; at most ``steps`` steps, first and newest included.

    Returns
    -------
    Dataset
        ``count`` [step, parameter, bin] int32 between ``low`` and ``high`` [step, parameter];
        ``mean``, ``std``, ``min``, ``max``, ``norm``, ``near_zero``, ``nonfinite``, as far as they
        were recorded.

    Raises
    ------
    NotRecordedError
        If the run holds no such parameter, or none at all.
    """
    names = list(query.parameter) or list(run.parameter_names)
    recorded = _recorded(run, names, thinned(run.steps, query.steps))
    count = recorded["count"].transpose("step", "parameter", "bin")
    # JavaScript has typed arrays of 32-bit integers; a bin of more than 2**31 numbers is none yet.
    variables = {"count": (count.dims, count.values.astype(np.int32))}
    for name in run.sizes.statistics:
        numbers = recorded[name].transpose("step", "parameter")
        variables[name] = (numbers.dims, numbers.values.astype(np.float64))
    coords = {"step": recorded["step"].values, "parameter": names}
    return xr.Dataset(variables, coords)


def summary(run: Run, query: Query) -> xr.Dataset:
    """Return every parameter's statistics at one step and at the first recorded one.

    Parameters
    ----------
    run : Run
        An open run.
    query : Query
        ``step``.

    Returns
    -------
    Dataset
        Statistics [parameter], and the same at the first step as ``<name>_first``.

    Raises
    ------
    NotRecordedError
        If the run holds no such step, or no parameters.
    """
    step, first = step_of(run, query.step), step_of(run, int(run.steps[0]) if len(run.steps) else 0)
    names = list(run.parameter_names)
    recorded = _recorded(run, names, np.unique([first, step]))
    variables = {}
    for suffix, at in (("", step), ("_first", first)):
        statistics = recorded.sel(step=at)
        for name in run.sizes.statistics:
            variables[name + suffix] = (("parameter",), statistics[name].values.astype(np.float64))
    return xr.Dataset(variables, {"parameter": names}, {"step": step, "first_step": first})


def _recorded(run: Run, names: list[str], steps: np.ndarray) -> xr.Dataset:
    known = set(run.parameter_names)
    missing = [name for name in names if name not in known]
    if missing or not names:
        raise NotRecordedError(
            f"Got parameter {listed(missing)}." if missing else "Got a question about parameters.",
            f"Run {run.name!r} holds {listed(list(run.parameter_names))}.",
            "Ask for these, spelled the same."
            if known
            else "Record them: ll.KerasCallback does so for any model.",
        )
    return run.parameters(names, steps)
