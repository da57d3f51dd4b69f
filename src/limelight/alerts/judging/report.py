"""All rules at once: what they found, which found nothing, which could not run.

Room: below the rules. Comes in: a history. Goes out: :class:`Report`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from limelight.alerts.judging.alert import Alert, alerts_of
from limelight.alerts.judging.history import History
from limelight.alerts.judging.rule import Judged, Rule
from limelight.catalogue import modules
from limelight.errors import LimelightError, LimelightWarning


@dataclass(frozen=True)
class Report:
    """What rules make of a history.

    Attributes
    ----------
    alerts : list of Alert
        Most harm first.
    quiet : list of str
        Rules that ran and found nothing.
    lacking : list of str
        Rules that could not run, for want of what was recorded.
    """

    alerts: list[Alert]
    quiet: list[str]
    lacking: list[str]


@cache
def rules() -> Mapping[str, Rule]:
    """Return every rule by name, in alphabetical order.

    Returns
    -------
    mapping of str to Rule

    Examples
    --------
    >>> rules()["dead_units"].words.title
    'Dead units'
    """
    cards: dict[str, Rule] = {}
    for module in modules("alerts"):
        held = (getattr(value, "card", None) for value in vars(module).values())
        cards |= {card.name: card for card in held if isinstance(card, Rule)}
    return dict(sorted(cards.items()))


@cache
def columns() -> Mapping[str, tuple[str, ...]]:
    """Return the columns that rules look at, by kind of table.

    Returns
    -------
    mapping of str to tuple of str
    """
    asked: dict[str, dict[str, None]] = {}
    for card in rules().values():
        for wanted in (card.needs, card.reads):
            for kind, names in wanted.items():
                asked.setdefault(kind, {}).update(dict.fromkeys(names))
    return {kind: tuple(names) for kind, names in asked.items()}


def report(history: History) -> Report:
    """Judge a history by every rule.

    Parameters
    ----------
    history : History

    Returns
    -------
    Report

    Examples
    --------
    >>> report(History()).alerts
    []
    """
    alerts: list[Alert] = []
    quiet, lacking = [], []
    for name, card in rules().items():
        judged = _judged(card, history) if history.has(card.needs) else None
        if judged is None:
            lacking.append(name)
            continue
        raised = [alert for breach in judged for alert in alerts_of(card, breach)]
        alerts += raised
        if not raised:
            quiet.append(name)
    alerts.sort(key=lambda alert: (-alert.harm, alert.since, alert.rule))
    return Report(alerts, quiet, lacking)


def _judged(card: Rule, history: History) -> Judged:
    """Return what a rule sees; one of another package that fails is told, and left out."""
    try:
        with np.errstate(all="ignore"):  # diverged models have NaN, which is an answer
            return card.function(history)
    except LimelightError:
        raise
    except Exception as cause:
        if card.function.__module__.startswith("limelight."):
            raise
        warnings.warn(
            LimelightWarning(
                f"limelight goes on without the rule {card.name!r} of {card.function.__module__}, "
                f"which raised {type(cause).__name__}: {cause}. Mend or uninstall that package."
            ),
            stacklevel=3,
        )
        return None
