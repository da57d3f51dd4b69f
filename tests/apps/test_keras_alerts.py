"""Mistakes of settings that a Keras model and its callbacks show before training."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest

import limelight as ll
from limelight.errors import LimelightError, LimelightWarning

#: Keras says so too, where it does not compile.
pytestmark = pytest.mark.filterwarnings("ignore:.*received `from_logits=True`:UserWarning")

X, Y = np.random.default_rng(0).random((8, 5, 4)).astype("f4"), np.arange(8) % 3


def model_of(activation, from_logits, **call):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((5, 4))
    mixed = keras.layers.Attention(use_scale=True, name="mix")([inputs, inputs], **call)
    pooled = keras.layers.Flatten()(mixed)
    model = keras.Model(inputs, keras.layers.Dense(3, activation=activation, name="out")(pooled))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    model.compile("sgd", loss, run_eagerly=True)
    return model


def alerts_of(folder, model, epochs=1, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimelightWarning)
        callback = ll.KerasCallback(folder, X[:2], **options)
        model.fit(X, Y, batch_size=4, epochs=epochs, verbose=0, callbacks=[callback])
    run = ll.open_run(folder)
    return {alert.rule: alert.tensors for alert in run.alerts()}, run


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_three_mistakes_are_told(tmp_path, activation):
    early = keras.callbacks.EarlyStopping(monitor="loss")
    alerts, _ = alerts_of(tmp_path, model_of(activation, True, training=False), watch=early)
    assert alerts == {
        "probabilities_as_logits": (
            f"out: {activation}, sparse_categorical_crossentropy(from_logits=True)",
        ),
        "early_stopping": ("EarlyStopping(monitor='loss')",),
        "attention_not_training": ("mix(training=False), dropout 0",),
    }


@pytest.mark.parametrize(("activation", "logits"), [(None, True), ("softmax", False)])
def test_what_is_right_is_quiet(tmp_path, activation, logits):
    early = keras.callbacks.EarlyStopping(monitor="val_loss")
    alerts, run = alerts_of(tmp_path, model_of(activation, logits), watch=[early])
    assert alerts == {}
    rules = {"probabilities_as_logits", "early_stopping", "attention_not_training"}
    assert rules <= set(run.judged().quiet)


def test_a_sequential_model_shows_its_loss_too(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((5, 4)),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
            keras.layers.Activation("sigmoid"),
        ]
    )
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True), run_eagerly=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimelightWarning)
        model.fit(X, Y % 2, verbose=0, callbacks=[ll.KerasCallback(tmp_path, None)])
    (alert,) = ll.open_run(tmp_path).alerts()
    assert alert.rule == "probabilities_as_logits"


def test_a_users_function_ends_fit(tmp_path):
    model = model_of(None, True)
    model.layers[-1].kernel.assign(np.full((20, 3), np.nan))
    _, run = alerts_of(
        tmp_path, model, epochs=5, every=1, on_alert=lambda _: setattr(model, "stop_training", True)
    )
    assert len(run.steps) < 5


def test_a_callback_that_watches_nothing_is_refused(tmp_path):
    with pytest.raises(LimelightError, match=r"watches no number.*watch=early_stopping"):
        ll.KerasCallback(tmp_path, None, watch=keras.callbacks.TerminateOnNaN())
