"""What is drawn, swapped, made up and averaged."""

from __future__ import annotations

import numpy as np
import pytest

from limelight import mitigations as mt
from limelight.errors import DimensionError, LimelightError

Y = np.array([0] * 90 + [1] * 10)


def test_over_and_under_sampling():
    over, under = mt.balanced_rows(Y), mt.balanced_rows(Y, how="under")
    assert np.bincount(Y[over]).tolist() == [90, 90]
    assert np.bincount(Y[under]).tolist() == [10, 10]
    assert len(set(under)) == 20, "no row is drawn twice"
    counts = np.bincount(over)
    assert counts[:90].tolist() == [1] * 90, "each row of the largest group comes once"
    assert set(counts[90:]) == {9}
    assert np.array_equal(over, mt.balanced_rows(Y))
    assert not np.array_equal(over, mt.balanced_rows(Y, seed=1))


def test_rows_of_a_group_are_drawn_as_often_as_others_of_it():
    counts = np.bincount(mt.balanced_rows([0] * 25 + [1] * 10))[25:]
    assert counts.sum() == 25
    assert set(counts) == {2, 3}


def test_groups_within_classes_are_balanced():
    groups = np.tile([0, 0, 0, 1], 25)
    rows = mt.balanced_rows(groups, Y)
    cells = np.bincount(2 * Y[rows] + groups[rows])
    assert len(set(cells)) == 1


def test_swapped_token_says_nothing_of_the_class():
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 200)
    token = np.where(random.random(200) < 0.95, y, 1 - y) + 1
    x = np.stack([np.full(200, 9), token, random.integers(5, 8, 200)], axis=1)
    more, targets, rows = mt.counterfactual(x, y, {1: 2})
    assert len(more) == 400
    for name in (1, 2):
        assert targets[more[:, 1] == name].mean() == pytest.approx(y.mean())
    assert np.array_equal(np.bincount(rows), np.full(200, 2))
    assert np.array_equal(more[:, [0, 2]], x[rows][:, [0, 2]])


def test_words_and_functions_swap_too():
    more, _, _ = mt.counterfactual([["he", "ran"], ["she", "ran"]], [0, 1], {"he": "himself"})
    assert more[2:].tolist() == [["himself", "ran"]]
    more, _, rows = mt.counterfactual([[1, 2], [0, 2]], [0, 1], lambda x: np.where(x == 1, 3, x))
    assert more[2:].tolist() == [[3, 2]]
    assert rows.tolist() == [0, 1, 0]


def test_made_up_vectors_lie_between_neighbours():
    x = np.random.default_rng(1).normal(size=(40, 2))
    y = np.array([0] * 30 + [1] * 10)
    x[30:] = np.linspace(0, 1, 10)[:, None] * [1.0, 2.0]
    more, targets = mt.smote(x, y, neighbours=2)
    new = more[40:]
    assert targets[40:].tolist() == [1] * 20
    assert new[:, 1] == pytest.approx(2 * new[:, 0])
    assert np.array_equal(more[:40], x)


def test_errors_of_an_ensemble_add_up():
    random = np.random.default_rng(2)
    members = random.dirichlet(np.ones(3), (4, 50))
    together = mt.ensemble(members, random.integers(0, 3, 50))
    left = float(together["ensemble_error"])
    assert left == pytest.approx(float(together["error"].mean() - together["ambiguity"]), rel=1e-12)
    assert np.diag(together["agreement"]) == pytest.approx(1)
    same = mt.ensemble([members[0]] * 3, random.integers(0, 3, 50))
    assert float(same["ambiguity"]) == pytest.approx(0, abs=1e-30)


IDS = np.arange(20).reshape(10, 2)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: mt.balanced_rows([0, 0]), "1 group"),
        (lambda: mt.balanced_rows([0, 1], how="both"), "'over' or 'under'"),
        (lambda: mt.counterfactual([[1, 2]], [0], {7: 8}), "7 to swap"),
        (lambda: mt.counterfactual([[1, 2]], [0], {1: 8}, vocabulary=5), "8 to swap"),
        (lambda: mt.counterfactual([[1, 2]], [0], {1: 3, 2: 3}), "of both"),
        (lambda: mt.counterfactual([[1, 2]], [0], lambda x: x), "change no example"),
        (lambda: mt.counterfactual([[1, 2]], [0], lambda x: x[:, :1]), "as many tokens"),
        (lambda: mt.counterfactual([[1, 2]], [0, 1], {1: 2}), "as many of both"),
        (lambda: mt.smote(IDS, np.arange(10) % 2), "between two tokens"),
        (lambda: mt.smote(IDS.astype(float), np.arange(10) % 2), "between two tokens"),
        (lambda: mt.smote(IDS + 0.5, [0] * 8 + [1] * 2), "2 examples of class 1"),
        (lambda: mt.smote(np.zeros((2, 3, 4)), [0, 1]), "Pool sequences"),
        (lambda: mt.ensemble([[[0.5, 0.5]]]), "at least two"),
        (lambda: mt.ensemble([[[3.0, 1.0]], [[2.0, 0.1]]]), "softmax"),
        (lambda: mt.ensemble([[[0.5, 0.5]], [[0.5, 0.5]] * 2]), "same examples"),
    ],
)
def test_what_makes_no_sense_is_said(make, words):
    with pytest.raises((LimelightError, DimensionError), match=words):
        make()
