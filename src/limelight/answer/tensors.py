"""Tensors of any kind over steps: gradients, updates, activations, parameters.

Room: the read path. Comes in: an open run and a query. Goes out: a labelled dataset, on bins that
are the same for all tensors, steps and runs: what is asked of several runs can be laid side by side
or added up.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from limelight.answer.facts import thinned
from limelight.query import Query
from limelight.store import Run


def numbers(run: Run, query: Query) -> xr.Dataset:
    """Return numbers of tensors of a kind over steps, without their histograms.

    Parameters
    ----------
    run : Run
        An open run.
    query : Query
        ``kind``; ``parameter``, empty for all; at most ``steps`` steps.

    Returns
    -------
    Dataset
        As :meth:`limelight.store.Run.tensors` has them [step, parameter]; ``attrs["kinds"]`` says
        what kinds there are.

    Raises
    ------
    NotRecordedError
        If the run holds no such kind or tensor.
    """
    return _asked(run, query, counts=False)


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
    recorded = _asked(run, query, counts=True)
    # JavaScript has typed arrays of 32-bit integers.
    counts = recorded["count"].transpose("step", "parameter", "bin")
    return recorded.assign(count=(counts.dims, counts.values.astype(np.int32)))


def _asked(run: Run, query: Query, *, counts: bool) -> xr.Dataset:
    names = list(query.parameter) or None
    steps = thinned(run.steps, query.steps)
    recorded = run.tensors(query.kind, names, steps, counts=counts).reset_coords("epoch")
    return recorded.assign_attrs(kinds=list(run.tensor_kinds))
