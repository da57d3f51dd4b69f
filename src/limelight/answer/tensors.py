"""Tensors of any kind over steps: gradients, updates, activations, parameters.

Room: the read path. Comes in: an open run and a query. Goes out: a labelled dataset, on bins that
are the same for all tensors, steps and runs: what is asked of several runs can be laid side by side
or added up.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import xarray as xr

from limelight.answer.facts import parameter_facts, step_of, thinned
from limelight.distribution.columns import QUANTILES
from limelight.query import Query
from limelight.store import Run


def numbers(run: Run, query: Query) -> xr.Dataset:
    """Return numbers of tensors of a kind over steps, without their histograms.

    Parameters
    ----------
    run : Run
        An open run.
    query : Query
        ``kind``; ``parameter``, empty for all; at most ``steps`` steps, and those in ``at``.

    Returns
    -------
    Dataset
        As :meth:`limelight.store.Run.tensors` has them [step, parameter]; ``attrs["kinds"]`` says
        what kinds there are, and ``attrs["members"]`` what is known of each tensor. Where only
        steps in ``at`` are asked for, there are no members, but some numbers of other kinds of the
        same tensors, as ``gradient_norm`` and ``update_ratio``. What was recorded before there
        were quantiles gets them from its histograms.

    Raises
    ------
    NotRecordedError
        If the run holds no such kind or tensor.
    """
    names, steps = _asked(run, query)
    recorded = run.tensors(query.kind, names, steps, counts=False)
    if "std" in recorded and not set(QUANTILES) <= set(recorded):
        counted = run.tensors(query.kind, names, steps)
        recorded = recorded.assign(_quantiles(counted))
    attrs: dict[str, Any] = {"kinds": list(run.tensor_kinds)}
    if not query.steps:
        recorded = recorded.assign(_beside(run, query.kind, recorded))
    else:
        attrs["members"] = parameter_facts(run, query.kind, recorded["parameter"].values.tolist())
    return recorded.reset_coords("epoch").assign_attrs(attrs)


def histograms(run: Run, query: Query) -> xr.Dataset:
    """Return histograms of tensors of a kind over steps, with their numbers.

    Parameters
    ----------
    run : Run
        An open run.
    query : Query
        As for :func:`numbers`.

    Returns
    -------
    Dataset
        ``count`` [step, parameter, bin] int32 between ``left`` and ``right`` [bin], and numbers.

    Raises
    ------
    NotRecordedError
        If the run holds no such kind or tensor.
    """
    names, steps = _asked(run, query)
    recorded = run.tensors(query.kind, names, steps).reset_coords("epoch")
    # JavaScript has typed arrays of 32-bit integers.
    counts = recorded["count"].transpose("step", "parameter", "bin")
    recorded = recorded.assign(count=(counts.dims, counts.values.astype(np.int32)))
    return recorded.assign_attrs(kinds=list(run.tensor_kinds))


def _asked(run: Run, query: Query) -> tuple[list[str] | None, np.ndarray[Any, Any]]:
    """Return the names and the steps that a question is about."""
    named = [step_of(run, step) for step in query.at]
    # Of what is recorded less often, steps without it would leave lines full of holes.
    steps = thinned(run.tensor_steps(query.kind), query.steps) if query.steps else ()
    return list(query.parameter) or None, np.union1d(steps, named).astype(np.int64)


#: Numbers that are read beside those of a tensor itself, by the kind that has them.
_OF_OTHERS: Final = {
    "gradient": ("norm",),
    "update": ("ratio", "moment1_norm", "moment2_norm"),
    "spectrum": ("spectral_norm", "stable_rank", "alpha"),
}


def _beside(run: Run, kind: str, recorded: xr.Dataset) -> dict[str, Any]:
    """Return numbers of the same tensors in tables of other kinds, NaN where they have none."""
    names = recorded["parameter"].values.tolist()
    numbers_beside: dict[str, Any] = {}
    for other in set(_OF_OTHERS) & set(run.tensor_kinds) - {kind}:
        known = {each["name"] for each in run.tensor_facts(other)}
        shared = [name for name in names if name in known]
        if not shared:
            continue
        steps = recorded["step"].values
        numbers = run.tensors(other, shared, steps, counts=False)
        into = np.flatnonzero([name in known for name in names])
        for number in set(_OF_OTHERS[other]) & set(map(str, numbers)):
            values = np.full((len(steps), len(names)), np.nan)
            values[:, into] = numbers[number].transpose("step", "parameter").values
            numbers_beside[f"{other}_{number}"] = (("step", "parameter"), values)
    return numbers_beside


def _quantiles(counted: xr.Dataset) -> dict[str, Any]:
    """Return quantiles of histograms whose bins lie evenly between a tensor's own ends."""
    if "edge" not in counted:
        return {}
    counts = counted["count"].transpose("step", "parameter", "bin").values
    edges = counted["edge"].transpose("step", "parameter", "bin_edge").values
    below = np.concatenate([np.zeros((*counts.shape[:2], 1)), counts.cumsum(-1)], axis=-1)
    shares = np.array(list(QUANTILES.values()))
    values = np.full((*counts.shape[:2], shares.size), np.nan)
    for at in np.ndindex(counts.shape[:2]):
        if below[at][-1]:
            values[at] = np.interp(shares * below[at][-1], below[at], edges[at])
    # Bins of a constant are wider than its values, which are one.
    ends = [
        counted[name].transpose("step", "parameter").values[..., None] for name in ("min", "max")
    ]
    values = np.clip(values, *ends)
    dims = ("step", "parameter")
    return {name: (dims, values[..., number]) for number, name in enumerate(QUANTILES)}
