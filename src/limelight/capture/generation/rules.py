"""Joins what the rows of successive calls may attend to, as runs where all of them are runs.

Room: capture. Comes in: rules of calls, and where each lies in the whole sequence. Goes out: one
rule, in memory of O(T) unless a pattern needs its cells. Knows no framework.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelight.rule import Rule


@dataclass(frozen=True)
class Rows:
    """One call's first rows and keys, and where its first key lies.

    Attributes
    ----------
    rule : Rule
    rows, keys : int
        How many of its queries and of its keys count.
    offset : int
        Position of its first key.
    """

    rule: Rule
    rows: int
    keys: int
    offset: int

    def cells(self) -> NDArray[np.bool_]:
        """Return the pattern, [example or 1, head or 1, query, key]."""
        rule, queries, keys = self.rule, slice(self.rows), slice(self.keys)
        if rule.cells is not None:
            return rule.cells[:, :, queries, keys]
        examples = max(map(len, (rule.first, rule.stop, rule.valid)))
        patterns = [rule.allowed(example, 0, queries, keys) for example in range(examples)]
        return np.stack(patterns)[:, None]


def joined(calls: Sequence[Rows], length: int) -> Rule:
    """Join rules below one another.

    Parameters
    ----------
    calls : sequence of Rows
    length : int
        Keys of the whole.

    Returns
    -------
    Rule

    Examples
    --------
    >>> calls = [Rows(Rule.causal(2, 2), 2, 2, 0), Rows(Rule.causal(1, 3, offset=2), 1, 3, 0)]
    >>> joined(calls, 3).stop.tolist()
    [[1, 2, 3]]
    """
    if all(call.rule.cells is None for call in calls):
        rule = _by_run(calls, length)
        if rule is not None:
            return rule
    cells = [call.cells() for call in calls]
    examples, heads = (max(pattern.shape[axis] for pattern in cells) for axis in (0, 1))
    allowed = np.zeros((examples, heads, sum(call.rows for call in calls), length), np.bool_)
    row = 0
    for call, pattern in zip(calls, cells, strict=True):
        allowed[:, :, row : row + call.rows, call.offset : call.offset + call.keys] = pattern
        row += call.rows
    return Rule.of(allowed)


def _by_run(calls: Sequence[Rows], length: int) -> Rule | None:
    """Join runs; None where one call skips a key within its runs that another one reads."""
    examples = max(
        len(part) for call in calls for part in (call.rule.first, call.rule.stop, call.rule.valid)
    )
    valid = np.zeros((examples, length), np.bool_)
    for call in calls:
        reached = _first_rows(call).key_valid(examples)[:, : call.keys]
        valid[:, call.offset : call.offset + call.keys] |= reached
    first, stop = [], []
    for call in calls:
        rule, end = _first_rows(call), call.offset + call.keys
        begins = np.broadcast_to(rule.first, (examples, call.rows))
        ends = np.minimum(np.broadcast_to(rule.stop, (examples, call.rows)), call.keys)
        inside = Rule(begins, ends, np.ones((1, rule.valid.shape[1]), np.bool_))
        within = inside.key_valid(examples)[:, : call.keys]
        if (within & valid[:, call.offset : end] & ~rule.valid[:, : call.keys]).any():
            return None
        none = ends <= begins
        first.append(np.where(none, 0, begins + call.offset))
        stop.append(np.where(none, 0, ends + call.offset))
    return Rule(
        np.concatenate(first, axis=1).astype(np.int32),
        np.concatenate(stop, axis=1).astype(np.int32),
        valid,
    )


def _first_rows(call: Rows) -> Rule:
    rule = call.rule
    return Rule(rule.first[:, : call.rows], rule.stop[:, : call.rows], rule.valid)
