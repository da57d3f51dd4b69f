"""Bounded activations that sit at their ends."""

from __future__ import annotations

import numpy as np

from limelight.alerts.judging.history import History, Table
from limelight.alerts.judging.rule import Breach, Judged, Words, rule

#: Values that were seen before their share means anything.
VALUES = 256
SHARE = 0.5


@rule(
    needs={"activation": ("saturated", "positions", "units")},
    reads={"parameter": ("norm",)},
    harm=25,
    source="Glorot and Bengio, AISTATS 2010, section 3: training stalls where a layer's values lie "
    "at the ends; first weights ten times as large as usual do not reach it.",
    words=Words(
        "Saturated activations",
        "more than 50 % of a hidden layer's values within 0.01 of the ends of tanh or sigmoid, two "
        "records running",
        "smaller initial weights, normalisation before it, a lower rate",
    ),
    zh=Words(
        "激活饱和",
        "连续两次记录中，隐藏层超过 50 % 的值距 tanh 或 sigmoid 的两端不足 0.01",
        "减小初始权重、在其前加归一化、降低学习率",
    ),
)
def saturated_activations(history: History) -> Judged:
    """Values of hidden layers at the ends of tanh or sigmoid, where the gradient vanishes.

    An answer that is sure of itself is no fault: the last layer is not judged.
    """
    outputs = history["activation"]
    enough = outputs["positions"] * outputs["units"] >= VALUES
    judged = enough & ~np.isnan(outputs["saturated"])
    judged[:, _answers(outputs, history.get("parameter"))] = False
    bad = judged & (outputs["saturated"] > SHARE)
    return [Breach(outputs, "saturated", outputs["saturated"], bad, SHARE, records=2)]


def _answers(outputs: Table, parameters: Table | None) -> list[int]:
    """Return the last activation if it has as many units as the model's last layer."""
    if parameters is None or not outputs.names:
        return []
    shapes = [member.shape for member in parameters.members if member.trainable and member.shape]
    units = outputs["units"][:, -1]
    known = units[~np.isnan(units)]
    if not shapes or not known.size or known[-1] not in (shapes[-1][0], shapes[-1][-1]):
        return []
    return [len(outputs.names) - 1]
