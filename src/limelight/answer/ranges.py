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
        By site: 0, and the weight that 99.9 % of its weights do not exceed, over all examples and
        heads, rounded up to two digits. It follows from small pictures: where a cell stands for
        several weights, its greatest and its mean bound how many of them exceed a weight. What
        may not be attended to or is NaN does not count. 0 to 1 where nothing counts.
    """
    known = _KNOWN.setdefault(run, {})
    if step not in known:
        while len(known) >= _MOST:
            known.pop(next(iter(known)), None)
        known[step] = _ranges(run, step)
    return known[step]


def _ranges(run: Run, step: int) -> dict[str, list[float]]:
    counts: dict[str, np.ndarray[Any, Any]] = {}
    covered: dict[str, float] = {}
    sites = run.sites_at(step)
    for example in range(len(run.examples_at(step))):
        allowed = run.overview_allowed(step, example)
        means = run.overview(step, example, "mean")
        for name, (cells, nan) in run.overview(step, example, "max").items():
            counted = np.ones((), bool) if nan is None else ~nan
            where = allowed.get(name)
            counted = np.broadcast_to(counted if where is None else counted & where, cells.shape)
            pairs = cells[counted].astype(np.uint16) << 8 | means[name][0][counted]
            counts[name] = counts.get(name, 0) + np.bincount(pairs, minlength=1 << 16)
            site = sites[name]
            covered[name] = site.queries * site.keys / (cells.shape[-1] * cells.shape[-2])
    return {name: [0.0, _greatest(count, covered[name])] for name, count in counts.items()}


def _greatest(counts: np.ndarray[Any, Any], covered: float) -> float:
    """Return the weight that few weights exceed.

    ``counts`` says how many cells have a greatest and a mean weight, as bytes of their square
    roots, 256 × the one + the other; each covers so many weights.
    """
    pairs = np.flatnonzero(counts)
    if not pairs.size:
        return 1.0
    cells, (most, mean) = counts[pairs], np.divmod(pairs, 256)
    sums = np.maximum((mean / 255) ** 2 * covered, (most / 255) ** 2)
    low, high = 1, 255
    while low < high:
        byte = (low + high) // 2
        # Of weights that sum to so much, no more can exceed one than it goes into the sum.
        beyond = np.minimum(covered, np.floor(sums / (byte / 255) ** 2))
        beyond = (cells * np.maximum(1, beyond))[most > byte].sum()
        if beyond <= (1 - SHARE) * cells.sum() * covered:
            high = byte
        else:
            low = byte + 1
    weight = (low / 255) ** 2
    unit = 10.0 ** (np.floor(np.log10(weight)) - 1)
    return float(f"{min(1.0, np.ceil(weight / unit - 1e-9) * unit):.2g}")
