"""Steps that hardly change anything."""

from __future__ import annotations

import numpy as np

from limelight.alerts.judging.history import History
from limelight.alerts.judging.rule import Breach, Judged, Words, rule

RATIO = 1e-6
#: Records that a rate has to warm up.
WARM = 5


@rule(
    needs={"update": ("ratio",)},
    harm=12,
    source="Stanford's CS231n notes: about 10⁻³ is usual, this is a thousandth of it; in healthy "
    "runs measured here some matrix is above 2·10⁻³ at every record.",
    words=Words(
        "Step too small",
        "no step of any matrix has ever changed it by 10⁻⁶ of its norm, five records running",
        "raise the rate; look at the schedule and at the loss's scale",
    ),
    zh=Words(
        "步长过小",
        "连续五次记录中，没有任何一步使任一矩阵的变化达到其范数的 10⁻⁶",
        "提高学习率；检查学习率日程和损失的尺度",
    ),
)
def step_too_small(history: History) -> Judged:
    """The greatest ratio of change to norm so far, of all matrices.

    A rate that falls at the end of training is no fault: what was larger before counts.
    """
    table = history["update"].only(history["update"].matrices)
    ratios = table["ratio"]
    if len(ratios) < WARM or not ratios.size:
        return None
    known = np.where(np.isfinite(ratios), ratios, -np.inf)
    most = np.maximum.accumulate(known.max(axis=1))
    bad = np.isfinite(ratios) & ((most < RATIO) & (most > -np.inf))[:, None]
    return [Breach(table, "ratio", ratios, bad, RATIO, records=WARM, lower=True)]
