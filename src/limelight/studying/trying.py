"""Tries a model, its data and a metric on a few examples before a study spends time on them.

Room: studying. Comes in: a live model, the first partition, a metric. Goes out: nothing but errors
that say what is wrong, and how long a plain pass takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.adapter import adapter_for
from limelight.capture.gating.gates import Gates
from limelight.capture.recognition import Choice
from limelight.errors import LimelightError, StudyError
from limelight.studying.data import Partition
from limelight.studying.metrics import Metric

#: So far may numbers of one example be apart that should be the same.
_CLOSE = 1e-5
#: A user's metric is asked again for so many examples alone.
_ALONE = 8


def tried(model: Any, part: Partition, metric: Metric) -> float:
    """Run a model twice on some examples, and look at what a metric makes of it.

    Parameters
    ----------
    model : object
    part : Partition
    metric : Metric

    Returns
    -------
    float
        Seconds that the second pass took, what was noted on the way included.

    Raises
    ------
    StudyError
        If the second time gives other numbers, a number is not finite, or the metric gives
        anything else than a number for each example, of that example alone.
    """
    adapter = adapter_for(model)
    measure = metric.measure
    probed = Alone(measure) if callable(measure) else measure
    plain = [Gates({}, choice=Choice.of(part.probe))]
    first = adapter.measured(model, part.probe, plain, probed, part.targets)[0]
    finite(first, part.first, metric.name)
    began = time.perf_counter()
    with adapter.stirred(model):
        again = adapter.measured(model, part.probe, plain, measure, part.targets)[0]
    seconds = time.perf_counter() - began
    apart = np.abs(again - first)
    if (apart > _CLOSE * np.maximum(1.0, np.abs(first))).any():
        at = int(np.argmax(apart))
        raise StudyError(
            f"Got a model whose forward pass is random: {metric.name} of example "
            f"{part.first + at} was {first[at]:.6g}, then {again[at]:.6g}.",
            "Wanted the same numbers each time, or every effect would be noise.",
            "Draw no random numbers in inference mode, or from a generator with a seed that the "
            "model sets in each call; look at the metric, too.",
        )
    return seconds


def finite(values: NDArray[Any], first: int, metric: str) -> None:
    """Make sure that a whole model's numbers are finite.

    Parameters
    ----------
    values : array [example]
    first : int
        Number of the first example.
    metric : str
        Its name.

    Raises
    ------
    StudyError
        If one is not.
    """
    odd = np.flatnonzero(~np.isfinite(values))
    if odd.size:
        number = first + int(odd[0])
        raise StudyError(
            f"Got {metric} = {values[odd[0]]} of example {number} for the whole model"
            f"{f', and {odd.size - 1} more that are not finite' if odd.size > 1 else ''}.",
            "Wanted finite numbers: no effect can be taken from others.",
            "Look at that example (its values, and whether any target of it counts) and at the "
            "model's parameters; leave such examples out.",
        )


@dataclass(frozen=True)
class Alone:
    """A user's metric that is asked again for some examples alone, to see that they stay alone.

    Attributes
    ----------
    metric : callable
    """

    metric: Callable[[Any, Any], Any]

    def __call__(self, outputs: Any, targets: Any) -> Any:
        """Return what the metric returns.

        Raises
        ------
        StudyError
            If it gives other numbers for an example without the others, or fails.
        """
        values = self.metric(outputs, targets)
        shape = tuple(getattr(values, "shape", ()))
        if len(shape) != 1 or not shape[0]:
            return values  # the adapter says what is wrong with that
        size = int(shape[0])
        whole = _numbers(values)
        for row in sorted(
            {*range(min(size, _ALONE // 2)), *range(max(size - _ALONE // 2, 0), size)}
        ):
            try:
                alone = self.metric(_rows(outputs, row, size), _rows(targets, row, size))
                number = _numbers(alone)
            except LimelightError:
                raise
            except Exception as error:
                raise StudyError(
                    f"Got a metric that fails where a batch is one example: "
                    f"{type(error).__name__}: {str(error)[:160]}.",
                    "Wanted a number for each example of any batch.",
                    "Keep the axis of examples: no squeeze() without an axis.",
                ) from error
            if number.shape != (1,):
                raise StudyError(
                    f"Got a metric that returns {number.shape or 'no axis'} where a batch is one "
                    "example.",
                    "Wanted one number for each example of any batch: [example].",
                    "Keep the axis of examples: no squeeze() without an axis.",
                )
            if abs(number[0] - whole[row]) > 1e-4 * max(1.0, abs(whole[row])):
                came = f"{number[0]:.6g}"
                raise StudyError(
                    f"Got a metric that looks at other examples: {whole[row]:.6g} for one among "
                    f"{size}, {came} for the same one alone.",
                    "Wanted one number for each example, of that example alone.",
                    "Put candidates and partners of an example into its targets.",
                )
        return values


def _numbers(values: Any) -> NDArray[np.float64]:
    held = values.detach().cpu() if hasattr(values, "detach") else values
    held = held.float() if hasattr(held, "float") else held
    return np.asarray(held, np.float64)


def _rows(value: Any, row: int, size: int) -> Any:
    """Return one example of what a model returned, its axis kept."""
    shape = getattr(value, "shape", None)
    if shape is not None:
        return value[row : row + 1] if len(shape) and shape[0] == size else value
    if isinstance(value, Mapping):
        named = {name: _rows(item, row, size) for name, item in value.items()}
        try:
            return type(value)(**named)
        except TypeError:
            return named
    if isinstance(value, (list, tuple)) and not isinstance(value, str):
        items: Sequence[Any] = [_rows(item, row, size) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value
