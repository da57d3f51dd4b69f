"""Gradients that get lost on their way through the layers."""

from __future__ import annotations

import numpy as np

from limelight.alerts.judging.history import History
from limelight.alerts.judging.rule import Breach, Judged, Words, rule

SHARE = 1e-6


@rule(
    needs={"gradient": ("norm",)},
    harm=28,
    source="2⁻²⁴ = 6·10⁻⁸ is the rounding of single precision and the least number of half "
    "precision; healthy runs measured here stay above 0.016.",
    words=Words(
        "Vanishing gradients",
        "a matrix' gradient norm below 10⁻⁶ of the greatest of all layers, two records running",
        "residual connections, normalisation, ReLU in place of sigmoid, other initial weights",
    ),
    zh=Words(
        "梯度消失",
        "连续两次记录中，某矩阵的梯度范数低于所有层最大值的 10⁻⁶",
        "残差连接、归一化、用 ReLU 代替 sigmoid、改变初始权重",
    ),
)
def vanishing_gradients(history: History) -> Judged:
    """Gradient norms of matrices against the greatest of the same step."""
    table = history["gradient"].only(history["gradient"].matrices)
    norms = table["norm"]
    if norms.shape[1] < 2:
        return None
    most = np.fmax.reduce(np.where(np.isfinite(norms), norms, np.nan), axis=1, keepdims=True)
    share = np.divide(norms, most, where=most > 0, out=np.full(norms.shape, np.nan))
    bad = share < SHARE
    return [Breach(table, "norm", share, bad, SHARE, records=2, lower=True)]
