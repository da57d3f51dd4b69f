"""Attention of a whole layer that falls onto single keys."""

from __future__ import annotations

import numpy as np

from limelight.alerts.judging.heads import evenness, of_site
from limelight.alerts.judging.history import ATTENTION, History
from limelight.alerts.judging.rule import Breach, Judged, Words, rule

LOW = 0.05
BEGAN = 0.3


@rule(
    needs={ATTENTION: ("entropy", "entropy_uniform")},
    harm=32,
    source="Zhai et al., ICML 2023: training becomes unstable as entropy falls towards zero in all "
    "heads of a layer; no head of the healthy runs measured here fell below 0.49.",
    words=Words(
        "Entropy collapse",
        "every head of a site below 5 % of the entropy of even attention, two records running, "
        "having begun above 30 %",
        "lower the rate, warm up, normalise queries and keys",
    ),
    zh=Words(
        "熵塌缩",
        "连续两次记录中，某站点的每个头的熵都低于均匀注意力的 5 %，而起初高于 30 %",
        "降低学习率、预热、对查询和键做归一化",
    ),
)
def entropy_collapse(history: History) -> Judged:
    """Entropy by that of even attention, where it is low in every head of a site.

    One sharp head is no fault: many learn to look at one key.
    """
    table = history[ATTENTION]
    even = evenness(table)
    low = of_site(table, (even < LOW) | np.isnan(even), np.all) & (even < LOW)
    bad = low & (even[:1] > BEGAN)
    return [Breach(table, "entropy", even, bad, LOW, records=2, lower=True)]
