"""Steps that change weights by much of their own size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from limelight.alerts.judging.history import History
from limelight.alerts.judging.rule import Breach, Judged, Words, rule

RATIO = 0.1


@rule(
    needs={"update": ("ratio",)},
    reads={"parameter": ("norm",)},
    harm=40,
    source="Stanford's CS231n notes on the ratio of updates to weights: about 10⁻³ is usual; "
    "healthy runs measured here stay below 0.035, at Adam's first steps.",
    words=Words(
        "Step too large",
        "one step changes a matrix by more than 0.1 of its norm",
        "warm up, lower the rate, clip by the global norm",
    ),
    zh=Words(
        "步长过大",
        "一步使某矩阵的变化超过其范数的 0.1",
        "预热、降低学习率、按全局范数裁剪",
    ),
)
def step_too_large(history: History) -> Judged:
    """Norm of a step's change by that of the matrix it changes.

    A matrix that begins at zero, as of an adapter, has no size to compare with, and is not judged.
    """
    table = history["update"].only(history["update"].matrices & _sized(history))
    ratios = table["ratio"]
    return [Breach(table, "ratio", ratios, ratios > RATIO, RATIO)]


def _sized(history: History) -> NDArray[np.bool_]:
    """Return which tensors of the updates do not begin at zero."""
    names, parameters = history["update"].names, history.get("parameter", "norm")
    if parameters is None:
        return np.ones(len(names), bool)
    empty = parameters["norm"][:1] == 0
    zero = {name for name, none in zip(parameters.names, empty.all(axis=0), strict=True) if none}
    return np.array([name not in zero for name in names], bool)
