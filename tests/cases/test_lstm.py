"""Sentiment with an LSTM: its variants, what it records, what it makes of several seeds."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from limelight.cases import lstm
from limelight.cases.sentiment import figures as measuring
from limelight.cases.sentiment import models
from limelight.cases.sentiment.sentences import Sentences


@pytest.mark.training
def test_layers_of_ones_own_are_recorded(sites, recorded):
    assert sites("lstm/tutorial") == [("attention", "pooling", 1, lstm.LENGTH)]
    assert sites("lstm/attention") == [("attention", "pooling", 1, lstm.LENGTH)]
    assert sites("lstm/plain") == []
    assert all(example.tokens and example.label for example in recorded("lstm/attention").examples)


@pytest.mark.training
def test_what_a_tutorial_gives_to_padding_the_layer_of_limelight_does_not(trained):
    padding = {
        result.run: (result.value, result.beside)
        for result in trained("lstm")[0]
        if result.measure == measuring.PADDING
    }
    value, even = padding["lstm/tutorial"]
    assert value == pytest.approx(even, abs=0.05)  # it has hardly learned
    assert padding["lstm/attention"] == (0.0, even)


@pytest.mark.training
def test_gradients_and_what_was_clipped_are_recorded(recorded):
    steps = recorded("lstm/plain").tensors("training").isel(parameter=0)
    assert (steps["norm_before"][1:] > 0).all()
    assert (steps["clipped"][1:] == 0).all()


@pytest.mark.training
def test_gradients_fade_with_the_distance_before_an_lstm_has_learned(trained):
    fading = {
        result.run: result.beside
        for result in trained("lstm")[0]
        if result.measure == measuring.FADING
    }
    assert fading["lstm/plain"] < 0.1
    assert fading["lstm/attention"] > 0.3


@pytest.mark.parametrize("name", models.VARIANTS)
def test_a_variant_changes_what_it_says_and_nothing_else(name):
    variant = models.VARIANTS[name]
    model = models.build(variant)
    classes = {type(layer).__name__ for layer in model.layers}
    assert ("Bidirectional" in classes) == variant.both
    assert ("AttentionPooling" in classes) == (variant.pooling == "attention")
    assert ("AttentionOverTime" in classes) == (variant.pooling == "tutorial")
    assert ("Dropout" in classes) == ("SpatialDropout1D" in classes) == bool(variant.dropout)
    assert bool(model.losses) == bool(variant.l2)
    assert model.optimizer.global_clipnorm == variant.clip
    assert model.optimizer.clipnorm is None  # which would be of each variable
    plain = asdict(models.VARIANTS["plain"])
    changed = [field for field, value in asdict(variant).items() if value != plain[field]]
    assert len(changed) == {"plain": 0, "l2-dropout": 2}.get(name, 1)


def measured(gap: float, padding: float = np.nan) -> measuring.Measured:
    """A model whose sentences all have the same loss, but for a little."""
    ripple = np.tile([-0.01, 0.01], 50)
    return measuring.Measured((1 + gap + ripple, 1 + ripple), 0.7, (0.01, 2.0), padding, 0.25)


@pytest.fixture
def checked():
    return Sentences(np.array([[1, 1], [1, 0]] * 50), np.array([0, 1, 1, 1] * 25), [])


def figures(gaps, checked):
    """Figures of variants whose gaps are said, by variant and measure."""
    padding = {"attention": 0.0, "tutorial": 0.25}
    models = {
        name: [measured(gap, padding.get(name, np.nan)) for gap in values]
        for name, values in gaps.items()
    }
    results = measuring.results_of(models, checked)
    return results, {(result.run.rpartition("/")[2], result.measure): result for result in results}


def test_several_seeds_are_compared_seed_by_seed(checked):
    """Each gap moves much between seeds; dropout always takes 0.3 from it."""
    plain = [0.5, 1.0, 1.5]
    gaps = {"plain": plain, "dropout": [gap - 0.3 for gap in plain]}
    _, by = figures(gaps, checked)
    gap, less = by["plain", measuring.GAP], by["dropout", measuring.LESS]
    assert (gap.n, gap.of) == (3, "seeds")
    assert gap.value == pytest.approx(1.0)
    assert gap.interval == pytest.approx((1 - 4.303 * 0.5 / 3**0.5, 1 + 4.303 * 0.5 / 3**0.5))
    assert less.interval == pytest.approx((-0.3, -0.3))
    assert by["dropout", measuring.GAP].beside == pytest.approx(1.0)
    assert ("plain", measuring.LESS) not in by


def test_one_seed_has_an_interval_over_sentences(checked):
    _, by = figures({"plain": [0.5], "l2": [0.4]}, checked)
    low, high = by["plain", measuring.GAP].interval
    assert (by["plain", measuring.GAP].of, low < 0.5 < high) == ("sentences", True)
    assert high - low == pytest.approx(2 * 1.96 * (2 * 0.01**2 / 99) ** 0.5, rel=1e-3)
    assert by["l2", measuring.RIGHT].interval is None
    assert ("l2", measuring.LESS) not in by
    assert by["l2", measuring.RIGHT].beside == 0.75


def test_the_answer_names_the_gap_and_what_fades(checked):
    results, _ = figures({name: [0.5] for name in models.VARIANTS}, checked)
    said = lstm.answer(results)
    assert "The generalisation gap is 0.50 nats (95 %: 0.50 to 0.50)" in said
    assert "A tutorial's layer gives 25% of its attention to padding." in said
    assert "AttentionPooling gives 0% of its attention to padding." in said
    assert "0.01 of that at the last" in said
    clipped = [result for result in results if result.measure == measuring.CLIPPED]
    assert [(result.run, result.value) for result in clipped] == [("lstm/clipping", 0.25)]


def test_the_answer_speaks_of_what_was_trained_alone(checked):
    brief = [run.rpartition("/")[2] for run in lstm.CASE.brief]
    results, _ = figures({name: [0.5] for name in brief}, checked)
    said = lstm.answer(results)
    assert "The generalisation gap is 0.50 nats (95 %: 0.50 to 0.50), 0.50 with l2-dropout." in said
    assert "tutorial" not in said
    assert "both ways" not in said
