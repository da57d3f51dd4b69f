"""What a study costs, said before it starts, and how far it is while it runs.

Room: studying. Comes in: how many tasks and passes, and how long one takes. Goes out: lines on a
terminal. Nothing is written where nobody looks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

Told = Callable[[int, int], None]

_WIDTH = 24


@dataclass(frozen=True)
class Cost:
    """What a study takes.

    Attributes
    ----------
    study : str
    examples, tasks : int
    passes : int
        Of the model, over one task each, in all; of passes that share what comes before a head,
        the whole is counted.
    seconds : float
        About, from one plain pass that was timed; NaN if none was.
    memory : int
        Bytes of this process at most so far; each worker takes about as much.
    """

    study: str
    examples: int
    tasks: int
    passes: int
    seconds: float
    memory: int

    def __str__(self) -> str:
        parts = [f"{self.examples:,} examples in {self.tasks:,} tasks",
                 f"{self.passes:,} passes of the model"]  # fmt: skip
        if self.seconds == self.seconds:
            parts.append(f"about {lasting(self.seconds)}")
        if self.memory:
            parts.append(f"{self.memory / 1e6:,.0f} MB a process")
        return f"{self.study}: {', '.join(parts)}"


class Bar:
    """A line that says how far a study is.

    Parameters
    ----------
    study : str
    stream : file, optional
        The standard error if not given.
    """

    def __init__(self, study: str, stream: TextIO | None = None) -> None:
        self._study, self._stream = study, stream or sys.stderr
        self._begun: tuple[float, int] | None = None
        self._written = ""

    def cost(self, cost: Cost) -> None:
        """Say what it takes."""
        self._stream.write(f"{cost}\n")
        self._stream.flush()

    def __call__(self, done: int, tasks: int) -> None:
        """Say how many tasks are done."""
        now = time.monotonic()
        if self._begun is None:
            self._begun = now, done
        began, first = self._begun
        line = f"{self._study} {_drawn(done, tasks)} {done}/{tasks}"
        if done > first and done < tasks:
            line += f" {lasting((now - began) / (done - first) * (tasks - done))} left"
        if line != self._written:
            self._stream.write(f"\r{line.ljust(len(self._written))}" + "\n" * (done >= tasks))
            self._stream.flush()
            self._written = line


def teller(progress: Any, study: str) -> Any:
    """Return who is told of progress.

    Parameters
    ----------
    progress : None, bool, or callable
        None: a bar if the standard error is a terminal. A function gets tasks done, and in all.
    study : str

    Returns
    -------
    callable or None
    """
    if callable(progress):
        return progress
    shown = progress if progress is not None else sys.stderr is not None and sys.stderr.isatty()
    return Bar(study) if shown else None


def lasting(seconds: float) -> str:
    """Write a time for people.

    Parameters
    ----------
    seconds : float

    Returns
    -------
    str

    Examples
    --------
    >>> lasting(8), lasting(150), lasting(9_000)
    ('8 s', '2.5 min', '2.5 h')
    """
    if seconds < 100:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6_000 else f"{seconds / 3_600:.1f} h"


def _drawn(done: int, tasks: int) -> str:
    full = _WIDTH * done // max(tasks, 1)
    return "█" * full + "░" * (_WIDTH - full)
