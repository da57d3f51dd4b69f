"""Numbers of a run over its records, as rules are given them.

Room: below the rules. Comes in: nothing. Goes out: types. Who reads or records a run fills them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

#: The kind of a table of attention's measures, whose tensors are heads: ``site#head``.
ATTENTION = "attention"
#: The kind of a table of what was looked at before training: its tensors are what was looked at,
#: their notes the rules that did.
SETUP = "setup"


@dataclass(frozen=True)
class Member:
    """What is said of a tensor.

    Attributes
    ----------
    shape : tuple of int
    trainable : bool
    note : str
        Of an activation: the name of the function or class.
    """

    shape: tuple[int, ...] = ()
    trainable: bool = True
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Tensors of one kind over the records that have them.

    Attributes
    ----------
    kind : str
    steps : array [record]
        Ascending, int64.
    names : tuple of str
    numbers : mapping of str to array [record, tensor]
        By column; NaN where a record has no such tensor.
    members : tuple of Member
        Of each name.
    """

    kind: str
    steps: NDArray[np.int64]
    names: tuple[str, ...]
    numbers: Mapping[str, Numbers]
    members: tuple[Member, ...]

    def __getitem__(self, column: str) -> Numbers:
        return self.numbers[column]

    @property
    def matrices(self) -> NDArray[np.bool_]:
        """Which tensors have two axes or more, bool [tensor]."""
        return np.array([len(member.shape) > 1 for member in self.members], bool)

    def at(self, steps: NDArray[np.int64]) -> Table:
        """Return the records of these steps, all of which are there."""
        rows = np.searchsorted(self.steps, steps)
        numbers = {name: values[rows] for name, values in self.numbers.items()}
        return Table(self.kind, steps, self.names, numbers, self.members)

    def only(self, chosen: NDArray[np.bool_]) -> Table:
        """Return some of the tensors."""
        names = tuple(np.array(self.names, object)[chosen].tolist())
        members = tuple(
            member for member, wanted in zip(self.members, chosen.tolist(), strict=True) if wanted
        )
        numbers = {name: values[:, chosen] for name, values in self.numbers.items()}
        return Table(self.kind, self.steps, names, numbers, members)


@dataclass(frozen=True)
class History:
    """What a run recorded, as far as rules look at it.

    Attributes
    ----------
    tables : mapping of str to Table
        By kind.

    Examples
    --------
    >>> History().has({"gradient": ("norm",)})
    False
    """

    tables: Mapping[str, Table] = field(default_factory=dict)

    def __getitem__(self, kind: str) -> Table:
        return self.tables[kind]

    def get(self, kind: str, *columns: str) -> Table | None:
        """Return a table that has these columns, or None."""
        table = self.tables.get(kind)
        return table if table is not None and set(columns) <= set(table.numbers) else None

    def has(self, needs: Mapping[str, Sequence[str]]) -> bool:
        """Say whether there are tables with these columns."""
        return all(self.get(kind, *columns) is not None for kind, columns in needs.items())


def together(first: Table, second: Table) -> tuple[Table, Table]:
    """Return two tables at the records that both have.

    Parameters
    ----------
    first, second : Table

    Returns
    -------
    first, second : Table
    """
    steps = np.intersect1d(first.steps, second.steps)
    return first.at(steps), second.at(steps)


def matched(names: Sequence[str], table: Table, column: str) -> Numbers:
    """Return a column of a table for tensors of other names' order; NaN for what it lacks.

    Parameters
    ----------
    names : sequence of str
    table : Table
    column : str

    Returns
    -------
    array [record, name]
    """
    ordinals = {name: ordinal for ordinal, name in enumerate(table.names)}
    values = np.full((len(table.steps), len(names)), np.nan)
    into = [at for at, name in enumerate(names) if name in ordinals]
    values[:, into] = table[column][:, [ordinals[names[at]] for at in into]]
    return values
