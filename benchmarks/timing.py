"""Times that can be compared on a machine that does other things too.

Two ways of doing the same are measured in turns, round by round, so that whatever slows the
machine slows both. Both wall and CPU time are taken; where wall time proves noisy, CPU time of
the process and all its threads, which pre-emption does not touch, decides.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

#: Share by which the middle half of the wall times may spread before CPU time decides.
NOISY = 0.05


@dataclass(frozen=True)
class Sample:
    """One timed call: seconds on the clock, and seconds of CPU of the whole process."""

    wall: float
    cpu: float


def timed(act: Callable[[], object]) -> Sample:
    """Do something once and time it."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    act()
    return Sample(time.perf_counter() - wall, time.process_time() - cpu)


def in_turns(rounds: int, *acts: Callable[[], object]) -> list[list[Sample]]:
    """Time each act once a round; every other round in reverse order.

    Returns
    -------
    list of list of Sample
        For each act, its samples by round.
    """
    samples: list[list[Sample]] = [[] for _ in acts]
    for number in range(rounds):
        order = range(len(acts))
        for ordinal in order if number % 2 == 0 else reversed(order):
            samples[ordinal].append(timed(acts[ordinal]))
    return samples


def spread(values: Sequence[float]) -> float:
    """Return the width of the middle half of some values as a share of their median."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return float((high - low) / middle)


@dataclass(frozen=True)
class Ratio:
    """How many times longer one way takes than the other.

    Attributes
    ----------
    value : float
        Median of the ratios of each round, of wall time or, if ``clock`` says so, CPU time.
    low, high : float
        Smallest and largest ratio of a round, of the same clock.
    least : float
        Ratio of the shortest times of each, of the same clock.
    other : float
        Median ratio of the other clock.
    clock : str
        ``wall`` or ``CPU``.
    """

    value: float
    low: float
    high: float
    least: float
    other: float
    clock: str

    @property
    def text(self) -> str:
        """The spread in words, for the table's last column."""
        other = "CPU" if self.clock == "wall" else "wall"
        return (
            f"{self.clock} time, median of the rounds' ratios ({self.low:.3g} to {self.high:.3g}; "
            f"shortest to shortest {self.least:.3g}; by {other} time {self.other:.3g})"
        )


def ratio(longer: Sequence[Sample], shorter: Sequence[Sample]) -> Ratio:
    """Compare the rounds of two ways, the second being the unit."""
    by_clock = {}
    for clock in ("wall", "cpu"):
        over = np.array([getattr(sample, clock) for sample in longer])
        under = np.array([getattr(sample, clock) for sample in shorter])
        by_clock[clock] = (over / under, over.min() / under.min())
    noisy = (
        max(spread([sample.wall for sample in samples]) for samples in (longer, shorter)) > NOISY
    )
    chosen, other = ("cpu", "wall") if noisy else ("wall", "cpu")
    rounds, least = by_clock[chosen]
    return Ratio(
        value=float(np.median(rounds)),
        low=float(rounds.min()),
        high=float(rounds.max()),
        least=float(least),
        other=float(np.median(by_clock[other][0])),
        clock="CPU" if noisy else "wall",
    )


def middle(samples: Sequence[Sample]) -> Sample:
    """Return the median wall and CPU time."""
    return Sample(
        float(np.median([sample.wall for sample in samples])),
        float(np.median([sample.cpu for sample in samples])),
    )
