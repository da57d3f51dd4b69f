"""Gradients that grow on their way back through time."""

from __future__ import annotations

import numpy as np

from limelight.alerts.judging.history import History
from limelight.alerts.judging.rule import Breach, Judged, Words, rule

TIMES = 1e4
#: What no mean loss's gradient has at a single time step.
LARGE = 10.0


@rule(
    needs={"time": ("first", "last")},
    harm=42,
    source="Pascanu et al., ICML 2013, section 2.1: the gradient grows by the recurrent matrix' "
    "largest eigenvalue at each step; 1.1 over 100 steps is 10⁴.",
    words=Words(
        "Gradients explode in time",
        "a recurrent layer's gradient at the first time step above 10,000 times that at the last, "
        "and above 10",
        "clip by the global norm, orthogonal recurrent weights, shorter sequences",
    ),
    zh=Words(
        "梯度随时间爆炸",
        "循环层在首个时间步的梯度超过末个时间步的 10,000 倍，且大于 10",
        "按全局范数裁剪、正交的循环权重、缩短序列",
    ),
)
def exploding_in_time(history: History) -> Judged:
    """Gradient norm at the first time step by that at the last."""
    table = history["time"]
    first, last = table["first"], table["last"]
    times = np.divide(first, last, where=last > 0, out=np.full(last.shape, np.nan))
    bad = (times > TIMES) & (first > LARGE)
    return [Breach(table, "first", times, bad, TIMES)]
