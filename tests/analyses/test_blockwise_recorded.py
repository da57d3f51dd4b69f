"""Sites that are kept as vectors are measured and recorded like the maps they stand for."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import xarray as xr

from limelight import record, schema
from limelight.capture.probe import Probe
from limelight.capture.site import CapturedAttention, assemble, label
from limelight.factors import Factors, factored, factors_of
from limelight.record import measures_of, uniform_of
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


def site(rule, module="a", length=40, seed=0):
    random = np.random.default_rng(seed)
    query, key = random.normal(size=(2, 2, 4, length, 5))
    factors = factored(query, key, rule, 1.0)
    probe = Probe(np.zeros((2, length), np.int64))
    return label(CapturedAttention(module, "M", "self", "none", "float32", factors=factors), probe)


def dense(one):
    """The same site, its maps computed."""
    found = one.load()
    assert factors_of(found["weights"]) is None
    return found


@pytest.mark.parametrize("name", rules())
def test_measures_are_those_of_the_map(name):
    rule = rules()[name]
    found = measures_of(site(rule))
    expected = measures_of(dense(site(rule)))
    assert set(found) == set(expected)
    for measure in expected:
        assert found[measure].dims == expected[measure].dims
        assert found[measure].dtype == expected[measure].dtype
    xr.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", rules())
def test_uniform_attention_is_that_of_the_map(name):
    rule = rules()[name]
    found, expected = uniform_of(site(rule)), uniform_of(dense(site(rule)))
    assert all(found[measure].dims == (schema.EXAMPLE,) for measure in expected)
    xr.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_uniform_attention_is_measured_anew_when_the_rule_changes_and_only_then(monkeypatch):
    made = []
    uniform = record.uniform_of
    monkeypatch.setattr(record, "uniform_of", lambda one: made.append(1) or uniform(one))
    remembered = record._Uniforms()
    causal, again = (remembered.of("a", site(Rule.causal(40, 40), seed=seed)) for seed in (0, 1))
    assert again is causal
    window = remembered.of("a", site(Rule.causal(40, 40, window=3)))
    assert len(made) == 2
    assert float(window["entropy"][0]) < float(causal["entropy"][0])
    remembered.of("a", dense(site(Rule.causal(40, 40))))
    assert len(made) == 3


def test_measuring_computes_no_weights(monkeypatch):
    one = site(Rule.causal(40, 40))
    monkeypatch.setattr(Factors, "weights", lambda *given: pytest.fail("computed a map"))
    monkeypatch.setattr(Rule, "_runs", lambda *given: pytest.fail("spread a rule out"))
    remembered = record._Uniforms()
    for _ in range(2):
        measures_of(one)
        remembered.of("a", one)


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
    one = 2 * 4 * length**2 * 4
    assert peak < 6 * one  # of 12 such maps, and what making one takes
    expected = given["m7"]["weights"].values
    np.testing.assert_allclose(open_run(tmp_path).weights("m7", 1), expected, atol=2e-3)
