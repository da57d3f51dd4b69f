"""Scores of attention that grow without end."""

from __future__ import annotations

import numpy as np

from limelight.alerts.judging.history import ATTENTION, History
from limelight.alerts.judging.rule import Breach, Judged, Words, rule

SCORE = 100.0
TIMES = 2.0


@rule(
    needs={ATTENTION: ("largest_score",)},
    harm=34,
    source="Kimi K2's technical report, 2025, section 2.1, clips queries and keys where a head's "
    "largest score passes 100; Dehghani et al., ICML 2023, saw training diverge as scores grew.",
    words=Words(
        "Growing attention scores",
        "a head's largest score before the softmax above 100, and above twice what it was first",
        "normalise queries and keys, lower the rate, weight decay",
    ),
    zh=Words(
        "注意力分数增长",
        "某个头在 softmax 之前的最大分数超过 100，且超过最初的两倍",
        "对查询和键做归一化、降低学习率、权重衰减",
    ),
)
def growing_scores(history: History) -> Judged:
    """The largest score that any query gives to a key, by head."""
    table = history[ATTENTION]
    scores = table["largest_score"]
    known = np.isfinite(scores)
    if not known.any():
        return None
    first = scores[known.argmax(axis=0), np.arange(scores.shape[1])]
    bad = (scores > SCORE) & (scores > TIMES * np.abs(first))
    return [Breach(table, "largest_score", scores, bad, SCORE)]
