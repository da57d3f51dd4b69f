"""What activation and normalisation layers give for a probe, summed up.

Room: capture, below the adapters. Comes in: outputs as a model runs on a probe. Goes out: a table
for the store. Knows no framework.
"""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.capture.tensors import Tensor, summed_up
from limelight.distribution import TensorTable, distribution, merged

#: What an activation's table has beside the numbers of every tensor: the share of units that are
#: zero at every position, the share of values at the ends of a bounded function, how many units
#: there are, and at how many positions each was seen.
NUMBERS: Final = ("dead", "saturated", "units", "positions")

#: Classes and functions of which outputs are kept, by how their names end.
NORMALISATIONS: Final = re.compile(r"(Norm|Norm[123]d|Normalization)$")
ACTIVATIONS: Final = re.compile(
    r"(relu6?|gelu\w*|silu|swish|mish|elu|selu|celu|sigmoid|tanh|softplus|softsign|hardswish|glu"
    r"|activation)_?$",
    re.IGNORECASE,
)

#: How close to the end of a bounded function a value is called saturated.
_END: Final = 0.01
_BOUNDS: Final = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}


class Outputs:
    """Collects outputs as a model runs."""

    def __init__(self) -> None:
        self._tensors: dict[str, Tensor] = {}
        self._alive: dict[str, NDArray[np.bool_]] = {}

    def add(self, name: str, kind: str, values: NDArray[Any], axis: int, dtype: str = "") -> None:
        """Add an output; of several of one name, what they are together.

        Parameters
        ----------
        name : str
        kind : str
            Name of the class or function that gave it.
        values : array
        axis : int
            Along which units lie.
        dtype : str
        """
        if values.dtype.kind != "f" or values.ndim < 2 or not values.size:
            return
        summed, ends = distribution(values), _saturated(values, kind)
        by_unit = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
        alive, positions = (by_unit != 0).any(axis=1), by_unit.shape[1]
        before = self._tensors.get(name)
        if before is not None:
            share = summed.size / (before.distribution.size + summed.size)
            ends = share * ends + (1 - share) * before.numbers["saturated"]
            summed = merged([before.distribution, summed])
            positions += int(before.numbers["positions"])
            if alive.shape == self._alive[name].shape:
                alive = alive | self._alive[name]
        self._alive[name] = alive
        numbers = {
            "dead": 1 - float(alive.mean()),
            "saturated": ends,
            "units": float(len(alive)),
            "positions": float(positions),
        }
        self._tensors[name] = Tensor(summed, values.shape, False, kind, dtype, numbers)

    def table(self) -> TensorTable:
        """Lay out what was collected."""
        return summed_up(self._tensors, NUMBERS)


def wanted(name: str) -> bool:
    """Say whether outputs of a class or function of that name are kept.

    Parameters
    ----------
    name : str

    Returns
    -------
    bool

    Examples
    --------
    >>> [name for name in ("ReLU", "LayerNorm", "Linear", "tanh") if wanted(name)]
    ['ReLU', 'LayerNorm', 'tanh']
    """
    return bool(ACTIVATIONS.search(name) or NORMALISATIONS.search(name))


def _saturated(values: NDArray[Any], kind: str) -> float:
    """Return the share of values at the ends of a bounded function; NaN of one without."""
    word = kind.lower().strip("_")
    bounds = next((ends for name, ends in _BOUNDS.items() if word.endswith(name)), None)
    if bounds is None or "hard" in word or "log" in word:
        return float("nan")
    low, high = bounds  # of the values themselves: the bins at 1 are wider than an end
    return float(((values < low + _END) | (values > high - _END)).mean())
