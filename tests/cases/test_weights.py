"""A dense classifier: how its parameters are spread, with and without penalties."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from limelight.cases import weights


@pytest.mark.training
def test_there_is_no_attention(sites):
    assert sites("weights/plain") == []


@pytest.mark.training
def test_parameters_start_even_between_two_bounds(trained):
    """Glorot's: std is the bound by the root of 3, and the excess kurtosis of even values -1.2."""
    untrained = {
        result.measure: result.beside for result in trained("weights")[0] if "l1" in result.run
    }
    for layer, fan_in in (("hidden_1", 784), ("hidden_2", 64)):
        assert untrained[f"{layer}: std"] == pytest.approx((2 / (fan_in + 64)) ** 0.5, rel=0.03)
        assert untrained[f"{layer}: excess kurtosis"] == pytest.approx(-1.2, abs=0.06)
        assert untrained[f"{layer}: {weights.SPREAD['w1_from_start']}"] == 0


@pytest.mark.parametrize("name", weights.PENALTIES)
def test_penalties_are_of_every_kernel(name):
    model = weights.build(weights.PENALTIES[name])
    assert len(model.losses) == (0 if name == "plain" else 3)
    kernel = np.asarray(model.get_layer("hidden_2").kernel)
    sums = {"l1": 1e-4 * np.abs(kernel).sum(), "l2": 1e-3 * np.square(kernel).sum()}
    if name != "plain":
        assert float(model.losses[1]) == pytest.approx(sums[name], rel=1e-5)


def numbers(std: float) -> xr.Dataset:
    """What a run recorded: two steps, of which the first is the same in every run."""
    values = {
        column: (("step", "parameter"), [[0.5, 0.5], [std, std]]) for column in weights.SPREAD
    }
    return xr.Dataset(values, {"parameter": ["hidden_1/kernel", "hidden_2/kernel"]})


def test_several_seeds_give_means_and_intervals():
    truth = np.repeat(np.arange(10), 3)
    results = weights.results_of("weights/l1", [numbers(0.1), numbers(0.3)], [0.8, 0.9], truth)
    by = {result.measure: result for result in results}
    right, std = by[weights.RIGHT], by["hidden_2: std"]
    assert (right.value, right.beside, right.of) == (pytest.approx(0.85), 0.1, "seeds")
    assert (std.value, std.beside, std.n) == (pytest.approx(0.2), 0.5, 2)
    assert std.interval == pytest.approx((0.2 - 12.706 * 0.1, 0.2 + 12.706 * 0.1))


def test_the_answer_says_what_came_of_each_penalty():
    truth = np.arange(10)
    results = [
        result
        for name, std in (("plain", 0.6), ("l1", 0.2), ("l2", 0.3))
        for result in weights.results_of(f"weights/{name}", [numbers(std)], [0.9], truth)
    ]
    said = weights.answer(results)
    assert "Without a penalty the std of the hidden layers goes from 0.500 to 0.600" in said
    assert "with L1 the std of the hidden layers goes from 0.500 to 0.200" in said
    assert "with L2" in said
