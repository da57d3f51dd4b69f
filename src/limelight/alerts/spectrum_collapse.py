"""Matrices that come down to a single direction."""

from __future__ import annotations

import numpy as np

from limelight.alerts.judging.history import History
from limelight.alerts.judging.rule import Breach, Judged, Words, rule

RANK = 1.1
BEGAN = 3.0


@rule(
    needs={"spectrum": ("stable_rank",)},
    harm=22,
    source="A stable rank of 1 is a matrix of one direction; healthy runs measured here stay above "
    "1.6.",
    words=Words(
        "Spectrum collapse",
        "a matrix' stable rank below 1.1, having begun above 3",
        "weight decay, a lower rate, spectral normalisation; look for an input that dominates",
    ),
    zh=Words(
        "谱塌缩",
        "某矩阵的稳定秩低于 1.1，而起初高于 3",
        "权重衰减、降低学习率、谱归一化；检查是否有支配性的输入",
    ),
)
def spectrum_collapse(history: History) -> Judged:
    """Sum of squared singular values by the largest square."""
    table = history["spectrum"]
    ranks = table["stable_rank"]
    first = np.fmax.accumulate(ranks, axis=0)
    bad = (ranks < RANK) & (first > BEGAN)
    return [Breach(table, "stable_rank", ranks, bad, RANK, lower=True)]
