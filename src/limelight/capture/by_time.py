"""Gradients of what recurrent layers are handed, by time step: how far back learning reaches.

Room: capture, below the adapters. Comes in: sums of squares by time step. Goes out: a table for the
store. Knows no framework.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from limelight.capture.tensors import facts
from limelight.distribution import TensorTable
from limelight.distribution.columns import TIMES

#: Name of the table.
TIME: Final = "time"

#: Its numbers beside those of the time steps: how many there were, norms at the first and at the
#: last of them, the least and the greatest.
NUMBERS: Final = ("length", "first", "last", "least", "most")


class ByTime:
    """Adds gradients up, by layer and time step."""

    def __init__(self) -> None:
        self._squares: dict[str, np.ndarray[Any, Any]] = {}

    def add(self, name: str, squares: Sequence[float], begin: int = 0) -> None:
        """Add a gradient.

        Parameters
        ----------
        name : str
            Of the layer.
        squares : sequence of float
            Sums of squares over examples and features at each time step, in the order of time.
        begin : int
            The first of these time steps.
        """
        more = np.asarray(squares, np.float64)
        before = self._squares.get(name, more[:0])
        whole = np.zeros(max(len(before), begin + len(more)))
        whole[: len(before)] += before
        whole[begin : begin + len(more)] += more
        self._squares[name] = whole

    def __bool__(self) -> bool:
        return bool(self._squares)

    def table(self) -> TensorTable:
        """Lay out what was added up; one layout for all lengths."""
        rows = {name: _numbers(squares) for name, squares in self._squares.items() if len(squares)}
        return facts(rows, (*NUMBERS, *TIMES))


def _numbers(squares: np.ndarray[Any, Any]) -> dict[str, float]:
    """Return norms at time steps; of more than there are columns, root mean squares of several."""
    norms = np.sqrt(squares)
    cells = min(len(squares), len(TIMES))
    starts = np.arange(cells) * len(squares) // cells
    sizes = np.diff(starts, append=len(squares))
    shown = np.sqrt(np.add.reduceat(squares, starts) / sizes)
    ends = (float(len(squares)), norms[0], norms[-1], norms.min(), norms.max())
    return dict(zip(NUMBERS, map(float, ends), strict=True)) | dict(
        zip(TIMES, shown.tolist(), strict=False)
    )
