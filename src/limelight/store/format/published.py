"""The steps a recording holds, and finding some of them.

Room: store. Comes in: lines of the index; a step, a slice of steps, or a list. Goes out: lines, or
an error that says which steps there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from limelight.errors import NotRecordedError
from limelight.store.format.index import Line

Steps = slice | int | Sequence[int] | np.ndarray[Any, Any]


class Published:
    """Published steps, ascending; of a step recorded again, the last line.

    Parameters
    ----------
    run : str
        The run's name, for messages.
    lines : iterable of Line
        As the index lists them.
    """

    def __init__(self, run: str, lines: Iterable[Line]) -> None:
        newest = {line.step: line for line in lines}
        self._run = run
        self._lines = {step: newest[step] for step in sorted(newest)}
        self.steps = np.fromiter(self._lines, np.int64, len(self._lines))
        self.steps.flags.writeable = False

    @property
    def lines(self) -> list[Line]:
        """Every line."""
        return list(self._lines.values())

    def line(self, step: int) -> Line:
        """Return one step's line; negative counts from the newest.

        Parameters
        ----------
        step : int

        Returns
        -------
        Line

        Raises
        ------
        NotRecordedError
            If there is no such step; says which come near.
        """
        step, count = _whole(step, self._run), self.steps.size
        if step in self._lines:
            return self._lines[step]
        if -count <= step < 0:
            return self._lines[int(self.steps[step])]
        if not count:
            raise NotRecordedError(
                f"Got step {step} of run {self._run!r}.",
                "Nothing has been recorded in it yet.",
                "Wait for the first step, then ask again.",
            )
        nearest = self.steps[np.abs(self.steps - step).argmin()]
        raise NotRecordedError(
            f"Got step {step} of run {self._run!r}.",
            f"Recorded are {count} steps from {self.steps[0]} to {self.steps[-1]}.",
            f"Ask for a recorded step, such as {nearest}, or -1 for the newest.",
        )

    def attended(self, step: int) -> Line:
        """Return the line of a step at which attention was recorded."""
        line = self.line(step)
        if not line.attention:
            having = [known.step for known in self.lines if known.attention]
            raise NotRecordedError(
                f"Got step {line.step} of run {self._run!r}, which has no attention.",
                f"Attention was recorded at {len(having)} other steps.",
                f"Ask for step {having[-1]}, say." if having else "Ask for its parameters.",
            )
        return line

    def several(self, step: Steps) -> list[Line]:
        """Return the lines of several steps.

        Parameters
        ----------
        step : slice, int, or sequence of int
            A slice is by step, both ends included, as in xarray's ``sel``; its own step is every
            how many recorded steps. Negative ints count from the newest.

        Returns
        -------
        list of Line
        """
        if not isinstance(step, slice):
            several: list[Any] = list(step) if np.ndim(step) else [step]  # type: ignore[arg-type]
            return [self.line(number) for number in several]
        low = -np.inf if step.start is None else step.start
        high = np.inf if step.stop is None else step.stop
        within = [line for line in self.lines if low <= line.step <= high]
        return within[:: step.step]


def _whole(step: Any, run: str) -> int:
    """Return a step as a whole number; NumPy's, and arrays of one, will do."""
    try:
        if not isinstance(step, str | bytes) and float(step) == int(step):
            return int(step)
    except (TypeError, ValueError, OverflowError):
        pass
    raise NotRecordedError(
        f"Got step {step!r} of run {run!r}.",
        "Wanted a recorded step, a whole number; negative ones count from the newest.",
        "Ask for a step of run.steps, or -1 for the newest.",
    )
