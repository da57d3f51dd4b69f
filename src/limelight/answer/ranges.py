"""The range of weights that colours stand for: one for each site and step, whatever draws it.

Room: the read path. Comes in: an open run and a recorded step. Goes out: two weights a site.
"""

from __future__ import annotations

from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np

from limelight.store import Run

#: Share of a site's cells that the range covers: a few peaks must not darken all the rest.
SHARE: Final = 0.999

#: Steps that were recorded do not change; a run written anew is another object.
_KNOWN: WeakKeyDictionary[Run, dict[int, dict[str, list[float]]]] = WeakKeyDictionary()

#: Steps of a run that are remembered: those that a page goes back and forth between.
_MOST = 64


def weight_ranges(run: Run, step: int) -> dict[str, list[float]]:
    """Return the least and the greatest weight that each site's colours tell apart at one step.

    Parameters
    ----------
    run : Run
        An open run.
    step : int
        A recorded step.

    Returns
    -------
    dict of str to (float, float)
        By site: 0, and the weight that 99.9 % of the cells of its heads' small pictures do not
        exceed, over all examples and heads, rounded up to two digits. A cell that stands for
        several weights counts with the greatest of them; cells that may not be attended to or
        are NaN do not count. 0 to 1 where nothing counts.
    """
    known = _KNOWN.setdefault(run, {})
    if step not in known:
        while len(known) >= _MOST:
            known.pop(next(iter(known)), None)
        known[step] = _ranges(run, step)
    return known[step]


def _ranges(run: Run, step: int) -> dict[str, list[float]]:
    counts: dict[str, np.ndarray[Any, Any]] = {}
    for example in range(len(run.examples)):
        allowed = run.overview_allowed(step, example)
        for site, (cells, nan) in run.overview(step, example, "max").items():
            counted = np.ones((), bool) if nan is None else ~nan
            where = allowed.get(site)
            counted = counted if where is None else counted & where
            values = cells[np.broadcast_to(counted, cells.shape)]
            counts[site] = counts.get(site, 0) + np.bincount(values, minlength=256)
    return {site: [0.0, _greatest(count)] for site, count in counts.items()}


def _greatest(counts: np.ndarray[Any, Any]) -> float:
    """Return the weight that so many cells do not exceed; cells are bytes of the square root."""
    total = counts.sum()
    if not total:
        return 1.0
    byte = max(1, int(np.searchsorted(counts.cumsum(), SHARE * total)))
    weight = min(1.0, (byte / 255) ** 2)
    unit = 10.0 ** (np.floor(np.log10(weight)) - 1)
    return float(f"{min(1.0, np.ceil(weight / unit - 1e-9) * unit):.2g}")
