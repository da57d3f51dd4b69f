"""Numbers of a run over its records, as rules are given them.

Room: below the rules. Comes in: nothing. Goes out: types. Who reads or records a run fills them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

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
        By column, before records or tensors of it were chosen; a table gives its own by name. NaN
        where a record has no such tensor.
    members : tuple of Member
        Of each name.
    """

    kind: str
    steps: NDArray[np.int64]
    names: tuple[str, ...]
    numbers: Mapping[str, Numbers]
    members: tuple[Member, ...]
    _rows: NDArray[np.intp] | None = None
    _tensors: NDArray[np.intp] | None = None

    def __getitem__(self, column: str) -> Numbers:
        values = self.numbers[column]  # of all records and tensors: most columns are never asked
        if self._rows is not None:
            values = values[self._rows]
        return values if self._tensors is None else values[:, self._tensors]

    @property
    def matrices(self) -> NDArray[np.bool_]:
        """Which tensors have two axes or more, bool [tensor].

        Biases are none: those of attention may have an axis for heads, and begin at zero.
        """
        pairs = zip(self.names, self.members, strict=True)
        return np.array(
            [len(member.shape) > 1 and not is_bias(name) for name, member in pairs], bool
        )

    def at(self, steps: NDArray[np.int64]) -> Table:
        """Return the records of these steps, all of which are there."""
        if len(steps) == len(self.steps):
            return self
        rows = np.searchsorted(self.steps, steps)
        rows = rows if self._rows is None else self._rows[rows]
        return replace(self, steps=steps, _rows=rows)

    def only(self, chosen: NDArray[np.bool_]) -> Table:
        """Return some of the tensors."""
        if chosen.all():
            return self
        at = np.flatnonzero(chosen)
        names = tuple(self.names[ordinal] for ordinal in at)
        members = tuple(self.members[ordinal] for ordinal in at)
        at = at if self._tensors is None else self._tensors[at]
        return replace(self, names=names, members=members, _tensors=at)


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


def is_bias(name: str) -> bool:
    """Say whether a tensor is a bias, by its name.

    Examples
    --------
    >>> is_bias("attention/query/bias"), is_bias("bias/kernel")
    (True, False)
    """
    return "bias" in name.rpartition("/")[2]


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
