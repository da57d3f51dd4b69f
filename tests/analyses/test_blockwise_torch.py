"""The pass that torch makes gives what NumPy's gives, and is used where Numba is not installed."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from long_maps import KINDS, any_factors, cells_of, plain, rule_of, spoilt

from limelight.analyses import blockwise
from limelight.analyses.blockwise import engine, numpy_pass, torch_pass
from limelight.analyses.blockwise.sums import NAMES
from limelight.catalogue import analyses
from limelight.factors import factored
from limelight.rule import Rule

CARDS = analyses()


@given(factors=any_factors(), side=st.sampled_from([1, 3, 256]))
@settings(max_examples=60)
def test_it_gives_what_numpy_gives(factors, side):
    grid = tuple(np.arange(min(size, side)) * size // min(size, side) for size in factors.shape[2:])
    raw, maps = torch_pass.walk(factors, NAMES, grid)
    wanted, expected = numpy_pass.walk(factors, NAMES, grid)
    np.testing.assert_allclose(raw, wanted, rtol=1e-5, atol=3e-6)
    for name in ("largest", "total", "received"):
        np.testing.assert_allclose(
            getattr(maps, name), getattr(expected, name), rtol=1e-5, atol=1e-6, err_msg=name
        )


@pytest.mark.parametrize("scattered", [False, True])
def test_a_nan_spoils_what_it_spoils_in_numpy(scattered):
    factors, _ = spoilt(scattered)
    grid = np.arange(0, 300, 10), np.arange(0, 300, 10)
    with np.errstate(invalid="ignore"):  # infinity times 0
        raw, maps = torch_pass.walk(factors, ["slope", "apart", "first"], grid)
        wanted, expected = numpy_pass.walk(factors, ["slope", "apart", "first"], grid)
    np.testing.assert_array_equal(np.isnan(raw), np.isnan(wanted))
    for name in ("largest", "total", "received"):
        np.testing.assert_allclose(
            getattr(maps, name), getattr(expected, name), rtol=1e-5, atol=1e-6, err_msg=name
        )


@pytest.fixture
def without_numba(monkeypatch):
    # Also where another test has imported it: then it is an attribute of its package as well.
    monkeypatch.setitem(sys.modules, "limelight.analyses.blockwise.numba_pass", None)
    monkeypatch.delattr(blockwise, "numba_pass", raising=False)
    monkeypatch.setattr(engine, "MANY", 0)


@pytest.fixture
def walks(monkeypatch):
    """Which devices torch made its passes on."""
    seen, walk = [], torch_pass.walk

    def noted(*given, device="cpu"):
        seen.append(device)
        if device == "cuda":
            raise torch.cuda.OutOfMemoryError("full")
        return walk(*given)

    monkeypatch.setattr(torch_pass, "walk", noted)
    return seen


@pytest.mark.usefixtures("without_numba")
@pytest.mark.parametrize("kind", KINDS)
def test_without_numba_torch_measures_maps_of_several_blocks(kind, walks, monkeypatch):
    monkeypatch.setattr(torch_pass, "_MOST", {"cpu": 1 << 14})
    random = np.random.default_rng(4)
    query, key = random.normal(size=(1, 4, 70, 20)), random.normal(size=(1, 2, 1700, 20))
    rule = rule_of(kind, random, 1, 4, 70, 1700)
    factors = factored(query, key, rule, 0.6, sink_logit=np.float32([0, 1, 2, -np.inf]))
    measures, maps = blockwise.everything(replace(factors), CARDS, 16)
    weights, allowed, _ = plain(factors)
    for name, card in CARDS.items():
        np.testing.assert_allclose(
            measures[name], card(weights, allowed), rtol=1e-5, atol=3e-6, err_msg=name
        )
    for name, expected in cells_of(weights.values, 16).items():
        np.testing.assert_allclose(maps[name], expected, rtol=1e-5, atol=1e-6, err_msg=name)
    assert walks == ["cpu"]


@pytest.mark.usefixtures("without_numba")
def test_a_card_that_is_full_is_left_to_those_who_train_there(walks, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    query, key = np.random.default_rng(0).normal(size=(2, 1, 1, 30, 4))
    results = blockwise.rows(factored(query, key, Rule.causal(30, 30), 1.0), ["maximum"])
    assert results["maximum"].values[0, 0, 0] == 1
    assert walks == ["cuda", "cpu"]


@pytest.mark.usefixtures("without_numba")
def test_torch_is_not_loaded_for_it(walks, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    query, key = np.random.default_rng(0).normal(size=(2, 1, 1, 30, 4))
    blockwise.rows(factored(query, key, Rule.causal(30, 30), 1.0), ["maximum"])
    assert walks == []
    assert "torch" not in sys.modules


def test_products_are_exact_whatever_training_allows():
    query, key = np.random.default_rng(0).normal(size=(2, 1, 1, 64, 64)).astype(np.float32)
    factors = factored(query, key, Rule.everything(64, 64), 1.0)
    wanted, _ = torch_pass.walk(factors, ())
    torch.set_float32_matmul_precision("medium")
    try:
        results, _ = torch_pass.walk(factors, ())
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    np.testing.assert_array_equal(results, wanted)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same():
    random = np.random.default_rng(1)
    query, key = random.normal(size=(2, 2, 4, 530, 20)).astype(np.float32)
    factors = factored(query, key, Rule.causal(530, 530, window=300), 0.2)
    sums, _ = torch_pass.walk(factors, NAMES, device="cuda")
    expected, _ = numpy_pass.walk(factors, NAMES)
    np.testing.assert_allclose(sums, expected, rtol=2e-5, atol=2e-4)
