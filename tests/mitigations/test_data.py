"""Weights of classes and examples, predictions out of fold, and what is sampled."""

from __future__ import annotations

import numpy as np
import pytest

from limelight import mitigations as mt
from limelight.errors import DimensionError, LimelightError


def test_balanced_weights_have_mean_one_over_examples():
    y = [0] * 90 + [1] * 10
    weights = mt.class_weights(y)
    assert weights == pytest.approx({0: 100 / 180, 1: 5.0})
    assert np.mean([weights[name] for name in y]) == pytest.approx(1)


def test_effective_numbers():
    y = np.repeat([0, 1], [5000, 50])
    assert list(mt.class_weights(y, "effective").values()) == pytest.approx(
        [0.0936, 1.9064], abs=5e-5
    )
    assert mt.class_weights(y, "effective", beta=0) == {0: 1.0, 1: 1.0}
    almost = mt.class_weights(y, "effective", beta=1 - 1e-9)
    assert almost[1] / almost[0] == pytest.approx(100, rel=1e-3)


def test_each_group_weighs_as_much():
    groups, y = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 1, 0])
    weights = mt.group_weights(groups, y)
    sums = [weights[(groups == g) & (y == c)].sum() for g in (0, 1) for c in (0, 1)]
    assert sums == pytest.approx([1.5] * 4)
    columns = np.stack([groups, y], axis=1)
    assert mt.group_weights(columns) == pytest.approx(weights)


def test_wrong_examples_weigh_more():
    weights = mt.jtt_weights([0, 1, 1, 0], [[2.0, 1], [3, 1], [0, 1], [1, 0]], up=20)
    assert weights / weights[0] == pytest.approx([1, 20, 1, 1])
    assert weights.mean() == pytest.approx(1)


def test_no_example_is_predicted_by_a_model_that_saw_it():
    seen = []

    def fit(x, y):
        def predict(asked):
            seen.append(set(x[:, 0]) & set(asked[:, 0]))
            return np.full((len(asked), 2), 0.5)

        return predict

    logs = mt.out_of_fold(np.arange(20)[:, None], np.arange(20) % 2, fit, folds=4)
    assert seen == [set()] * 4
    assert np.exp(logs) == pytest.approx(0.5)


def test_a_label_that_says_nothing_gives_the_share_of_classes():
    # Each label comes once: seen in fold it would be sure, out of fold nothing is known of it.
    y = np.array([0, 0, 0, 1] * 10)
    shares = np.exp(mt.out_of_fold(np.arange(40), y))
    assert np.abs(shares[:, 1] - 0.25).max() < 0.1


def test_what_stands_beside_targets_is_packed():
    logs = np.log([[0.25, 0.75], [0.5, 0.5]])
    assert mt.pack([1, 0], logs).shape == (2, 3)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: mt.class_weights([0, 2]), "of class 1 none"),
        (lambda: mt.class_weights([0, 1], classes=3), "each of 3 classes"),
        (lambda: mt.class_weights([[0, 1]]), "argmax"),
        (lambda: mt.class_weights([0.5, 1]), "argmax"),
        (lambda: mt.class_weights([-1, 1]), "numbers from 0"),
        (lambda: mt.class_weights([0, 1], "effective", beta=1), "below 1"),
        (lambda: mt.group_weights([0, 1], [0, 1, 1]), "as many groups as targets"),
        (lambda: mt.group_weights([]), "a label of each example"),
        (lambda: mt.jtt_weights([0, 1], [0, 1]), "0 wrong"),
        (lambda: mt.jtt_weights([0, 1], [0, 1, 1]), "in its order"),
        (lambda: mt.jtt_weights([0, 1], [0.2, 0.9]), r"predicted > \.5"),
        (lambda: mt.out_of_fold([0, 1, 0], [0, 1, 0], folds=5), "an example in each"),
        (lambda: mt.out_of_fold([0, 1], [0, 1, 0]), "as many of both"),
        (
            lambda: mt.out_of_fold(
                np.zeros(9), np.zeros(9, int), lambda x, y: lambda x: np.full((len(x), 1), 3.0)
            ),
            "no probabilities",
        ),
        (lambda: mt.pack([0, 1], [1]), "as many of both"),
    ],
)
def test_what_makes_no_sense_is_said(make, words):
    with pytest.raises((LimelightError, DimensionError), match=words):
        make()
