"""What was looked at before training: which of it is wrong.

Room: below the rules. Comes in: a history. Goes out: a breach of one rule.
"""

from __future__ import annotations

import numpy as np

from limelight.alerts.judging.history import SETUP, History
from limelight.alerts.judging.rule import Breach


def wrong(history: History, name: str) -> list[Breach] | None:
    """Return what a rule said of the settings when it was recorded.

    Parameters
    ----------
    history : History
    name : str
        Of the rule.

    Returns
    -------
    list of Breach, optional
        None where it looked at nothing.
    """
    table = history[SETUP]
    mine = np.array([member.note == name for member in table.members], bool)
    if not mine.any():
        return None
    table = table.only(mine)
    return [Breach(table, "wrong", table["wrong"], table["wrong"] > 0, 0.0)]
