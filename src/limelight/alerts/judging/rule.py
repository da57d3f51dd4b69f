"""What a rule is: a function of a run's numbers, and a card with its words.

Room: below the rules. Comes in: a function. Goes out: the same with its card, which screens, docs
and warnings read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from limelight.alerts.judging.history import History, Numbers, Table


@dataclass(frozen=True)
class Words:
    """A rule's words in one language.

    Attributes
    ----------
    title : str
        A few words: what went wrong.
    says : str
        The rule with its number.
    usually : str
        What people usually do.
    """

    title: str
    says: str
    usually: str


@dataclass(frozen=True)
class Breach:
    """What a rule sees in a table.

    Attributes
    ----------
    table : Table
        Of the tensors and records that were judged.
    number : str
        The column it speaks of.
    values : array [record, tensor]
    bad : array [record, tensor]
        Where the rule is broken, bool.
    threshold : float
    records : int
        Fewer bad records in a row are none.
    lower : bool
        Whether a lower value is the worse one.
    ordered : bool
        Whether tensors are told in the table's order, not by how bad they are.
    """

    table: Table
    number: str
    values: Numbers
    bad: NDArray[np.bool_]
    threshold: float
    records: int = 1
    lower: bool = False
    ordered: bool = False


#: What a rule's function gives: None where what was recorded does not say.
Judged = list[Breach] | None


class Judge(Protocol):
    """A function under :func:`rule`."""

    card: Rule
    __name__: str
    __module__: str

    def __call__(self, history: History) -> Judged:
        """Judge what a run recorded."""
        ...


@dataclass(frozen=True)
class Rule:
    """What a rule says of itself.

    Attributes
    ----------
    name : str
        The function's name.
    needs : mapping of str to sequence of str
        Columns by kind of table without which it cannot run.
    reads : mapping of str to sequence of str
        Columns by kind that it looks at where they are there.
    harm : int
        How bad it is, 0 to 100.
    source : str
        Where its number comes from.
    words, zh : Words
    function : callable
    """

    name: str
    needs: Mapping[str, Sequence[str]]
    reads: Mapping[str, Sequence[str]]
    harm: int
    source: str
    words: Words
    zh: Words
    function: Callable[[History], Judged]


def rule(
    *,
    needs: Mapping[str, Sequence[str]],
    harm: int,
    source: str,
    words: Words,
    zh: Words,
    reads: Mapping[str, Sequence[str]] | None = None,
) -> Callable[[Callable[[History], Judged]], Judge]:
    """Make a function of a history a rule.

    Parameters
    ----------
    needs, reads : mapping of str to sequence of str
    harm : int
    source : str
    words, zh : Words
        As :class:`Rule` has them.

    Returns
    -------
    callable
        The decorator.
    """

    def decorate(function: Callable[[History], Judged]) -> Judge:
        card = Rule(function.__name__, needs, reads or {}, harm, source, words, zh, function)
        judge: Judge = function  # type: ignore[assignment]  # it gets its card in the next line
        judge.card = card
        return judge

    return decorate
