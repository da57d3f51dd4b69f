"""Units that are zero wherever the probe looks, and get no gradient."""

from __future__ import annotations

import numpy as np

from limelight.alerts.judging.history import History, Table, together
from limelight.alerts.judging.producers import fed_by
from limelight.alerts.judging.rule import Breach, Judged, Words, rule

#: Positions a unit was seen at before its silence means anything.
POSITIONS = 256
SHARE = 0.5


@rule(
    needs={"activation": ("dead", "positions", "units"), "gradient": ("zeros",)},
    harm=30,
    source="Stanford's CS231n notes on activation functions call 40 % a sign of too large a rate; "
    "healthy runs measured here stay below 22 %.",
    words=Words(
        "Dead units",
        "more than 50 % of units zero at all of ≥ 256 positions and without gradient, two records "
        "running",
        "smaller steps, another initial bias, a leaky activation",
    ),
    zh=Words(
        "死亡单元",
        "连续两次记录中，超过 50 % 的单元在全部 ≥ 256 个位置上为零且没有梯度",
        "减小步长、改变初始偏置、改用带泄漏的激活函数",
    ),
)
def dead_units(history: History) -> Judged:
    """Units that are zero at every position of the probe, and whose parameters get no gradient.

    Zero at few positions is silence on this probe, and says nothing: such layers are not judged.
    """
    outputs, gradients = together(history["activation"], history["gradient"])
    enough = outputs["positions"] >= POSITIONS
    if not enough.any():
        return None
    silent = np.full(outputs["dead"].shape, False)
    for at in np.flatnonzero(enough.any(axis=0)).tolist():
        fed = _feeding(outputs, at, gradients)
        if fed:
            # Zero for at least as many units as are dead; of one tensor that feeds them.
            zeros = gradients["zeros"][:, fed].max(axis=1)
            silent[:, at] = zeros >= outputs["dead"][:, at] - 1e-6
    bad = enough & silent & (outputs["dead"] > SHARE)
    return [Breach(outputs, "dead", outputs["dead"], bad, SHARE, records=2)]


def _feeding(outputs: Table, at: int, gradients: Table) -> list[int]:
    units = outputs["units"][:, at]
    known = units[~np.isnan(units)]
    return fed_by(outputs.names[at], int(known[-1]), gradients) if known.size else []
