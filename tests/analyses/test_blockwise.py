"""One pass over queries and keys gives what the analyses give of the whole map."""

from __future__ import annotations

import importlib.util
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from long_maps import KINDS, any_factors, cells_of, plain, rule_of, spoilt

from limelight.analyses import blockwise
from limelight.analyses.blockwise import by_block, engine, measures
from limelight.analyses.blockwise.sums import NAMES
from limelight.catalogue import analyses, analysis, positions
from limelight.factors import Factors, factored
from limelight.rule import Rule

CARDS = analyses()
NEAR = {"diagonal": 0, "previous": -1, "next": 1}
HAS_NUMBA = importlib.util.find_spec("numba") is not None


@pytest.fixture(params=["numpy", pytest.param("numba", marks=pytest.mark.skipif(
    not HAS_NUMBA, reason="numba is optional"))])  # fmt: skip
def each_engine(request, monkeypatch):
    """Each way of making the pass, whatever the size."""
    monkeypatch.setattr(engine, "MANY", 0 if request.param == "numba" else 1 << 60)
    return request.param


@given(factors=any_factors())
@settings(max_examples=60)
def test_any_rows_measure_as_their_map_does(factors):
    for many in (0, 1 << 60):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine, "MANY", many)
            again = replace(factors)
            results = blockwise.rows(again, [*CARDS, *NEAR, "normaliser"])
        weights, allowed, normaliser = plain(factors)
        for name, card in CARDS.items():
            expected = card(weights, allowed)
            assert results[name].dims == expected.dims
            np.testing.assert_allclose(results[name], expected, rtol=1e-5, atol=3e-6, err_msg=name)
        rows = np.arange(factors.shape[2])
        for name, offset in NEAR.items():
            keys = rows + offset
            inside = (keys >= 0) & (keys < factors.shape[3])
            picked = weights.values[:, :, rows, np.clip(keys, 0, factors.shape[3] - 1)]
            np.testing.assert_allclose(results[name], picked * inside, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(results["normaliser"], normaliser, rtol=1e-6, atol=3e-6)
        np.testing.assert_array_equal(again.normaliser, results["normaliser"])


@pytest.mark.usefixtures("each_engine")
def test_far_scores_neither_overflow_nor_vanish():
    """One key after another is better by far, and the last ones are in another tile."""
    key = np.linspace(0, 3000, 600, dtype=np.float32).reshape(1, 1, 600, 1)
    query = np.array([1.0, -1.0], np.float32).reshape(1, 1, 2, 1)
    factors = factored(query, key, Rule.everything(2, 600), 1.0)
    weights, _, _ = plain(Factors(query, key - np.float32(1500), factors.rule, 0.4))
    factors = factored(query, key - np.float32(1500), factors.rule, 0.4)
    results = blockwise.rows(factors, CARDS)
    for name, card in CARDS.items():
        np.testing.assert_allclose(results[name], card(weights), rtol=1e-4, atol=2e-6)


@pytest.mark.usefixtures("each_engine")
def test_a_nan_stays_in_its_row_and_a_forbidden_one_counts_for_nothing():
    random = np.random.default_rng(0)
    query, key = random.normal(size=(2, 1, 1, 300, 4))
    query[0, 0, 7] = np.nan
    key[0, 0, 299] = np.nan
    factors = factored(query, key, Rule.causal(300, 300), 1.0)
    for name, values in blockwise.rows(factors, CARDS).items():
        bad = np.flatnonzero(np.isnan(values.values[0, 0])).tolist()
        # The first query of causal attention has one key, and some measures no number for it.
        assert [row for row in bad if row or not CARDS[name].leaves_out] == [7, 299], name


@pytest.mark.usefixtures("each_engine")
def test_a_sink_takes_all_of_a_row_that_may_look_nowhere():
    cells = np.ones((1, 1, 3, 4), bool)
    cells[0, 0, 1] = False
    query, key = np.ones((1, 1, 3, 2)), np.ones((1, 1, 4, 2))
    with_it = factored(query, key, Rule.of(cells), 1.0, sink_logit=np.float32([0.5]))
    without = factored(query, key, Rule.of(cells), 1.0)
    assert blockwise.rows(with_it, ["normaliser"])["normaliser"].values[0, 0, 1] == 0.5
    for factors in (with_it, without):
        results = blockwise.rows(factors, CARDS)
        assert [float(results[name][0, 0, 1]) for name in CARDS] == [0.0] * len(CARDS)


def test_both_engines_agree_on_maps_of_several_tiles():
    if not HAS_NUMBA:
        pytest.skip("numba is optional")
    from limelight.analyses.blockwise import numba_pass, numpy_pass

    random = np.random.default_rng(1)
    query, key = random.normal(size=(2, 2, 4, 530, 20)).astype(np.float32)
    for rule in (Rule.causal(530, 530, window=300), Rule.everything(530, 530)):
        factors = factored(query, key, rule, 0.2)
        sums, _ = numba_pass.walk(factors, NAMES)
        expected, _ = numpy_pass.walk(factors, NAMES)
        np.testing.assert_allclose(sums, expected, rtol=2e-5, atol=2e-4)


def test_a_measure_that_sums_over_queries_gets_whole_maps(monkeypatch):
    @analysis(over=("query", "key"), units="share", bounds=(0.0, 1.0))
    def spread(weights, allowed):
        """Differ between rows."""
        return weights.max(["query", "key"]) - weights.min(["query", "key"])

    monkeypatch.setattr(measures, "analyses", lambda: CARDS | {"spread": spread.card})
    monkeypatch.setattr(by_block, "MOST", 10)
    query, key = np.random.default_rng(2).normal(size=(2, 2, 3, 5, 4))
    factors = factored(query, key, Rule.causal(5, 5), 1.0)
    results = blockwise.rows(factors, ["spread", "entropy"])
    weights, allowed, _ = plain(factors)
    assert list(results) == ["spread", "entropy"]
    np.testing.assert_allclose(results["spread"], spread(weights, allowed), rtol=1e-5)


@pytest.mark.parametrize("most", [1, 7, 40, 1 << 19])
@pytest.mark.parametrize("kind", KINDS)
def test_every_measure_gives_the_same_of_blocks_of_any_size(kind, most, monkeypatch):
    """Closed forms too: what a file writes as sums is what it writes as weights."""
    monkeypatch.setattr(by_block, "MOST", most)
    random = np.random.default_rng(3)
    query, key = random.normal(size=(3, 4, 6, 4)), random.normal(size=(3, 2, 9, 4))
    factors = factored(query, key, rule_of(kind, random, 3, 4, 6, 9), 1.0)
    results = by_block.measured(factors, list(CARDS.values()))
    sums = blockwise.rows(factors, [name for name, card in CARDS.items() if card.closed_form])
    weights, allowed, _ = plain(factors)
    for name, card in CARDS.items():
        expected = card(weights, allowed)
        np.testing.assert_allclose(results[name], expected, rtol=1e-5, atol=3e-6, err_msg=name)
        if name in sums:
            np.testing.assert_allclose(sums[name], expected, rtol=1e-5, atol=3e-6, err_msg=name)


def test_a_block_says_which_rows_it_holds_and_what_they_may_attend_to(monkeypatch):
    blocks = []

    @analysis(over=("key",), units="share", bounds=(0.0, 1.0))
    def held(weights, allowed):
        """Hold."""
        blocks.append((positions(weights, "query").values.tolist(), weights.shape, allowed))
        return weights.sum("key")

    monkeypatch.setattr(measures, "analyses", lambda: {"held": held.card})
    monkeypatch.setattr(by_block, "MOST", 8)
    monkeypatch.setattr(by_block.os, "cpu_count", lambda: 1)
    query = key = np.zeros((2, 1, 4, 2), np.float32)
    blockwise.rows(factored(query, key, Rule.causal(4, 4), 1.0), ["held"])
    assert [(rows, shape) for rows, shape, _ in blocks] == [
        ([0, 1], (1, 1, 2, 2)), ([2, 3], (1, 1, 2, 4))
    ] * 2  # fmt: skip  # keys that no row of a block may attend to, behind all that it may, are cut
    assert blocks[1][2].values.tolist() == [[[True, True, True, False], [True] * 4]]
    blocks.clear()
    monkeypatch.setattr(by_block, "MOST", 1 << 10)
    blockwise.rows(factored(query, key, Rule.everything(4, 4), 1.0), ["held"])
    assert blocks == [([0, 1, 2, 3], (2, 1, 4, 4), None)]


@given(factors=any_factors(), side=st.sampled_from([1, 3, 256]))
@settings(max_examples=60)
def test_one_pass_gives_the_measures_and_the_overview_of_any_map(factors, side):
    weights, allowed, normaliser = plain(factors)
    wanted = cells_of(weights.values, side)
    for many in (0, 1 << 60):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine, "MANY", many)
            again = replace(factors)
            results, maps = blockwise.everything(again, [*CARDS, "normaliser"], side)
            alone = blockwise.overview(replace(factors), side)
        np.testing.assert_array_equal(again.normaliser, results["normaliser"])
        np.testing.assert_allclose(results["normaliser"], normaliser, rtol=1e-6, atol=3e-6)
        for name, card in CARDS.items():
            np.testing.assert_allclose(
                results[name], card(weights, allowed), rtol=1e-5, atol=3e-6, err_msg=name
            )
        for name, expected in wanted.items():
            np.testing.assert_allclose(maps[name], expected, rtol=1e-5, atol=1e-6, err_msg=name)
            np.testing.assert_array_equal(maps[name], alone[name])


@pytest.mark.usefixtures("each_engine")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", [5, 64])
def test_an_overview_of_several_tiles_blocks_and_pieces(kind, side):
    random = np.random.default_rng(4)
    query, key = random.normal(size=(1, 4, 700, 20)), random.normal(size=(1, 2, 1700, 20))
    rule = rule_of(kind, random, 1, 4, 700, 1700)
    factors = factored(query, key, rule, 0.6, sink_logit=np.float32([0, 1, 2, -np.inf]))
    _, maps = blockwise.everything(factors, ["maximum"], side)
    for name, expected in cells_of(plain(factors)[0].values, side).items():
        np.testing.assert_allclose(maps[name], expected, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.usefixtures("each_engine")
@pytest.mark.parametrize("scattered", [False, True])
def test_a_nan_spoils_the_cells_it_lies_in_and_no_others(scattered):
    factors, allowed = spoilt(scattered)
    bad = np.zeros((300, 300), bool)
    bad[[7, 8]] = True
    bad |= allowed[:, [250]]
    bad &= allowed
    with np.errstate(invalid="ignore"):  # infinity times 0
        _, maps = blockwise.everything(factors, [], 30)
    cells = bad.reshape(30, 10, 30, 10).any((1, 3))
    for name, expected in (("largest", cells), ("mean", cells), ("received", bad.any(0))):
        np.testing.assert_array_equal(np.isnan(maps[name].values[0, 0]), expected, err_msg=name)


@pytest.mark.usefixtures("each_engine")
def test_an_overview_keeps_to_a_normaliser_that_is_known():
    random = np.random.default_rng(6)
    query, key = random.normal(size=(2, 1, 1, 40, 4))
    factors = factored(query, key, Rule.causal(40, 40), 1.0)
    wanted = blockwise.overview(replace(factors), 8)
    factors.keep(factors.normaliser + np.log(2))
    results = blockwise.overview(factors, 8)
    for name in wanted:
        np.testing.assert_allclose(results[name], wanted[name] / 2, rtol=1e-5)


@pytest.mark.usefixtures("each_engine")
def test_memory_does_not_grow_with_the_map():
    def most(length):
        random = np.random.default_rng(3)
        query, key = random.normal(size=(2, 1, 1, length, 8)).astype(np.float32)
        factors = factored(query, key, Rule.causal(length, length), 0.3)
        blockwise.everything(factors, CARDS)  # loads and compiles
        tracemalloc.start()
        blockwise.everything(factors, CARDS)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    small, large = most(1024), most(4096)  # maps of 4 MB and 67 MB
    assert large < small + 8e6
