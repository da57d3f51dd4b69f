"""Losses on Keras' backends: one argument of compile, the same numbers as everywhere."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from limelight import mitigations as mt
from limelight.errors import LimelightError
from limelight.testing.mitigations import TRIALS, data

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # Keras' own


def named(trial):
    return f"{trial.name}-{trial.beside}"


def model_of(loss, activation=None):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3, activation=activation)])
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss=loss, metrics=["accuracy"])
    return model


@pytest.mark.parametrize("trial", TRIALS, ids=named)
def test_it_is_the_same_as_on_numpy(trial):
    held = data()
    beside = held[trial.beside] if trial.beside else None
    expected = trial.make(framework="numpy")(held["scores"], held["y"], beside)
    for from_logits in (True, False):
        shares = np.exp(held["scores"]) / np.exp(held["scores"]).sum(axis=1, keepdims=True)
        outputs = held["scores"] if from_logits else shares
        loss = trial.make(framework="keras", from_logits=from_logits)
        value = float(keras.ops.convert_to_numpy(loss(held["y"], outputs, beside)))
        assert value == pytest.approx(expected, rel=1e-5)


def slope_of(trial, wanted, held, beside, kernel, bias, size=1e-3):
    """Take the gradient of a loss by finite differences, with what it remembers held still."""
    held_still = trial.make(framework="numpy")
    held_still.remembered = None if wanted.remembered is None else np.copy(wanted.remembered)
    if trial.name == "GroupDRO":
        held_still(held["x"] @ kernel + bias, held["y"], beside)
        held_still.formula.step = 0.0
    whole = np.concatenate([kernel, bias[None]]).astype(float)
    inputs = np.concatenate([held["x"], np.ones((24, 1))], axis=1)
    slope = np.zeros_like(whole)
    for at in np.ndindex(whole.shape):
        values = []
        for sign in (1, -1):
            moved = whole.copy()
            moved[at] += sign * size
            before = None if held_still.remembered is None else held_still.remembered.copy()
            values.append(held_still(inputs @ moved, held["y"], beside))
            held_still.remembered = before
        slope[at] = (values[0] - values[1]) / (2 * size)
    return slope[:-1], slope[-1]


@pytest.mark.training
@pytest.mark.parametrize("trial", TRIALS[-2:], ids=named)
def test_fit_steps_as_finite_differences_say_and_evaluation_remembers_nothing(trial):
    held = data()
    beside = held[trial.beside] if trial.beside else None
    loss, wanted = trial.make(framework="keras", from_logits=True), trial.make(framework="numpy")
    model = model_of(loss)
    kernel, bias = (keras.ops.convert_to_numpy(value) for value in model.weights)
    validation = (held["x"], held["y"]) if beside is None else (held["x"], held["y"], beside)
    seen = model.fit(
        held["x"], held["y"], sample_weight=beside, batch_size=24, epochs=3, verbose=0,
        shuffle=False, validation_data=validation,
    )  # fmt: skip
    for value in seen.history["loss"]:
        slopes = slope_of(trial, wanted, held, beside, kernel, bias)
        expected = wanted(held["x"] @ kernel + bias, held["y"], beside)
        assert value == pytest.approx(expected, rel=1e-4)
        kernel, bias = kernel - 0.1 * slopes[0], bias - 0.1 * slopes[1]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model.weights[0]), kernel, atol=1e-4)
    for name, numbers in wanted.parts.items():  # three steps, though validation ran three times
        np.testing.assert_allclose(loss.parts[name], numbers, rtol=1e-3)


def test_entropy_of_attention_is_the_same_as_on_numpy():
    weights = np.random.default_rng(0).dirichlet(np.ones(4), (2, 3, 4)).astype("float32")
    allowed = np.tril(np.ones((2, 4, 4), bool))
    value = mt.attention_entropy(*map(keras.ops.convert_to_tensor, (weights, allowed)))
    expected = mt.attention_entropy(weights, allowed)
    assert float(keras.ops.convert_to_numpy(value)) == pytest.approx(expected, rel=1e-5)


def test_what_is_missing_or_wrong_is_said():
    held = data()
    model = model_of(mt.GroupDRO(2, framework="keras", from_logits=True))
    with pytest.raises(LimelightError, match="sample_weight"):
        model.fit(held["x"], held["y"], verbose=0)
    groups = np.full(24, 2)
    loss = mt.GroupDRO(2, framework="keras", from_logits=True)
    assert np.isnan(float(keras.ops.convert_to_numpy(loss(held["y"], held["scores"], groups))))


def test_padding_does_not_count():
    held = data()
    outputs = keras.ops.convert_to_tensor(held["scores"].reshape(6, 4, 3))
    mask = np.ones((6, 4), bool)
    mask[:, 2:] = False
    outputs._keras_mask = keras.ops.convert_to_tensor(mask)
    y = held["y"].reshape(6, 4)
    loss = mt.CrossEntropy(framework="keras", from_logits=True)
    value = float(keras.ops.convert_to_numpy(loss(y, outputs)))
    wanted = mt.CrossEntropy(framework="numpy")(held["scores"].reshape(6, 4, 3)[:, :2], y[:, :2])
    assert value == pytest.approx(wanted, rel=1e-5)


def test_a_model_is_saved_and_loaded_with_its_loss(tmp_path):
    held = data()
    model = model_of(mt.Focal(gamma=3, framework="keras", from_logits=True))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.loss.formula.gamma == 3
    assert again.evaluate(held["x"], held["y"], verbose=0) == pytest.approx(
        model.evaluate(held["x"], held["y"], verbose=0), rel=1e-5
    )


def attackable():
    keras.utils.set_random_seed(0)
    ids = keras.Input((3,), dtype="int32")
    hidden = keras.layers.Embedding(9, 4, mask_zero=True)(ids)
    hidden = keras.layers.Dropout(0.0)(keras.layers.BatchNormalization()(hidden))
    hidden = keras.layers.GlobalAveragePooling1D()(hidden)
    outputs = keras.layers.Dense(1, kernel_regularizer="l2")(hidden)
    model = keras.Model(ids, outputs)
    model.compile(optimizer=keras.optimizers.SGD(0.05), loss="mse")
    return model


IDS = np.array([[1, 2, 3], [4, 5, 0], [6, 7, 8], [1, 5, 0]])
NUMBERS = np.array([[0.0], [1.0], [0.5], [-1.0]])


@pytest.mark.training
@pytest.mark.parametrize("method", ["fgm", "freelb"])
def test_fit_trains_on_attacks_and_leaves_the_model_as_it_was(method):
    def trained(**options):
        model = attackable()
        with mt.adversarial(model, method, steps=2, **options):
            seen = model.fit(IDS, NUMBERS, epochs=2, verbose=0, shuffle=False)
        assert "compute_loss" not in vars(model)
        assert "call" not in vars(model.layers[1])
        return seen.history["loss"], model

    model = attackable()
    plain = model.fit(IDS, NUMBERS, epochs=2, verbose=0, shuffle=False).history["loss"]
    still, _ = trained(weight=0.0)
    assert still == plain, "weight 0 is the baseline to the bit"
    none, _ = trained(epsilon=0.0)
    regularised = 0.01 * float((np.asarray(attackable().get_weights()[-2]) ** 2).sum())
    assert none[0] == pytest.approx(2 * plain[0] - regularised, rel=1e-4)
    attacked, after = trained(epsilon=0.3)
    assert attacked[0] > none[0] or method == "freelb"
    evaluated = after.evaluate(IDS, NUMBERS, verbose=0)
    again = after.evaluate(IDS, NUMBERS, verbose=0)
    assert evaluated == again


def test_a_model_without_an_embedding_cannot_be_attacked():
    with pytest.raises(LimelightError, match="Say embedding= one of: dense"):
        mt.adversarial(model_of("mse")).__enter__()


def test_penalty_on_wrong_reasons_is_the_closed_form_of_a_linear_model():
    random = np.random.default_rng(0)
    weight, x = random.normal(size=(4, 3)).astype("float32"), random.normal(size=(5, 4))
    x, mask = x.astype("float32"), np.array([[1.0, 0, 0, 1]] * 5, "float32")
    penalty = mt.right_reasons(
        lambda values: keras.ops.matmul(values, weight),
        *map(keras.ops.convert_to_tensor, (x, mask)),
    )
    scores = np.exp(x @ weight)
    slopes = weight.sum(axis=1) - 3 * (scores / scores.sum(axis=1, keepdims=True)) @ weight.T
    expected = ((mask * slopes) ** 2).sum() / 5
    assert float(keras.ops.convert_to_numpy(penalty)) == pytest.approx(expected, rel=1e-4)
