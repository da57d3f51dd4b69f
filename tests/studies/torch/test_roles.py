"""Heads that were built to do something are told to do it, in models over data."""

from __future__ import annotations

import numpy as np
import pytest

import limelight as ll
from limelight.testing import known


@pytest.mark.parametrize(
    ("length", "causal", "seed"), [(12, True, 0), (20, False, 1), (48, True, 2)]
)
def test_every_planted_role_is_told(length, causal, seed):
    x = known.repeated_tokens(8, length // 2, 2 * length, seed)
    below = [known.offset(-1).writing("before"), known.offset(-3), known.first(), known.offset(0),
             known.block(4), known.even()]  # fmt: skip
    above = [known.induction(), known.duplicate(), known.structureless(seed), known.offset(-2)]
    model = known.AttentionOnly([below, above], 2 * length, length, causal)
    result = ll.roles(model, x)
    expected = ["previous", "positional", "first key", "self", "block", "unclassified",
            "induction", "duplicate", "unclassified", "positional"]  # fmt: skip
    assert [*result["main_role"][0].values, *result["main_role"][1, :4].values] == expected
    assert result["offset"].values[0, 1] == -3


def test_a_run_holds_roles_and_tokens_name_separators(tmp_path):
    words = ["[CLS]", "[SEP]", ".", *[f"w{number}" for number in range(20)]]
    x = known.random_tokens(6, 14, 20, seed=3) + 3
    x[:, 0], x[:, 11], x[:, 5] = 0, 1, 2
    model = known.AttentionOnly([[known.token(1), known.token(2)]], 23, 14, causal=False)
    result = ll.roles(model, ll.Probe(x), tokens=words, partition=4, run=tmp_path)
    assert result["main_role"].values.tolist() == [["separator", "punctuation"]]
    held = ll.open_run(tmp_path).study("roles")
    np.testing.assert_array_equal(held["excess"], result["excess"])
    assert held["main_role"].values.tolist() == result["main_role"].values.tolist()
