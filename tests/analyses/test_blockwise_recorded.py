"""Sites that are kept as vectors are measured and recorded like the maps they stand for."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import xarray as xr

from limelight import measuring, schema
from limelight.analyses.blockwise import by_block
from limelight.capture.probe import Probe
from limelight.capture.site import CapturedAttention, assemble, label
from limelight.catalogue import analyses
from limelight.factors import Factors, factored, factors_of
from limelight.measuring import measures_of, uniform_of
from limelight.rule import Rule
from limelight.store import Writer, open_run

PROBE = Probe(np.zeros((2, 40), np.int64))


def rules():
    """Every way a rule is kept, by name."""
    random = np.random.default_rng(0)
    padded = np.broadcast_to(np.arange(40) < [[[[40]]], [[[11]]]], (2, 1, 40, 40))
    nowhere = np.tri(40, dtype=bool)[None, None].copy()
    nowhere[..., 7, :] = False
    return {
        "full": Rule.everything(40, 40),
        "causal": Rule.causal(40, 40),
        "window": Rule.causal(40, 40, window=3),
        "padded": Rule.of(padded),
        "nowhere": Rule.of(nowhere),
        "cells": Rule.of(random.random((2, 1, 40, 40)) < 0.5),
        "heads": Rule.of(random.random((1, 4, 40, 40)) < 0.5),
    }


def site(rule, module="a", length=40, seed=0, broken=()):
    random = np.random.default_rng(seed)
    query, key = random.normal(size=(2, 2, 4, length, 5))
    query[0, 1, list(broken)] = np.nan
    factors = factored(query, key, rule, 1.0)
    probe = Probe(np.zeros((2, length), np.int64))
    return label(CapturedAttention(module, "M", "self", "none", "float32", factors=factors), probe)


def dense(lazy):
    """The same site, its maps computed."""
    loaded = lazy.load()
    assert factors_of(loaded["weights"]) is None
    return loaded


@pytest.mark.parametrize("name", rules())
def test_measures_are_those_of_the_map(name):
    rule = rules()[name]
    measures = measures_of(site(rule))
    expected = measures_of(dense(site(rule)))
    # Of a map alone nobody knows the scores.
    assert set(measures) - set(expected) == {"largest_score"}
    assert set(expected) < set(measures)
    for measure in expected:
        assert measures[measure].dims == expected[measure].dims
        assert measures[measure].dtype == expected[measure].dtype
    xr.testing.assert_allclose(measures[list(expected)], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", rules())
def test_uniform_attention_is_that_of_the_map(name):
    rule = rules()[name]
    measures, expected = uniform_of(site(rule)), uniform_of(dense(site(rule)))
    assert all(measures[measure].dims == (schema.EXAMPLE,) for measure in expected)
    xr.testing.assert_allclose(measures, expected, rtol=1e-5, atol=1e-6)


def test_uniform_attention_is_measured_anew_when_the_rule_changes_and_only_then(monkeypatch):
    made = []
    uniform = measuring.uniform_of
    monkeypatch.setattr(measuring, "uniform_of", lambda part: made.append(1) or uniform(part))
    remembered = measuring.Uniforms()
    causal, again = (remembered.of("a", site(Rule.causal(40, 40), seed=seed)) for seed in (0, 1))
    assert again is causal
    window = remembered.of("a", site(Rule.causal(40, 40, window=3)))
    assert len(made) == 2
    assert float(window["entropy"][0]) < float(causal["entropy"][0])
    remembered.of("a", dense(site(Rule.causal(40, 40))))
    assert len(made) == 3


def test_measuring_computes_no_map(monkeypatch):
    """What has a closed form needs no weights; all else needs a few rows of them at a time."""
    captured = site(Rule.causal(40, 40))
    computed = []
    weights = Factors.weights

    def noted(*arguments):
        rows = weights(*arguments)
        computed.append(rows.size)
        return rows

    monkeypatch.setattr(by_block, "MOST", 400)
    monkeypatch.setattr(Factors, "weights", noted)
    monkeypatch.setattr(Rule, "_runs", lambda *given: pytest.fail("spread a rule out"))
    remembered = measuring.Uniforms()
    for _ in range(2):
        measures_of(captured)
        remembered.of("a", captured)
    assert max(computed) == 400
    computed.clear()
    every = {name: card for name, card in analyses().items() if card.closed_form}
    monkeypatch.setattr(measuring, "analyses", lambda: every)
    assert set(measures_of(captured)) >= {"entropy", "distance"}
    assert not computed


@pytest.mark.parametrize("form", ["vectors", "dense"])
def test_rows_with_a_nan_and_those_with_one_key_are_left_out_and_counted(form):
    broken = site(Rule.causal(40, 40), broken=[5, 7])
    measures = measures_of(broken if form == "vectors" else dense(broken))
    counts = np.zeros((2, 4))
    counts[0, 1] = 2
    np.testing.assert_array_equal(measures["nan_rows"], counts)
    np.testing.assert_array_equal(measures["normalised_entropy_left_out"], np.ones((2, 4)))
    whole = dense(site(Rule.causal(40, 40)))
    rows = [row for row in range(40) if row not in (5, 7)]
    for name, card in analyses().items():
        values = card(whole["weights"], whole["allowed"])
        first = 1 if name == "normalised_entropy" else 0  # the first query has one key
        expected = values[..., first:].mean("query").values
        expected[0, 1] = values[0, 1, rows[first:]].mean()
        np.testing.assert_allclose(measures[name], expected, rtol=1e-5, atol=1e-6, err_msg=name)


def test_a_head_without_any_row_left_has_no_mean():
    measures = measures_of(site(Rule.causal(40, 40), broken=range(40)))
    assert float(measures["nan_rows"][0, 1]) == 40
    for name in analyses():
        expected = np.zeros((2, 4), bool)
        expected[0, 1] = True
        np.testing.assert_array_equal(np.isnan(measures[name]), expected, err_msg=name)


def test_writing_holds_a_few_maps_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("limelight.store.write.lay_out._HELD", 0)
    length, count = 256, 12
    probe = Probe(np.zeros((2, length), np.int64))

    def tree():
        rule = Rule.causal(length, length)
        return assemble([site(rule, f"m{i}", length, i) for i in range(count)])

    with Writer(tmp_path) as writer:
        writer.append(0, tree=tree(), probe=probe)
        given = tree()
        tracemalloc.start()
        writer.append(1, tree=given, probe=probe)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    size = 2 * 4 * length**2 * 4
    assert peak < 6 * size  # of 12 such maps, and what making one takes
    expected = given["m7"]["weights"].values
    np.testing.assert_allclose(open_run(tmp_path).weights("m7", 1), expected, atol=2e-3)


@pytest.mark.parametrize("window", [None, 100])
def test_uniform_attention_over_a_long_map_is_no_less_equal_for_rounding(window):
    length = 3000
    vectors = np.ones((1, 1, length, 2))
    factors = factored(vectors, vectors, Rule.causal(length, length, window=window), 1.0)
    captured = CapturedAttention("a", "A", "self", "none", "float32", factors=factors)
    even = uniform_of(label(captured, Probe(np.zeros((1, length), np.int64))))
    assert float(even["gini"][0]) == 0
    assert float(even["share_beyond_uniform"][0]) == 0
