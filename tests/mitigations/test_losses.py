"""What losses come to, by closed forms; the frameworks are held to these numbers elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from limelight import mitigations as mt
from limelight.errors import DimensionError, LimelightError
from limelight.testing.mitigations import TRIALS, data

NAN = float("nan")


def cross_entropy(scores, y):
    shifted = scores - scores.max(axis=-1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return -logs[np.arange(len(y)), y]


def numpy_loss(kind, *args, **options):
    return getattr(mt, kind)(*args, framework="numpy", **options)


def test_every_loss_has_a_trial():
    cards = mt.cards().values()
    losses = {card.name for card in cards if isinstance(card.function, type)}
    tried = {trial.name for trial in TRIALS}
    assert losses == tried


def test_cards_say_what_is_needed():
    for card in mt.cards().values():
        assert card.source
        assert card.title.endswith(".")
        assert set(card.answers) <= {f"L{number}" for number in range(1, 14)}
        assert card.home in (*card.answers, "")
        assert all(reason for _, reason in card.why_not)
    homes = [card.home for card in mt.cards().values() if card.home]
    assert len(homes) == len(set(homes))


def test_plain_cross_entropy_is_the_mean():
    held = data()
    loss = numpy_loss("CrossEntropy")(held["scores"], held["y"])
    assert loss == pytest.approx(cross_entropy(held["scores"], held["y"]).mean(), rel=1e-6)


def test_weights_do_not_change_what_is_divided_by():
    held = data()
    each, weights = cross_entropy(held["scores"], held["y"]), held["weights"]
    loss = numpy_loss("CrossEntropy")(held["scores"], held["y"], weights)
    assert loss == pytest.approx((each * weights).sum() / len(each), rel=1e-6)
    by_class = np.array([0.5, 1, 3])
    loss = numpy_loss("CrossEntropy", by_class)(held["scores"], held["y"])
    assert loss == pytest.approx((each * by_class[held["y"]]).mean(), rel=1e-6)


def test_ignored_targets_count_nowhere():
    held = data()
    y = held["y"].copy()
    y[3:] = -100
    for kind in ("CrossEntropy", "Focal"):
        whole = numpy_loss(kind)(held["scores"][:3], held["y"][:3])
        assert numpy_loss(kind)(held["scores"], y) == pytest.approx(whole)


def test_shares_of_classes_are_targets_too():
    held = data()
    one_hot = np.eye(3)[held["y"]]
    for kind in ("CrossEntropy", "Focal"):
        codes = numpy_loss(kind)(held["scores"], held["y"])
        assert numpy_loss(kind)(held["scores"], one_hot) == pytest.approx(codes)


def test_each_position_of_a_sequence_is_a_target():
    held = data()
    scores, y = held["scores"].reshape(6, 4, 3), held["y"].reshape(6, 4)
    weights = held["weights"][:6]
    loss = numpy_loss("CrossEntropy")(scores, y, weights)
    flat = numpy_loss("CrossEntropy")(held["scores"], held["y"], np.repeat(weights, 4))
    assert loss == pytest.approx(flat)


@pytest.mark.parametrize("from_logits", [True, False])
def test_two_classes_may_be_a_single_output(from_logits):
    z = np.array([[-1.0], [0.3], [2.0]])
    outputs = z if from_logits else 1 / (1 + np.exp(-z))
    both = np.concatenate([np.zeros_like(z), z], axis=1)
    single = numpy_loss("Focal", from_logits=from_logits)(outputs, [0, 1, 1])
    assert single == pytest.approx(numpy_loss("Focal")(both, [0, 1, 1]), rel=1e-6)
    assert numpy_loss("Focal", from_logits=from_logits)(outputs[:, 0], [0, 1, 1]) == single


def test_focal_at_nine_tenths_counts_a_hundredth():
    scores = np.log([[0.9, 0.1]])
    plain = numpy_loss("CrossEntropy")(scores, [0])
    assert plain / numpy_loss("Focal", 2)(scores, [0]) == pytest.approx(100)
    assert numpy_loss("Focal", 0)(scores, [0]) == pytest.approx(plain)


def test_logit_adjustment_is_a_product_with_the_prior():
    held = data()
    counts = np.array([70, 20, 10])
    prior = np.tile(np.log(counts / counts.sum()), (len(held["y"]), 1))
    product = numpy_loss("ProductOfExperts")(held["scores"], held["y"], prior)
    adjusted = numpy_loss("LogitAdjustment", counts)(held["scores"], held["y"])
    assert adjusted == pytest.approx(product, rel=1e-9)


def test_little_is_learnt_where_the_bias_model_is_right():
    loss = numpy_loss("ProductOfExperts")
    bias, step = np.log([[0.01, 0.99]]), 1e-6
    slope = (loss([[0, step]], [1], bias) - loss([[0, -step]], [1], bias)) / (2 * step)
    assert slope == pytest.approx(-0.01, abs=1e-5)
    even = np.log([[0.5, 0.5]])
    slope = (loss([[0, step]], [1], even) - loss([[0, -step]], [1], even)) / (2 * step)
    assert slope == pytest.approx(-0.5, abs=1e-5)


def scores_with_losses(*losses):
    """Scores of two classes whose first class has these cross-entropies."""
    return np.array([[0.0, np.log(np.expm1(loss))] for loss in losses])


def test_group_weights_grow_by_the_exponential_of_losses():
    loss = numpy_loss("GroupDRO", 2, step=0.1)
    value = loss(scores_with_losses(1, 2), [0, 0], [0, 1])
    weights = loss.parts["group_weights"]
    assert weights[1] / weights[0] == pytest.approx(np.exp(0.1), rel=1e-6)
    assert weights.sum() == pytest.approx(1)
    assert value == pytest.approx(weights @ [1, 2], rel=1e-6)
    assert loss.parts["group_losses"] == pytest.approx([1, 2], rel=1e-6)


def test_a_group_that_is_not_there_keeps_its_weight():
    loss = numpy_loss("GroupDRO", 3, step=1.0)
    loss(scores_with_losses(1, 2), [0, 0], [0, 1])
    weights = loss.parts["group_weights"]
    assert weights[2] == pytest.approx(1 / 3)
    assert weights[:2].sum() == pytest.approx(2 / 3)
    alone = numpy_loss("GroupDRO", 2, step=1.0)
    alone(scores_with_losses(1), [0], [0])
    assert alone.parts["group_weights"] == pytest.approx([0.5, 0.5])
    assert np.isnan(alone.parts["group_losses"][1])


def test_a_group_counts_by_its_mean_not_by_how_many():
    loss = numpy_loss("GroupDRO", 2, step=0.0)
    value = loss(scores_with_losses(1, 1, 1, 3), [0] * 4, [0, 0, 0, 1])
    assert value == pytest.approx((1 + 3) / 2, rel=1e-6)


def test_group_dro_meets_groups_in_the_middle():
    # L1 = θ², L2 = (θ − 1)²: even where 95 % of examples pull to 0. The formula, not the loss of
    # classes, is stepped here with the same growth of weights.
    theta, weights = 0.05, np.full(2, 0.5)
    for _ in range(4000):
        losses = np.array([theta**2, (theta - 1) ** 2])
        weights = weights * np.exp(0.05 * losses)
        weights /= weights.sum()
        theta -= 0.05 * (weights @ [2 * theta, 2 * (theta - 1)])
    assert theta == pytest.approx(0.5, abs=0.01)


def test_weights_of_classes_wait():
    loss = numpy_loss("DeferredReweighting", [1, 3], after=2)
    values = [loss([[0.0, 0.0]], [1]) for _ in range(4)]
    assert np.divide(values, values[0]) == pytest.approx([1, 1, 3, 3])
    assert loss.parts == {"steps": 4}


def test_terms_add_up_and_are_known_before_and_after_their_weight():
    held = data()
    terms = {
        "plain": (numpy_loss("CrossEntropy"), 1.0),
        "size": (lambda scores, targets: (scores**2).mean(), (0.0, 3.0, 1, 4)),
        "off": (lambda scores, targets: scores.sum() * NAN, 0),
    }
    loss = numpy_loss("Composite", terms)
    weights = [0, 0, 1, 2, 3, 3]
    for step, weight in enumerate(weights):
        total = loss(held["scores"], held["y"], held["weights"])
        parts = loss.parts
        assert parts["steps"] == step + 1
        assert parts["weighted size"] == pytest.approx(weight * parts["size"])
        assert total == pytest.approx(parts["weighted plain"] + parts["weighted size"])
    plain = numpy_loss("CrossEntropy")(held["scores"], held["y"], held["weights"])
    assert parts["plain"] == pytest.approx(plain)


def test_entropy_is_that_of_the_weights_themselves():
    weights = np.random.default_rng(0).dirichlet(np.ones(6), (2, 3, 5))
    mean = weights.mean(axis=1)
    expected = -(mean * np.log(mean)).sum(axis=-1).mean()
    assert mt.attention_entropy(weights) == pytest.approx(expected)
    sharp = np.tile(np.eye(6)[:5], (2, 3, 1, 1))
    assert mt.attention_entropy(sharp) == pytest.approx(0, abs=1e-6)
    # Released code takes a softmax of them once more: all it can tell apart lies within 4 %.
    twice = np.exp(sharp) / np.exp(sharp).sum(axis=-1, keepdims=True)
    assert mt.attention_entropy(twice) > 0.95 * np.log(6) - 0.05


def test_queries_that_may_attend_to_nothing_do_not_count():
    weights = np.full((1, 2, 4, 4), 0.25)
    weights[:, :, 3] = 0
    allowed = np.ones((1, 4, 4), bool)
    allowed[:, 3] = False
    assert mt.attention_entropy(weights, allowed) == pytest.approx(np.log(4))
    assert mt.attention_entropy(weights) < np.log(4) - 0.1
    by_head = np.tile(allowed[:, None], (1, 2, 1, 1))
    assert mt.attention_entropy(weights, by_head) == pytest.approx(np.log(4))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: mt.attention_entropy(np.ones((2, 3, 3))), "Add an axis for the head"),
        (lambda: numpy_loss("Composite", {}), "mapping of names"),
        (lambda: numpy_loss("Composite", {"a": numpy_loss("Focal")}), "a term and its weight"),
        (lambda: numpy_loss("Composite", {"a": (3, 1.0)}), "3, which is no loss"),
        (lambda: numpy_loss("Composite", {"a": (numpy_loss("GroupDRO", 2), 1)}), "by itself"),
        (
            lambda: numpy_loss("Composite", {"a": (numpy_loss("Focal"), (0, 1, 5, 5))}),
            "first step before",
        ),
        (lambda: numpy_loss("Focal", -1), "gamma=-1"),
        (lambda: numpy_loss("GroupDRO", 1), "at least 2"),
        (lambda: numpy_loss("LogitAdjustment", [9, 0]), "each at least once"),
        (lambda: numpy_loss("CrossEntropy", {0: 1, 2: 1}), "none of class 1"),
        (lambda: numpy_loss("CrossEntropy", [1, NAN]), "finite numbers"),
        (lambda: numpy_loss("CrossEntropy", [1, 2])(np.zeros((2, 3)), [0, 1]), "outputs of 3"),
        (lambda: numpy_loss("DeferredReweighting", [1, 2], after=0.5), "whole number"),
        (lambda: numpy_loss("GroupDRO", 2)(np.zeros((2, 3)), [0, 1]), "Got no groups"),
        (lambda: numpy_loss("GroupDRO", 2)(np.zeros((2, 3)), [0, 1], [0, 2]), "group 2"),
        (lambda: numpy_loss("ProductOfExperts")(np.zeros((2, 3)), [0, 1]), "log-probabilities"),
        (
            lambda: numpy_loss("ProductOfExperts")(np.zeros((2, 3)), [0, 1], np.zeros((2, 2))),
            "one for each example and class",
        ),
        (lambda: numpy_loss("CrossEntropy")(np.zeros((2, 3)), np.zeros((2, 4))), "Reshape"),
        (lambda: mt.Focal(framework="jax"), "framework='jax'"),
    ],
)
def test_what_makes_no_sense_is_said(make, words):
    with pytest.raises((LimelightError, DimensionError), match=words):
        make()


def test_a_name_that_is_none_lists_what_there_is():
    with pytest.raises(AttributeError, match=r"Focal.*GroupDRO"):
        _ = mt.Fokal
