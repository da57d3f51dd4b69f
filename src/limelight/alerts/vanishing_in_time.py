"""Gradients that get lost on their way back through time."""

from __future__ import annotations

import numpy as np

from limelight.alerts.judging.history import History
from limelight.alerts.judging.rule import Breach, Judged, Words, rule

SHARE = 1e-6


@rule(
    needs={"time": ("first", "most")},
    harm=27,
    source="2⁻²⁴ = 6·10⁻⁸ is the rounding of single precision. An untrained LSTM over 100 steps, "
    "read at its last, had 4·10⁻⁹ in a trial; one of 14 steps does not reach it.",
    words=Words(
        "Gradients vanish in time",
        "a recurrent layer's gradient at the first time step below 10⁻⁶ of the greatest, two "
        "records running",
        "pool over all steps by attention, read both ways, a forget bias of 1, shorter sequences",
    ),
    zh=Words(
        "梯度随时间消失",
        "连续两次记录中，循环层在首个时间步的梯度低于最大值的 10⁻⁶",
        "用注意力汇聚所有时间步、双向读取、遗忘门偏置设为 1、缩短序列",
    ),
)
def vanishing_in_time(history: History) -> Judged:
    """Gradient norm at the first time step by the greatest of all; exactly 0 is padding."""
    table = history["time"]
    first, most = table["first"], table["most"]
    share = np.divide(first, most, where=most > 0, out=np.full(most.shape, np.nan))
    bad = (share < SHARE) & (first > 0)
    return [Breach(table, "first", share, bad, SHARE, records=2, lower=True)]
