"""The range of weights that colours stand for: one for each site and step, whatever draws it.

Room: the read path. Comes in: an open run and a recorded step. Goes out: two weights a site.
"""

from __future__ import annotations

from collections.abc import Callable
from math import erfc, sqrt
from statistics import NormalDist
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
        heads, rounded up to two digits. It follows from small pictures. Where their cells stand for
        several weights it is an estimate, from the greatest and the mean of each: within 1.1 times
        at 256 positions of noisy maps, within twice at 4096, also of structured ones. Maps whose
        lone peaks are fewer than what it may leave out keep a range in which these stand out.
        What may not be attended to or is NaN does not count. 0 to 1 where nothing counts.
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


#: How many of the weights that a cell covers exceed one.
_Count = Callable[[float], np.ndarray[Any, Any]]

#: The share of normal scores above one.
_ABOVE: Final = np.vectorize(lambda score: erfc(score / sqrt(2)) / 2, otypes=[float])


def _greatest(counts: np.ndarray[Any, Any], covered: float) -> float:
    """Return the weight that few weights exceed.

    ``counts`` says how many cells have a greatest and a mean weight, as bytes of their square
    roots, 256 × the one + the other; each covers so many weights. Between those two, weights may
    lie as normal scores give them, or fall evenly as beside a diagonal: the first expects too few
    large ones of a structured map, the second too many of a noisy one. Taken is the middle.
    """
    pairs = np.flatnonzero(counts)
    if not pairs.size:
        return 1.0
    few = (1 - SHARE) * counts.sum() * covered
    pairs = pairs[pairs >= 256]  # where the greatest is 0 none exceeds another
    cells, (most, mean) = counts[pairs], np.divmod(pairs, 256)
    peaks = (most / 255) ** 2
    means = np.clip((mean / 255) ** 2, peaks / covered, peaks)

    def least(count: _Count) -> float:
        low, high = 1, 255
        while low < high:
            byte = (low + high) // 2
            beyond = np.clip(count((byte / 255) ** 2), 1, covered)
            if (cells * beyond)[most > byte].sum() <= few:
                high = byte
            else:
                low = byte + 1
        return (low / 255) ** 2

    weight = sqrt(least(_normal(peaks, means, covered)) * least(_even(peaks, means, covered)))
    unit = 10.0 ** (np.floor(np.log10(weight)) - 1)
    return float(f"{min(1.0, np.ceil(weight / unit - 1e-9) * unit):.2g}")


def _normal(peaks: np.ndarray[Any, Any], means: np.ndarray[Any, Any], covered: float) -> _Count:
    """Weights of normal scores: the greatest and the mean say how far those spread."""
    top = NormalDist().inv_cdf(max(0.501, 1 - 0.5 / covered))
    spread = top - np.sqrt(np.maximum(0, top**2 - 2 * np.log(peaks / means)))
    spread = np.maximum(spread, 1e-3)
    return lambda weight: covered * _ABOVE(np.log(weight / means) / spread + spread / 2)


def _even(peaks: np.ndarray[Any, Any], means: np.ndarray[Any, Any], covered: float) -> _Count:
    """Weights that fall from the greatest on by one factor, which follows from their sum."""
    ratios = means * covered / peaks
    low, high = np.full(ratios.shape, 1e-9), np.full(ratios.shape, 50.0)
    for _ in range(40):
        middle = np.sqrt(low * high)
        above = np.expm1(-covered * middle) / np.expm1(-middle) > ratios
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return lambda weight: np.log(peaks / weight) / high
