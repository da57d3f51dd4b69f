"""Builds tables of a history from records, one after the other.

Room: below the rules. Comes in: a record's numbers by tensor. Goes out: a history; of a run that is
being recorded, of its first record and its last ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from limelight.alerts.judging.history import History, Member, Numbers, Table

#: Records a recorder keeps beside the first: more than any rule looks back.
LOOK_BACK: Final = 40


#: Measures of which not the mean of examples counts.
GREATEST: Final = ("largest_score",)


@dataclass(frozen=True)
class Row:
    """One record's numbers of one kind.

    Attributes
    ----------
    step : int
    names : tuple of str
    columns : tuple of str
    values : array [tensor, column]
    members : tuple of Member
    """

    step: int
    names: tuple[str, ...]
    columns: tuple[str, ...]
    values: Numbers
    members: tuple[Member, ...]


def stacked(kind: str, rows: Sequence[Row]) -> Table:
    """Lay records of one kind out as one table.

    Parameters
    ----------
    kind : str
    rows : sequence of Row
        By step, ascending; at least one.

    Returns
    -------
    Table
        Of every tensor that any record has, as the newest describes it.
    """
    newest = rows[-1]
    steps = np.array([row.step for row in rows], np.int64)
    if all(row.names == newest.names and row.columns == newest.columns for row in rows):
        cube = np.stack([row.values for row in rows])
        members = dict(zip(newest.names, _said(rows), strict=True))
        columns = newest.columns
    else:
        members, known = dict[str, Member](), dict[str, None]()
        for row in rows:
            members |= dict(zip(row.names, row.members, strict=True))
            known |= dict.fromkeys(row.columns)
        columns = tuple(known)
        names = {name: at for at, name in enumerate(members)}
        cube = np.full((len(rows), len(names), len(columns)), np.nan)
        for at, row in enumerate(rows):
            into = np.ix_([names[name] for name in row.names],
                          [columns.index(column) for column in row.columns])  # fmt: skip
            cube[at][into] = row.values
    numbers = {column: cube[..., at] for at, column in enumerate(columns)}
    return Table(kind, steps, tuple(members), numbers, tuple(members.values()))


def _said(rows: Sequence[Row]) -> list[Member]:
    """Return what the newest record says of each tensor, with the first note that any has."""
    said = list(rows[-1].members)
    seen = {id(row.members): row.members for row in reversed(rows)}
    for members in seen.values():  # from the newest to the first
        for at, member in enumerate(members):
            if member.note and member.note != said[at].note:
                said[at] = replace(said[at], note=member.note)
    return said


def shape_of(text: str) -> tuple[int, ...]:
    """Return a shape from how the store spells it.

    Parameters
    ----------
    text : str

    Returns
    -------
    tuple of int

    Examples
    --------
    >>> shape_of("64×10"), shape_of("scalar")
    ((64, 10), ())
    """
    parts = text.split("×")
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else ()


def heads(
    site: str, measures: Iterable[tuple[str, Numbers]]
) -> tuple[tuple[str, ...], tuple[str, ...], Numbers]:
    """Return a site's measures by head.

    Parameters
    ----------
    site : str
    measures : iterable of (str, array [example, head])

    Returns
    -------
    names, columns : tuple of str
    values : array [head, column]
        Means over examples; of :data:`GREATEST`, the greatest.
    """
    columns, means = [], []
    for name, values in measures:
        known = np.isfinite(values)
        counts = known.sum(axis=0)
        columns.append(name)
        if name in GREATEST:
            most = np.where(known, values, -np.inf).max(axis=0)
            means.append(np.where(counts > 0, most, np.nan))
            continue
        totals = np.where(known, values, 0).sum(axis=0)
        means.append(np.divide(totals, counts, where=counts > 0, out=np.full(totals.shape, np.nan)))
    stack = np.stack(means, axis=-1).astype(np.float64)
    return tuple(f"{site}#{head}" for head in range(len(stack))), tuple(columns), stack


class Recent:
    """The first record of each kind and the newest ones."""

    def __init__(self) -> None:
        self._first: dict[str, Row] = {}
        self._rows: dict[str, deque[Row]] = {}

    def add(self, rows: Mapping[str, Row]) -> None:
        """Add a record; one of a step that is there already, or lies before it, begins anew."""
        for kind, row in rows.items():
            held = self._rows.get(kind)
            if held is not None and row.step <= held[-1].step:
                held = None
            if held is None:
                self._first[kind] = row
                held = self._rows[kind] = deque(maxlen=LOOK_BACK)
            held.append(row)

    def history(self) -> History:
        """Return what is kept."""
        tables = {}
        for kind, held in self._rows.items():
            first = self._first[kind]
            rows = list(held) if held[0].step == first.step else [first, *held]
            tables[kind] = stacked(kind, rows)
        return History(tables)
