"""Attention that leaps onto the first key."""

from __future__ import annotations

import numpy as np

from limelight.alerts.judging.history import ATTENTION, History
from limelight.alerts.judging.recent import typical
from limelight.alerts.judging.rule import Breach, Judged, Words, rule

JUMP = 0.5
#: Records before the jump in which it must have been calm.
CALM = 4


@rule(
    needs={ATTENTION: ("first_key_share", "first_key_share_uniform")},
    harm=14,
    source="Xiao et al., ICLR 2024: sinks are usual; a leap within one record is not: healthy runs "
    "measured here move by 0.01 once four records are over.",
    words=Words(
        "Sink jump",
        "a head's share on the first key, beyond even attention, rises by more than 0.5 above its "
        "last records, after four of them",
        "look at the rate and the loss at that step; compare the head's maps before and after",
    ),
    zh=Words(
        "首键汇聚突增",
        "四次记录之后，某个头落在首键上的份额（超出均匀部分）比近期高出 0.5 以上",
        "检查该步的学习率和损失；比较该头前后的注意力图",
    ),
)
def sink_jump(history: History) -> Judged:
    """Share on the first key beyond that of even attention, against the records before."""
    table = history[ATTENTION]
    even = table["first_key_share_uniform"]
    room = np.where(even < 0.9, 1 - even, np.nan)
    beyond = np.clip((table["first_key_share"] - even) / room, 0, None)
    # Shifted, so that a share of nothing counts too.
    jump = beyond - (typical(beyond + 1) - 1)
    bad = jump > JUMP
    bad[:CALM] = False
    return [Breach(table, "first_key_share", table["first_key_share"], bad, JUMP)]
