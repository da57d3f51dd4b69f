"""Heads taken away together: who needs whom is told, and how many are needed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import limelight as ll
from limelight.errors import StudyError
from limelight.testing import known


def joined(outputs, targets):
    """Return what the heads find, joined: 0 to 1."""
    return outputs[:, 1] / 8 + 0.5


def saturating(outputs, targets):
    return torch.tanh(10 * (outputs[:, 1] / 4 + 1))


def present(vocabulary=7):
    x, y = known.evidence(16, 6, vocabulary, seed=2)
    return x[y == 1], np.ones(8, int)


@pytest.mark.parametrize(
    ("how", "metric", "interaction", "values"),
    [
        ("redundant", joined, -1, (0.5, 0.5, 0)),
        ("both", joined, 1, (0.5, 0.5, 0)),
        ("sum", joined, 0, (0.5, 0.5, 0)),
        ("alone", joined, 0, (1, 0, 0)),
        ("sum", saturating, -1, (0.5, 0.5, 0)),
    ],
)
def test_interactions_and_shapley_values_are_those_of_the_game(how, metric, interaction, values):
    result = ll.synergy(known.Deciding(how, 7), present(), metric=metric)
    expected = np.zeros((3, 3))
    expected[0, 1] = expected[1, 0] = interaction
    expected[np.diag_indices(3)] = np.nan
    np.testing.assert_allclose(result["interaction"], expected, atol=1e-4)
    np.testing.assert_allclose(result["shapley_interaction"], expected, atol=1e-4)
    np.testing.assert_allclose(result["shapley"].values[0], values, atol=1e-4)
    np.testing.assert_allclose(result["standard_error"].values[0, 1:], 0, atol=1e-5)


def test_a_lower_loss_is_better():
    x, y = present()
    needed = ll.synergy(known.Deciding("both", 7), (x, y), metric="loss")
    assert float(needed["interaction"][0, 1]) > 1
    assert needed.attrs["better"] == "higher"
    assert (needed["shapley"][0, :2] > 1).all()


def test_of_many_heads_those_of_greatest_effect_are_chosen_on_other_units():
    x, y = known.evidence(24, 6, 9)
    model = known.Deciding("both", 9, idle=18)
    result = ll.synergy(model, (x, y), metric="accuracy", permutations=6)
    assert result.sizes["head_a"] == 16
    assert result["number_a"].values[:2].tolist() == [0, 1]
    assert result.attrs["n"] == 12
    assert float(result["interaction"][0, 1]) > 0.3
    assert "shapley_interaction" not in result
    values = result["shapley"].values[0]
    assert np.isfinite(values).sum() == 16
    whole, without = 1.0, 1 - float(result["interaction"][0, 1])
    assert np.nansum(values) == pytest.approx(whole - without)


@pytest.fixture(scope="module")
def curve(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    x, y = known.evidence(24, 6, 9)
    model = known.Deciding("both", 9, idle=8)
    return ll.pruning(model, (x, y), metric="accuracy", draws=20, run=folder), folder


def test_the_curve_keeps_what_is_needed_to_the_end(curve):
    result, _ = curve
    metric = result["metric"]
    assert result["removed"].values.tolist() == list(range(11))
    assert (metric.sel(order="chosen")[:9] == 1).all()
    assert (metric.sel(order="reversed")[1:] < 0.7).all()
    assert sorted(result["head_of"].values[-2:].tolist()) == [0, 1]
    assert result.attrs["n"] == 12
    assert (result["random_low"] <= metric.sel(order="random")).all()
    # Two of ten that both must stay: after m of ten are gone, with this chance.
    share = [(10 - m) * (9 - m) / 90 for m in range(11)]
    chance = float(metric.isel(removed=-1, order=0))
    np.testing.assert_allclose(
        metric.sel(order="random"), chance + (1 - chance) * np.array(share), atol=0.2
    )


def test_a_run_holds_the_curve_and_what_chose_its_order(curve):
    result, folder = curve
    run = ll.open_run(folder)
    assert sorted(study.name for study in run.studies) == ["ablation", "pruning"]
    np.testing.assert_array_equal(run.study("pruning")["drawn"], result["drawn"])


def test_an_order_of_ones_own_is_measured_on_all_units():
    x, y = known.evidence(10, 6, 9)
    model = known.Deciding("alone", 9)
    (site,) = ll.ablation(model, (x, y))["site"].values.tolist()
    order = [(site, 0), (site, 1), (site, 2)]
    result = ll.pruning(model, (x, y), metric="accuracy", order=order, draws=2, partition=3)
    assert result.attrs["n"] == 10
    assert result["metric"].sel(order="chosen").values.tolist() == [1, 0.5, 0.5, 0.5]
    assert result["metric"].sel(order="reversed").values.tolist() == [1, 1, 1, 0.5]
    with pytest.raises(StudyError, match="order of 2 heads"):
        ll.pruning(model, (x, y), order=order[:2])


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda model, data: ll.synergy(model, data, heads={"deciding": [0]}), "one head"),
        (lambda model, data: ll.synergy(model, data, heads={"deciding": range(17)}), "17 heads"),
        (lambda model, data: ll.synergy(model, data, replace="noise"), "replace='noise'"),
        (lambda model, data: ll.pruning(model, data, points=1), "points=1"),
        (lambda model, data: ll.pruning(model, ll.Probe(data[0])), "without targets"),
    ],
)
def test_what_cannot_be_measured_says_so(act, message):
    with pytest.raises(StudyError, match=message):
        act(known.Deciding("both", 9, idle=18), known.evidence(6, 6, 9))
