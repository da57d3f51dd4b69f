"""Heads that looked somewhere, and look everywhere now."""

from __future__ import annotations

import numpy as np

from limelight.alerts.judging.heads import evenness
from limelight.alerts.judging.history import ATTENTION, History
from limelight.alerts.judging.rule import Breach, Judged, Words, rule

EVEN = 0.99
HAD = 0.9


@rule(
    needs={ATTENTION: ("entropy", "entropy_uniform")},
    harm=15,
    source="Measured: no head of the healthy runs here that had once chosen came back to it.",
    words=Words(
        "Head gone uniform",
        "a head at 99 % of the entropy of even attention, two records running, after it was below "
        "90 %",
        "look at weight decay and the rate; the head may be idle: ablate it",
    ),
    zh=Words(
        "注意力头变均匀",
        "某个头的熵曾低于均匀注意力的 90 %，现连续两次记录达到 99 %",
        "检查权重衰减和学习率；该头可能闲置：可消融验证",
    ),
)
def uniform_head(history: History) -> Judged:
    """Entropy by that of even attention, of heads that were less even before."""
    table = history[ATTENTION]
    even = evenness(table)
    least = np.fmin.accumulate(even, axis=0)
    return [Breach(table, "entropy", even, (even > EVEN) & (least < HAD), EVEN, records=2)]
