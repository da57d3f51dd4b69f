"""Heads by what they attend to: each a table of scores between what stands at two positions.

Room: testing. Comes in: an offset, a token, a size. Goes out: a :class:`Head`, which a model of
:mod:`limelight.testing.known.model` is built of. Knows no framework.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

#: What a model's vectors hold of a position: its own token, the position itself, and the token
#: before it, where a head wrote it there.
Slot = Literal["token", "position", "before"]

#: Score of what a head attends to; all else scores 0.
SHARPNESS = 30.0


@dataclass(frozen=True)
class Head:
    """A head of a hand-built model.

    Attributes
    ----------
    name : str
        What it is; :func:`limelight.roles` has the same word where it has one.
    query, key : ``token``, ``position`` or ``before``
        Which slots of the vectors its scores compare.
    table : callable
        Takes the sizes of both slots, gives scores [query slot, key slot].
    sharpness : float
        What scores are multiplied with.
    writes : ``before``, ``next`` or ``""``
        Where the token it attends to goes: into the slot that tells the next layer the token
        before, to the model's output, or nowhere: then the head contributes zeros.
    """

    name: str
    query: Slot
    key: Slot
    table: Callable[[int, int], NDArray[np.float64]]
    sharpness: float = SHARPNESS
    writes: Literal["before", "next", ""] = ""

    def writing(self, slot: Literal["before", "next", ""]) -> Head:
        """Return the same head, writing there.

        Parameters
        ----------
        slot : ``before``, ``next`` or ``""``

        Returns
        -------
        Head
        """
        return replace(self, writes=slot)


def offset(by: int, sharpness: float = SHARPNESS) -> Head:
    """Return a head that attends to the position so many behind a query's own.

    Parameters
    ----------
    by : int
        −1 for the previous position.
    sharpness : float

    Returns
    -------
    Head

    Examples
    --------
    >>> offset(-1).table(3, 3).tolist()
    [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    name = {-1: "previous", 0: "self", 1: "next"}.get(by, "positional")
    return Head(name, "position", "position", lambda rows, keys: np.eye(rows, keys, by), sharpness)


def duplicate(sharpness: float = SHARPNESS) -> Head:
    """Return a head that attends to every position with the query's token, its own among them.

    Parameters
    ----------
    sharpness : float

    Returns
    -------
    Head
    """
    return Head("duplicate", "token", "token", np.eye, sharpness)


def induction(sharpness: float = SHARPNESS) -> Head:
    """Return a head that attends to what followed the query's token when it stood there before.

    Parameters
    ----------
    sharpness : float

    Returns
    -------
    Head
        For a layer above one where ``offset(-1).writing("before")`` runs.
    """
    return Head("induction", "token", "before", np.eye, sharpness)


def token(number: int, sharpness: float = SHARPNESS) -> Head:
    """Return a head that attends to a token, wherever it stands.

    Parameters
    ----------
    number : int
    sharpness : float

    Returns
    -------
    Head
    """

    def table(rows: int, keys: int) -> NDArray[np.float64]:
        scores = np.zeros((rows, keys))
        scores[:, number] = 1
        return scores

    return Head("one key", "position", "token", table, sharpness)


def first(sharpness: float = SHARPNESS) -> Head:
    """Return a head that attends to the first position.

    Parameters
    ----------
    sharpness : float

    Returns
    -------
    Head
    """

    def table(rows: int, keys: int) -> NDArray[np.float64]:
        return np.repeat(np.eye(1, keys), rows, 0)

    return Head("first key", "position", "position", table, sharpness)


def block(size: int, sharpness: float = SHARPNESS) -> Head:
    """Return a head that attends evenly to the block of positions that a query stands in.

    Parameters
    ----------
    size : int
    sharpness : float

    Returns
    -------
    Head

    Examples
    --------
    >>> block(2).table(3, 3).tolist()
    [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """

    def table(rows: int, keys: int) -> NDArray[np.float64]:
        rows_of, keys_of = np.arange(rows) // size, np.arange(keys) // size
        return np.asarray(rows_of[:, None] == keys_of, np.float64)

    return Head("block", "position", "position", table, sharpness)


def structureless(seed: int, sharpness: float = 3.0) -> Head:
    """Return a head whose rows are sharp and follow no rule: each pair of tokens has a score.

    Parameters
    ----------
    seed : int
    sharpness : float
        Standard deviation of the scores.

    Returns
    -------
    Head
        Give it tokens that do not repeat, or the same pairs come again.
    """

    def table(rows: int, keys: int) -> NDArray[np.float64]:
        return np.random.default_rng(seed).normal(size=(rows, keys))

    return Head("", "token", "token", table, sharpness)


def even() -> Head:
    """Return a head that attends evenly to all that it may attend to.

    Returns
    -------
    Head
    """
    return Head("", "position", "position", lambda rows, keys: np.zeros((rows, keys)))
