"""Numbers of a recording over its steps, as rules of alerts take them.

Room: store. Comes in: an opened recording. Goes out: a history and a report of it. Records never
change, so those that were read for the step before are kept: a run that grows costs its new steps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from limelight.alerts.judging import report as judging
from limelight.alerts.judging.history import ATTENTION, History, Member
from limelight.alerts.judging.rows import Row, heads, shape_of, stacked
from limelight.budget import BUDGET
from limelight.errors import LimelightError
from limelight.measure import UNIFORM
from limelight.store.format.description import Description, Table
from limelight.store.format.index import Line
from limelight.store.format.layout import statistics_of
from limelight.store.read.opening import Opened


@dataclass
class _Kept:
    """What was read of a recording."""

    lines: list[Line] = field(default_factory=list)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    report: judging.Report | None = None

    @property
    def size(self) -> int:
        """Bytes of its numbers."""
        return sum(row.values.nbytes + 200 for rows in self.rows.values() for row in rows)


#: Kinds of which a rule asks whether a number is the very same; of others half the bytes will do.
_TO_THE_LAST_BIT: Final = ("parameter",)


class _Owner:
    """Under whom histories lie in the budget: a run that grew is opened as another object."""


_OWNER: Final = _Owner()
_NUMBER: Final = BUDGET.owner(_OWNER)


def report(opened: Opened) -> judging.Report:
    """Judge a recording by every rule.

    Parameters
    ----------
    opened : Opened

    Returns
    -------
    Report
    """
    memory = _read(opened)
    if memory.report is None:
        tables = {kind: stacked(kind, rows) for kind, rows in memory.rows.items() if rows}
        memory.report = judging.report(History(tables))
    return memory.report


def _read(opened: Opened) -> _Kept:
    """Return the records of every published step, most of which were read before."""
    lines = opened.published.lines
    key = opened.arrays.identity
    before: _Kept | None = BUDGET.get(_NUMBER, key)
    if before is not None and before.lines == lines:
        return before
    memory = _Kept(lines)
    known = 0
    if before is not None and before.lines == lines[: len(before.lines)]:
        known = len(before.lines)
        memory.rows = {kind: list(rows) for kind, rows in before.rows.items()}
    members: dict[tuple[int, str], tuple[Any, ...]] = {}
    for line in lines[known:]:
        for kind, names in judging.columns().items():
            row = _row(opened, line, kind, names, members)
            if row is not None:
                memory.rows.setdefault(kind, []).append(row)
    BUDGET.put(_NUMBER, key, memory, memory.size)
    return memory


def _row(
    opened: Opened,
    line: Line,
    kind: str,
    names: tuple[str, ...],
    members: dict[tuple[int, str], tuple[Any, ...]],
) -> Row | None:
    """Read a step's numbers of a kind; None where it has none, or they are damaged."""
    layout = opened.layout(line)
    try:
        if kind == ATTENTION:
            return _heads(opened, line, names) if line.attention else None
        table = layout.description.table(kind)
        if kind not in line.tables or table is None:
            return None
        at = line.layout, kind
        if at not in members:
            columns = tuple(name for name in names if name in table.columns)
            members[at] = (
                tuple(member.name for member in table.members),
                columns,
                [table.columns.index(name) for name in columns],
                _members(table),
            )
        tensors, columns, chosen, described = members[at]
        values = opened.arrays.read(layout.specs.shared[statistics_of(kind)], line.row, line.step)
        numbers = values[:, chosen]
        if kind not in _TO_THE_LAST_BIT:
            numbers = numbers.astype(np.float32)
        return Row(line.step, tensors, columns, numbers, described)
    except LimelightError:
        return None  # readers of that step tell it; the others are judged


def _members(table: Table) -> tuple[Member, ...]:
    return tuple(
        Member(shape_of(member.shape), member.trainable, member.note) for member in table.members
    )


def _heads(opened: Opened, line: Line, names: tuple[str, ...]) -> Row | None:
    """Read the measures of a step's heads; means over examples."""
    layout = opened.layout(line)
    description, shared = layout.description, layout.specs.shared
    if "measures" not in shared:
        return None
    measured = opened.arrays.read(shared["measures"], line.row, line.step)
    even = opened.arrays.keep(shared["uniform"], line.masks, line.step)
    wanted = [name for name in description.measures if name in names]
    evens = [name for name in description.measures if name + UNIFORM in names]
    tensors: list[str] = []
    parts = []
    for ordinal, site in enumerate(description.sites):
        of_site = [(name, measured[ordinal, ..., : site.heads, description.measures.index(name)])
                   for name in wanted]  # fmt: skip
        of_site += [(name + UNIFORM, np.repeat(_even(even, description, ordinal, name)[:, None],
                     site.heads, axis=1)) for name in evens]  # fmt: skip
        if not of_site:
            return None
        named, columns, values = heads(site.name, of_site)
        tensors += named
        parts.append(values)
    if not parts:
        return None
    described = (Member(),) * len(tensors)
    return Row(line.step, tuple(tensors), columns, np.concatenate(parts), described)


def _even(
    even: np.ndarray[Any, Any], description: Description, ordinal: int, name: str
) -> np.ndarray[Any, Any]:
    """Return a measure of uniform attention [example]."""
    values: np.ndarray[Any, Any] = even[ordinal, :, description.measures.index(name)]
    return values
