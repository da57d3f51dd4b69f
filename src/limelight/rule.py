"""Which keys each query may attend to, in O(T).

Room: lowest. Causal, windowed, padded and packed attention all allow each query one run of
neighbouring keys, less some padding; that is what is kept. Any other pattern is kept cell by cell.
Imports NumPy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PARTS = ("first", "stop", "valid", "cells")


@dataclass(frozen=True, eq=False)
class Rule:
    """Where attention may go.

    Attributes
    ----------
    first, stop : array [example or 1, query]
        int32; query ``q`` may attend to keys ``first[q] <= k < stop[q]``.
    valid : array [example or 1, key]
        bool; False = a key no query may attend to, such as padding.
    cells : array [example or 1, head or 1, query, key], optional
        bool, True = may attend; given where no runs describe the pattern, and then it alone counts.
    """

    first: NDArray[np.int32]
    stop: NDArray[np.int32]
    valid: NDArray[np.bool_]
    cells: NDArray[np.bool_] | None = None

    @classmethod
    def everything(cls, queries: int, keys: int) -> Rule:
        """Let every query attend to every key.

        Parameters
        ----------
        queries, keys : int

        Returns
        -------
        Rule
        """
        first = np.zeros((1, queries), np.int32)
        return cls(first, np.full((1, queries), keys, np.int32), np.ones((1, keys), np.bool_))

    @classmethod
    def causal(cls, queries: int, keys: int, *, offset: int = 0, window: int | None = None) -> Rule:
        """Let query ``q`` attend to keys up to ``q + offset``, the newest ``window`` of them.

        Parameters
        ----------
        queries, keys : int
        offset : int
            How many keys come before the first query's own, such as those in a cache.
        window : int, optional

        Returns
        -------
        Rule
        """
        end = np.arange(queries) + offset + 1
        stop = np.clip(end, 0, keys)
        first = np.clip(end - window, 0, keys) if window is not None else np.zeros_like(end)
        valid = np.ones((1, keys), np.bool_)
        return cls(np.asarray(first[None], np.int32), np.asarray(stop[None], np.int32), valid)

    @classmethod
    def of(cls, allowed: NDArray[np.bool_]) -> Rule:
        """Find the runs in a pattern given cell by cell, or keep the cells.

        Parameters
        ----------
        allowed : array [example or 1, head or 1, query, key]
            bool, True = may attend.

        Returns
        -------
        Rule

        Examples
        --------
        >>> rule = Rule.of(np.tril(np.ones((1, 1, 3, 3), bool)))
        >>> rule.stop.tolist(), rule.cells is None
        ([[1, 2, 3]], True)
        """
        allowed = np.asarray(allowed, np.bool_)
        if allowed.shape[1] > 1 and bool((allowed == allowed[:, :1]).all()):
            allowed = allowed[:, :1]
        if allowed.shape[0] > 1 and bool((allowed == allowed[:1]).all()):
            allowed = allowed[:1]
        cells = allowed[:, 0]
        keys = cells.shape[-1]
        attends = cells.any(axis=-1)
        first = np.where(attends, cells.argmax(axis=-1), 0).astype(np.int32)
        stop = np.where(attends, keys - cells[..., ::-1].argmax(axis=-1), 0).astype(np.int32)
        rule = cls(first, stop, np.asarray(cells.any(axis=-2)))
        if allowed.shape[1] == 1 and bool((rule._runs() == cells).all()):
            return rule
        return cls(first, stop, rule.valid, allowed)

    @property
    def by_head(self) -> bool:
        """Whether heads may attend differently."""
        return self.cells is not None and self.cells.shape[1] > 1

    @property
    def nbytes(self) -> int:
        """Bytes the rule takes."""
        cells = 0 if self.cells is None else self.cells.nbytes
        return int(self.first.nbytes + self.stop.nbytes + self.valid.nbytes + cells)

    def equals(self, other: Rule) -> bool:
        """Tell whether another rule is kept as the same arrays.

        Parameters
        ----------
        other : Rule

        Returns
        -------
        bool
        """
        pairs = ((getattr(self, name), getattr(other, name)) for name in _PARTS)
        return all(
            a is b or (a is not None and b is not None and np.array_equal(a, b)) for a, b in pairs
        )

    def allowed(
        self, example: int, head: int | slice, queries: slice, keys: slice
    ) -> NDArray[np.bool_]:
        """Return a part of one map's pattern, or of several heads'.

        Parameters
        ----------
        example : int
        head : int or slice
        queries, keys : slice

        Returns
        -------
        array [query, key], or [head, query, key] for a slice of heads that differ
            bool, True = may attend.
        """
        if self.cells is not None:
            cells = self.cells[example if len(self.cells) > 1 else 0]
            return np.asarray(cells[head if len(cells) > 1 else 0, queries, keys])
        position = np.arange(self.valid.shape[-1], dtype=np.int32)[keys]
        first = self.first[example if len(self.first) > 1 else 0, queries, None]
        stop = self.stop[example if len(self.stop) > 1 else 0, queries, None]
        valid = self.valid[example if len(self.valid) > 1 else 0, keys]
        if (
            position.size
            and first.size
            and first.max() <= position.min()
            and position.max() < stop.min()
        ):
            return np.broadcast_to(valid, (len(first), len(position)))
        reached: NDArray[np.bool_] = (position >= first) & (position < stop) & valid
        return reached

    def query_valid(self, examples: int) -> NDArray[np.bool_]:
        """Return which queries may attend to any key in any head, [example, query]."""
        if self.cells is not None:
            valid = self.cells.any(axis=(1, 3))
        else:
            before = np.concatenate(
                [np.zeros((len(self.valid), 1), np.int64), self.valid.cumsum(axis=-1)], axis=-1
            )
            count = max(len(self.first), len(before))
            before = np.broadcast_to(before, (count, before.shape[1]))
            first, stop = (np.broadcast_to(x, (count, x.shape[1])) for x in (self.first, self.stop))
            higher = np.take_along_axis(before, stop.astype(np.int64), axis=1)
            valid = (stop > first) & (
                higher > np.take_along_axis(before, first.astype(np.int64), 1)
            )
        return np.broadcast_to(valid, (examples, valid.shape[1])).copy()

    def key_valid(self, examples: int) -> NDArray[np.bool_]:
        """Return which keys any query may attend to in any head, [example, key]."""
        if self.cells is not None:
            reached = self.cells.any(axis=(1, 2))
        else:
            count = max(len(self.first), len(self.valid))
            keys = self.valid.shape[-1]
            change = np.zeros((count, keys + 1), np.int64)
            first, stop = (np.broadcast_to(x, (count, x.shape[1])) for x in (self.first, self.stop))
            for row in range(count):
                attends = stop[row] > first[row]
                np.add.at(change[row], first[row][attends], 1)
                np.add.at(change[row], stop[row][attends], -1)
            reached = (change.cumsum(axis=-1)[:, :keys] > 0) & self.valid
        return np.broadcast_to(reached, (examples, reached.shape[1])).copy()

    def _runs(self) -> NDArray[np.bool_]:
        position = np.arange(self.valid.shape[-1])
        cells: NDArray[np.bool_] = (
            (position >= self.first[..., None])
            & (position < self.stop[..., None])
            & self.valid[:, None]
        )
        return cells
