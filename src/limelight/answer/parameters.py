"""A model's own parameters: their histograms over steps, and all of them at one step.

Room: the read path. Comes in: an open run and a query. Goes out: a labelled dataset, with bins that
lie evenly from a tensor's least to its greatest value, whatever they are on disk.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from limelight.answer.facts import listed, step_of, thinned
from limelight.distribution import BINS as BITS
from limelight.distribution import counting, edges
from limelight.errors import NotRecordedError
from limelight.histogram import BINS
from limelight.query import Query
from limelight.store import Run

#: Numbers that the page of weights draws.
STATISTICS = ("low", "high", "mean", "std", "min", "max", "norm", "near_zero", "nonfinite")


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
    recorded = evenly(_recorded(run, names, thinned(run.steps, query.steps)))
    count = recorded["count"].transpose("step", "parameter", "bin")
    # JavaScript has typed arrays of 32-bit integers; a bin of more than 2**31 numbers is none yet.
    variables = {"count": (count.dims, count.values.astype(np.int32))}
    for name in filter(recorded.data_vars.__contains__, STATISTICS):
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
    recorded = _ranged(_recorded(run, names, np.unique([first, step]), counts=False))
    variables = {}
    for suffix, at in (("", step), ("_first", first)):
        statistics = recorded.sel(step=at)
        for name in filter(recorded.data_vars.__contains__, STATISTICS):
            variables[name + suffix] = (("parameter",), statistics[name].values.astype(np.float64))
    return xr.Dataset(variables, {"parameter": names}, {"step": step, "first_step": first})


def evenly(recorded: xr.Dataset, bins: int = BINS) -> xr.Dataset:
    """Count on bins that lie evenly from a tensor's least to its greatest value.

    Parameters
    ----------
    recorded : Dataset
        As :meth:`limelight.store.Run.tensors` returns it.
    bins : int

    Returns
    -------
    Dataset
        ``count`` [step, parameter, bin] int64, edges ``linspace(low, high, bins + 1)``; of what was
        counted on other bins, each spread over its width. What was recorded so stays as it is.
    """
    recorded = _ranged(recorded)
    if "left" not in recorded.coords:
        return recorded
    numbers = np.searchsorted(edges(), recorded["left"].values)
    counts = recorded["count"].transpose("step", "parameter", "bin").values
    ranges = [recorded[name].transpose("step", "parameter").values for name in ("low", "high")]
    even = np.zeros((*counts.shape[:2], bins), np.int64)
    for at in np.ndindex(counts.shape[:2]):
        if counts[at].any():
            onto = np.linspace(ranges[0][at], ranges[1][at], bins + 1)
            whole = np.zeros(BITS, np.int64)
            whole[numbers] = counts[at]
            even[at] = counting.spread(whole, onto)
    recorded = recorded.drop_vars(["count", "left", "right"])
    return recorded.assign(count=(("step", "parameter", "bin"), even))


def _ranged(recorded: xr.Dataset) -> xr.Dataset:
    """Say where bins end, half a unit either side of values that are all equal."""
    if "low" in recorded:
        return recorded
    low, high = recorded["min"], recorded["max"]
    half = 0.5 * (low == high)
    return recorded.assign(low=low - half, high=high + half)


def _recorded(run: Run, names: list[str], steps: np.ndarray, *, counts: bool = True) -> xr.Dataset:
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
    return run.tensors("parameter", names, steps, counts=counts)
