"""Vectors give exactly the weights a softmax of their products gives, whole or in parts."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from limelight.factors import factored, factors_of, lazy_allowed, lazy_weights
from limelight.factors import vectors as module
from limelight.rule import Rule

EVERY = slice(None)


def plain(query, key, allowed, scale, softcap=None, sink_logit=None):
    """The textbook softmax, in double precision."""
    key = np.repeat(key, query.shape[1] // key.shape[1], axis=1).astype(np.float64)
    scores = np.einsum("ehqd,ehkd->ehqk", query.astype(np.float64), key) * scale
    if softcap is not None:
        scores = np.tanh(scores / softcap) * softcap
    exponentials = np.where(allowed, np.exp(scores), 0)
    total = exponentials.sum(-1, keepdims=True)
    if sink_logit is not None:
        total = total + np.exp(sink_logit.astype(np.float64))[None, :, None, None]
    return np.divide(exponentials, total, out=np.zeros_like(exponentials), where=total > 0)


def vectors(seed, examples=2, heads=4, key_heads=2, queries=5, keys=7, feature=3):
    random = np.random.default_rng(seed)
    query = random.normal(size=(examples, heads, queries, feature)).astype(np.float32)
    key = random.normal(size=(examples, key_heads, keys, feature)).astype(np.float32)
    return query, key


@given(
    seed=st.integers(0, 10_000),
    density=st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    softcap=st.sampled_from([None, 1.5]),
    with_sink=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_any_rule_gives_the_textbook_softmax(seed, density, softcap, with_sink):
    query, key = vectors(seed)
    random = np.random.default_rng(seed)
    allowed = random.random((2, 1, 5, 7)) < density
    sink_logit = random.normal(size=4).astype(np.float32) if with_sink else None
    factors = factored(query, key, Rule.of(allowed), 0.7, softcap=softcap, sink_logit=sink_logit)
    expected = plain(query, key, allowed, 0.7, softcap, sink_logit)
    np.testing.assert_allclose(factors.dense(), expected, atol=1e-6)
    assert (factors.dense()[~np.broadcast_to(allowed, factors.shape)] == 0).all()
    if sink_logit is not None:
        rows = factors.dense().sum(-1) + factors.sink_weights()
        np.testing.assert_allclose(rows[np.broadcast_to(allowed.any(-1), rows.shape)], 1, atol=1e-6)


def test_large_scores_keep_their_precision():
    query, key = vectors(0)
    factors = factored(query * 10, key * 10, Rule.everything(5, 7), 1.0)
    expected = plain(query * 10, key * 10, True, 1.0)
    np.testing.assert_allclose(factors.dense(), expected, atol=1e-5)


def test_maps_larger_than_a_block_are_walked_over(monkeypatch):
    query, key = vectors(3)
    whole = factored(query, key, Rule.causal(5, 7, offset=2), 1.0).dense()
    monkeypatch.setattr(module, "BLOCK", 8)
    parts = factored(query, key, Rule.causal(5, 7, offset=2), 1.0).dense()
    np.testing.assert_allclose(parts, whole, atol=1e-7)


@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(["causal", "window", "left", "right", "packed", "full", "nothing"]),
)
@settings(max_examples=60, deadline=None)
def test_usual_patterns_are_kept_as_runs(seed, kind):
    random = np.random.default_rng(seed)
    queries = keys = int(random.integers(2, 9))
    position = np.arange(keys)
    cells = {
        "causal": np.tril(np.ones((queries, keys), bool)),
        "window": np.abs(position[:, None] - position) <= 1,
        "left": np.tril(np.ones((queries, keys), bool)) & (position >= 1),
        "right": np.broadcast_to(position < keys - 1, (queries, keys)),
        "packed": (position[:, None] // 2 == position // 2) & (position <= position[:, None]),
        "full": np.ones((queries, keys), bool),
        "nothing": np.zeros((queries, keys), bool),
    }[kind][None, None]
    rule = Rule.of(cells)
    assert rule.cells is None
    np.testing.assert_array_equal(rule.allowed(0, 0, EVERY, EVERY), cells[0, 0])
    np.testing.assert_array_equal(rule.query_valid(1)[0], cells[0, 0].any(1))
    np.testing.assert_array_equal(rule.key_valid(1)[0], cells[0, 0].any(0))


@given(seed=st.integers(0, 10_000), heads=st.sampled_from([1, 3]), density=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_any_pattern_comes_back_cell_by_cell(seed, heads, density):
    cells = np.random.default_rng(seed).random((2, heads, 4, 6)) < density
    rule = Rule.of(cells)
    for example in range(2):
        for head in range(heads):
            part = rule.allowed(example, head, slice(1, 4), slice(2, 6))
            np.testing.assert_array_equal(part, cells[example, head, 1:4, 2:6])
    np.testing.assert_array_equal(rule.query_valid(2), cells.any((1, 3)))
    np.testing.assert_array_equal(rule.key_valid(2), cells.any((1, 2)))


def test_causal_follows_a_cache_and_a_window():
    rule = Rule.causal(2, 5, offset=3, window=2)
    assert rule.allowed(0, 0, EVERY, EVERY).astype(int).tolist() == [
        [0, 0, 1, 1, 0],
        [0, 0, 0, 1, 1],
    ]


def selections(size):
    """One index, or a slice that holds something (xarray itself trips over an empty one)."""
    parts = st.slices(size).filter(lambda part: len(range(*part.indices(size))) > 0)
    return st.one_of(st.integers(-size, size - 1), parts)


@given(seed=st.integers(0, 1000), index=st.tuples(*map(selections, (2, 4, 5, 7))))
@settings(max_examples=80, deadline=None)
def test_any_selection_of_lazy_weights_is_that_of_the_whole(seed, index):
    query, key = vectors(seed)
    factors = factored(query, key, Rule.causal(5, 7, offset=2), 1.0)
    lazy = xr.DataArray(lazy_weights(factors))
    np.testing.assert_allclose(lazy[index].values, factors.dense()[index], atol=1e-6)
    allowed = xr.DataArray(lazy_allowed(factors.rule, factors.shape))
    whole = np.broadcast_to(factors.rule.allowed(0, 0, EVERY, EVERY), (2, 5, 7))
    part = (index[0], *index[2:])
    np.testing.assert_array_equal(allowed[part].values, whole[part])


def test_whole_lazy_weights_say_what_they_are_made_of():
    query, key = vectors(0)
    factors = factored(query, key, Rule.everything(5, 7), 1.0)
    lazy = xr.DataArray(lazy_weights(factors))
    assert factors_of(lazy) is factors
    assert factors_of(lazy[:, 0]) is None
    assert factors_of(xr.DataArray(factors.dense())) is None
    np.testing.assert_allclose(lazy.sum("key"), 1, atol=1e-6)


@pytest.mark.parametrize("heads", [1, 4])
def test_cells_by_head_keep_their_dim(heads):
    cells = np.random.default_rng(0).random((2, heads, 5, 7)) < 0.5
    variable = lazy_allowed(Rule.of(cells), (2, 4, 5, 7))
    assert ("head" in variable.dims) == (heads == 4)
