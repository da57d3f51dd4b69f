"""Rules of successive calls, joined, allow what each call allowed, and stay runs where they can."""

from __future__ import annotations

import tracemalloc

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from limelight.capture.generation.rules import Rows, joined
from limelight.rule import Rule

LENGTH = 9


@st.composite
def runs(draw, examples, queries, keys):
    """A rule of runs, empty and overlong ones included."""
    index = st.integers(0, keys)
    count = draw(st.sampled_from([1, examples]))
    first, stop = (
        np.array(draw(st.lists(index, min_size=count * queries, max_size=count * queries)))
        .reshape(count, queries).astype(np.int32)
        for _ in range(2)
    )  # fmt: skip
    masks = draw(st.lists(st.booleans(), min_size=examples * keys, max_size=examples * keys))
    return Rule(first, stop, np.array(masks, bool).reshape(examples, keys))


@st.composite
def calls(draw):
    examples = draw(st.integers(1, 2))
    calls = []
    for _ in range(draw(st.integers(1, 4))):
        offset = draw(st.integers(0, LENGTH - 1))
        keys = draw(st.integers(1, LENGTH - offset))
        room, queries = draw(st.integers(0, 2)), draw(st.integers(1, 3))
        rule = draw(runs(examples, queries, keys + room))
        if draw(st.booleans()):  # cell by cell, and perhaps otherwise for each of two heads
            heads = [rule]
            if draw(st.booleans()):
                heads.append(draw(runs(examples, queries, keys + room)))
            cells = [Rows(head, queries, keys + room, 0).cells() for head in heads]
            rule = Rule.of(np.concatenate([np.repeat(c, examples // len(c), 0) for c in cells], 1))
        calls.append(Rows(rule, draw(st.integers(1, queries)), keys, offset))
    return examples, calls


def placed(examples, calls):
    """The same, cell by cell, for two heads."""
    whole = np.zeros((examples, 2, sum(call.rows for call in calls), LENGTH), bool)
    row = 0
    for call in calls:
        for index in np.ndindex(examples, 2):
            allowed = call.rule.allowed(*index, slice(call.rows), slice(call.keys))
            whole[index][row : row + call.rows, call.offset : call.offset + call.keys] = allowed
        row += call.rows
    return whole


@given(calls())
def test_joined_rules_allow_what_each_call_allowed(made):
    examples, members = made
    rule = joined(members, LENGTH)
    expected = placed(examples, members)
    every = slice(None)
    for index in np.ndindex(examples, 2):
        np.testing.assert_array_equal(rule.allowed(*index, every, every), expected[index])
    np.testing.assert_array_equal(rule.query_valid(examples), expected.any(axis=(1, 3)))
    np.testing.assert_array_equal(rule.key_valid(examples), expected.any(axis=(1, 2)))


def test_a_growing_causal_map_takes_no_cells():
    positions = 4096
    begun = positions - 8
    calls = [Rows(Rule.causal(begun, begun), begun, begun, 0)]
    calls += [
        Rows(Rule.causal(1, at + 1, offset=at), 1, at + 1, 0) for at in range(begun, positions)
    ]
    tracemalloc.start()
    rule = joined(calls, positions)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rule.cells is None
    assert rule.equals(Rule.causal(positions, positions))
    assert peak < positions**2 / 8
