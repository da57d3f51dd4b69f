"""What a training loop measures of itself: losses and the like, kept beside what is recorded.

Room: capture, below the adapters. Comes in: a loop's own numbers, by name. Goes out: columns of the
table of training. Knows no framework.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from limelight.capture.tensors import facts
from limelight.capture.watching import TRAINING_NUMBERS
from limelight.distribution import TensorTable

#: Ends the name of the column that says at which step a number was measured.
MEASURED_AT: Final = "_step"

#: A loop may log a number for each of its classes; a table has room for so many.
_MOST: Final = 32

#: What loops log beside what they measure.
_NOT_MEASURED: Final = re.compile(
    r"(^|_)(epoch|step|runtime|per_second|flos|learning_rate|lr|grad_norm)$"
)


class Metrics:
    """The newest of a loop's numbers, each with the step it was measured at.

    A name that was seen once keeps its column, so that a recording's layout stays what it is.
    """

    def __init__(self) -> None:
        self._newest: dict[str, tuple[Any, int]] = {}
        self._names: dict[str, None] = {}

    def note(self, metrics: Mapping[str, Any] | None, step: int) -> None:
        """Remember numbers until the next record.

        Parameters
        ----------
        metrics : mapping of str to number, optional
            What is no number is left out; a tensor is read when it is recorded, not now.
        step : int
        """
        for name, value in (metrics or {}).items():
            known = name in self._names or len(self._names) < _MOST
            if known and not _reserved(name):
                self._names[name] = None
                self._newest[name] = (value, step)

    def added(self, training: TensorTable | None) -> TensorTable | None:
        """Add what was noted since the last record to a table of training, and forget it.

        Parameters
        ----------
        training : TensorTable, optional

        Returns
        -------
        TensorTable or None
            None if there is nothing at all.
        """
        if not self._names:
            return training
        nothing = dict.fromkeys(self._names, (math.nan, math.nan))
        newest, self._newest = {**nothing, **self._newest}, {}
        return _with(training, newest)

    def amended(self, training: TensorTable | None) -> TensorTable | None:
        """Add what was noted after a record to its own table of training, and forget it.

        Parameters
        ----------
        training : TensorTable, optional
            As that record has it; what it says of other numbers stays.

        Returns
        -------
        TensorTable or None
            None if nothing was noted since.
        """
        newest, self._newest = self._newest, {}
        return _with(training, newest) if newest else None


def _with(training: TensorTable | None, newest: Mapping[str, tuple[Any, float]]) -> TensorTable:
    """Return a table with two columns for each number: what it is, and when it was measured."""
    columns: dict[str, Any] = {}
    for name, (value, step) in newest.items():
        columns[name] = np.array([_number(value)])
        columns[name + MEASURED_AT] = np.array([float(step)])
    known = facts({"all": {}}, (), trainable=True) if training is None else training
    return known.assign(columns)


def _reserved(name: object) -> bool:
    return (
        not isinstance(name, str)
        or name in TRAINING_NUMBERS
        or _NOT_MEASURED.search(name) is not None
    )


def _number(value: Any) -> float:
    """Return a number as Python's, NaN for what is none."""
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return math.nan
