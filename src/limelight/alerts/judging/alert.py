"""What a broken rule becomes: an alert with its tensors, its number, its begin and its end.

Room: below the rules. Comes in: where a rule is broken. Goes out: :class:`Alert`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from limelight.alerts.judging.rule import Breach, Rule
from limelight.facts import AlertFact

#: So many good records between bad ones end nothing: a number that hovers about its threshold is
#: one alert, not ten.
BRIDGED: Final = 2

#: Points of the small chart.
_POINTS: Final = 60


@dataclass(frozen=True)
class Alert:
    """Something that goes wrong, or went.

    Attributes
    ----------
    rule : str
        Its name.
    title : str
        In a few words.
    says : str
        The rule with its number.
    usually : str
        What people usually do.
    kind : str
        Of which table: ``parameter``, ``gradient``, ``update``, ``activation``, ``spectrum``,
        ``training``, ``time``, ``attention`` or ``setup``.
    tensors : tuple of str
        Worst first; of attention ``site#head``.
    number : str
        The column it speaks of.
    value, threshold : float
        The worst value; where it would have been good.
    since : int
        The first step that breaks the rule.
    until : int, optional
        The last one; None where the newest does.
    now : float, optional
        The worst tensor's value at the newest step.
    steps, numbers : tuple
        Of the worst tensor, over all steps, thinned.
    harm : int
        Greater is worse.
    """

    rule: str
    title: str
    says: str
    usually: str
    kind: str
    tensors: tuple[str, ...]
    number: str
    value: float
    threshold: float
    since: int
    until: int | None
    now: float | None
    steps: tuple[int, ...]
    numbers: tuple[float | None, ...]
    harm: int

    def __str__(self) -> str:
        """Say it in one line."""
        more = f" and {len(self.tensors) - 1} more" if len(self.tensors) > 1 else ""
        until = "" if self.until is None else f" until step {self.until}"
        return (
            f"{self.title}, since step {self.since}{until}: {self.tensors[0]}{more}, {self.number} "
            f"{self.value:.3g}. Rule: {self.says}. Usually: {self.usually}."
        )

    def facts(self) -> AlertFact:
        """Return what a screen is told, without the words, which it has."""
        return {
            "rule": self.rule,
            "kind": self.kind,
            "tensors": list(self.tensors),
            "number": self.number,
            "value": self.value,
            "threshold": self.threshold,
            "since": self.since,
            "until": self.until,
            "now": self.now,
            "steps": list(self.steps),
            "numbers": list(self.numbers),
            "harm": self.harm,
        }


@dataclass(frozen=True)
class _Span:
    """Bad records of one tensor without a pause."""

    tensor: int
    first: int
    last: int


def alerts_of(card: Rule, breach: Breach) -> list[Alert]:
    """Return what a rule's breach comes to: tensors that are bad at one time are one alert.

    Parameters
    ----------
    card : Rule
    breach : Breach

    Returns
    -------
    list of Alert
        In the order in which they began.
    """
    spans = sorted(_spans(breach), key=lambda span: (span.first, span.last))
    groups: list[list[_Span]] = []
    end = -1
    for span in spans:
        if not groups or span.first > end:
            groups.append([])
        groups[-1].append(span)
        end = max(end, span.last)
    return [_alert(card, breach, group) for group in groups]


def _spans(breach: Breach) -> Iterator[_Span]:
    known: dict[bytes, list[tuple[int, int]]] = {}  # many tensors are bad at the same records
    for tensor in np.flatnonzero(breach.bad.any(axis=0)).tolist():
        key = breach.bad[:, tensor].tobytes()
        if key not in known:
            known[key] = list(_bad_records(breach.bad[:, tensor], breach.records))
        for first, last in known[key]:
            yield _Span(tensor, first, last)


def _bad_records(bad: NDArray[np.bool_], least: int) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of bad records without a pause, where enough are in a row."""
    records = np.flatnonzero(bad)
    breaks = np.flatnonzero(np.diff(records) > BRIDGED + 1)
    firsts = [0, *(breaks + 1).tolist()]
    lasts = [*breaks.tolist(), records.size - 1]
    for first, last in zip(firsts, lasts, strict=True):
        inside = records[first : last + 1]
        # One after the other, somewhere: what comes and goes by single records is noise.
        runs = np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1)
        if max(map(len, runs)) >= least:
            yield int(inside[0]), int(inside[-1])


def _alert(card: Rule, breach: Breach, spans: list[_Span]) -> Alert:
    steps, values = breach.table.steps, breach.values
    extremes: dict[int, float] = {}
    usual = math.inf if breach.lower else -math.inf
    for (first, last), several in _alike(spans).items():
        part = values[first : last + 1, several]
        judged = breach.bad[first : last + 1, several] & ~np.isnan(part)
        worst = np.where(judged, part, usual).min(axis=0) if breach.lower else np.where(
            judged, part, usual).max(axis=0)  # fmt: skip
        for tensor, number in zip(several, worst.tolist(), strict=True):
            before = extremes.get(tensor, usual)
            extremes[tensor] = min(before, number) if breach.lower else max(before, number)
    order = sorted(extremes)
    if not breach.ordered:
        order.sort(key=extremes.__getitem__, reverse=not breach.lower)
    worst_tensor = order[0]
    first, last = min(span.first for span in spans), max(span.last for span in spans)
    is_open = last == len(steps) - 1
    shown = values[:, worst_tensor]
    rows = _thinned(len(steps), (first, last, int(_at_worst(shown, breach, worst_tensor))))
    return Alert(
        rule=card.name,
        title=card.words.title,
        says=card.words.says,
        usually=card.words.usually,
        kind=breach.table.kind,
        tensors=tuple(breach.table.names[tensor] for tensor in order),
        number=breach.number,
        value=_finite(extremes[worst_tensor]),
        threshold=float(breach.threshold),
        since=int(steps[first]),
        until=None if is_open else int(steps[last]),
        now=_plain(float(shown[-1])),
        steps=tuple(steps[rows].tolist()),
        numbers=tuple(_plain(number) for number in shown[rows].tolist()),
        harm=2 * card.harm + int(is_open),
    )


def _alike(spans: list[_Span]) -> dict[tuple[int, int], list[int]]:
    """Return the tensors of spans by where these begin and end."""
    alike: dict[tuple[int, int], list[int]] = {}
    for span in spans:
        alike.setdefault((span.first, span.last), []).append(span.tensor)
    return alike


def _at_worst(shown: NDArray[np.float64], breach: Breach, tensor: int) -> int:
    known = np.where(breach.bad[:, tensor] & ~np.isnan(shown), shown, np.nan)
    if np.isnan(known).all():
        return 0
    return int(np.nanargmin(known) if breach.lower else np.nanargmax(known))


def _thinned(count: int, always: tuple[int, ...]) -> NDArray[np.intp]:
    """Return ordinals of at most so many records, evenly chosen, with some that must be there."""
    if count <= _POINTS:
        return np.arange(count)
    even = np.linspace(0, count - 1, _POINTS - len(always)).round().astype(np.intp)
    return np.union1d(even, np.array(always, np.intp))


def _finite(number: float) -> float:
    """Return a number that JSON can hold."""
    return _rounded(float(np.nan_to_num(number, nan=0.0)))


def _plain(number: float) -> float | None:
    return _rounded(number) if math.isfinite(number) else None


def _rounded(number: float) -> float:
    """Leave out digits that single precision does not have."""
    return float(f"{number:.7g}")
