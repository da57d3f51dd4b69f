"""What may be said of a mitigation: words from predictions alone, in one precedence.

Room: studying. Comes in: measures of trained models [technique, seed, measure]. Goes out:
differences from a baseline by seed, their intervals and tests, and a verdict for each technique.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from limelight.studying.intervals import FEWEST, interval
from limelight.studying.sign_flips import ALPHA, holm

#: What verdicts are made of, and whether more of it is better.
OUTCOMES: Final = {"flip_rate": False, "worst_group": True}
ATTENTION: Final = "attention"

WORSE: Final = "worse"
LEANS_LESS: Final = "relies less on it"
WORST_BETTER: Final = "worst group better"
UNADJUSTED: Final = "improves, unadjusted"
NOTHING: Final = "no change shown"
MOVED: Final = (
    "attention moved; effect on predictions not shown (from {low:+.1f} to {high:+.1f} points)"
)


@dataclass(frozen=True)
class Compared:
    """Techniques beside a baseline, paired by seed.

    Attributes
    ----------
    difference, low, high, p_value, p_adjusted : array [technique, measure]
        Of the technique minus the baseline's of the same seed; NaN for the baseline, and all but
        the difference below 5 seeds. Holm over techniques, for each measure apart.
    verdict : list of str
        Empty for the baseline, and where none may be given.
    """

    difference: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    p_value: NDArray[np.float64]
    p_adjusted: NDArray[np.float64]
    verdict: list[str]


def compared(values: NDArray[Any], measures: Sequence[str], baseline: int) -> Compared:
    """Compare techniques with a baseline.

    Parameters
    ----------
    values : array [technique, seed, measure]
    measures : sequence of str
    baseline : int
        Number of the technique that the others are compared with.

    Returns
    -------
    Compared

    Examples
    --------
    >>> values = np.random.default_rng(0).normal([0.5, 0.5], 0.01, (2, 6, 2))
    >>> values[1, :, 0] -= 0.3
    >>> compared(values, ["flip_rate", "worst_group"], 0).verdict
    ['', 'relies less on it']
    """
    differences = np.asarray(values, float) - values[baseline]
    difference = differences.mean(axis=1)
    low, high, p_value = (np.full(difference.shape, np.nan) for _ in range(3))
    for technique in range(len(values)):
        if technique == baseline:
            difference[technique] = np.nan
        elif values.shape[1] >= FEWEST:
            low[technique], high[technique] = _t_interval(differences[technique])
            p_value[technique] = _t_test(differences[technique])
    p_adjusted = np.stack([holm(column) for column in p_value.T], axis=1)
    words = []
    for technique in range(len(values)):
        facts = {
            name: {"low": low[technique, at], "high": high[technique, at],
                   "p_adjusted": p_adjusted[technique, at]}
            for at, name in enumerate(measures)
        }  # fmt: skip
        words.append("" if technique == baseline else verdict(facts))
    return Compared(difference, low, high, p_value, p_adjusted, words)


def verdict(facts: Mapping[str, Mapping[str, float]]) -> str:
    """Return what may be said of a technique; nothing where an outcome or its interval lacks.

    Parameters
    ----------
    facts : mapping of str to mapping
        ``low``, ``high`` and ``p_adjusted`` of the difference, for each measure.

    Returns
    -------
    str
        That attention moved is never called less of a bias: it says nothing of predictions.

    Examples
    --------
    >>> still = {"low": -0.2, "high": 0.2, "p_adjusted": 1.0}
    >>> moved = {"low": -0.3, "high": -0.2, "p_adjusted": 0.001}
    >>> verdict({"flip_rate": still, "worst_group": still, "attention": moved})
    'attention moved; effect on predictions not shown (from -20.0 to +20.0 points)'
    >>> verdict({"attention": moved})
    ''
    """
    if any(name not in facts or np.isnan(facts[name]["low"]) for name in OUTCOMES):
        return ""
    worse = [_lies(facts[name], not better) for name, better in OUTCOMES.items()]
    better = {name: _lies(facts[name], more) for name, more in OUTCOMES.items()}
    sure = {name: better[name] and facts[name]["p_adjusted"] < ALPHA for name in OUTCOMES}
    if any(worse):
        return WORSE
    if sure["flip_rate"]:
        return LEANS_LESS
    if sure["worst_group"]:
        return WORST_BETTER
    if any(better.values()):
        return UNADJUSTED
    moved = facts.get(ATTENTION)
    if moved is not None and (_lies(moved, True) or _lies(moved, False)):
        flips = facts["flip_rate"]
        return MOVED.format(low=100 * flips["low"], high=100 * flips["high"])
    return NOTHING


def _lies(fact: Mapping[str, float], above: bool) -> bool:
    """Say whether an interval leaves out 0, on a side."""
    return bool(fact["low"] > 0 if above else fact["high"] < 0)


def _t_interval(differences: NDArray[Any]) -> tuple[Any, Any]:
    """Return the interval of the mean over seeds, by Student's t however many seeds there are."""
    if len(differences) < 30:
        return interval(differences, 0)
    half = differences.std(0, ddof=1) / np.sqrt(len(differences)) * 1.96
    return differences.mean(0) - half, differences.mean(0) + half


def _t_test(differences: NDArray[Any]) -> NDArray[np.float64]:
    """Return two-sided p-values of paired t-tests: none where nothing varies."""
    seeds = len(differences)
    spread = differences.std(axis=0, ddof=1) / np.sqrt(seeds)
    mean = differences.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        p_value = 2 * stdtr(seeds - 1, -np.abs(mean / spread))
    p_value = np.where(spread > 0, p_value, np.where(mean == 0, 1.0, np.nan))
    return np.asarray(p_value, float)
