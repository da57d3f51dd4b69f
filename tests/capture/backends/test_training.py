"""``fit`` with the callback: what it records, and that training does not notice."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

import limelight as ll

from .conftest import array, bits

pytestmark = [
    pytest.mark.training,
    pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning"),  # Keras' own
]

T, D = 6, 8
X = np.random.default_rng(0).integers(1, 9, size=(9, T))
Y = np.random.default_rng(1).integers(0, 2, size=(9, 1)).astype("float32")
PROBE = ll.Probe(X[:3], tokens=lambda number: f"w{number}")


def build(**options):
    keras.utils.set_random_seed(5)
    inputs = keras.Input((T,), dtype="int32")
    x = layers.Embedding(20, D)(inputs)
    x = layers.Attention(use_scale=True, dropout=0.3, name="attention")([x, x])
    x = layers.GlobalAveragePooling1D()(layers.BatchNormalization()(x))
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid", name="out")(x))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"], **options)
    return model


def fit(model, *callbacks):
    keras.utils.set_random_seed(6)  # torch draws dropout from a generator of the whole process
    return model.fit(
        X, Y, epochs=3, batch_size=3, verbose=0, shuffle=False, callbacks=list(callbacks)
    ).history


@pytest.mark.parametrize("options", [{}, {"run_eagerly": True}])
@pytest.mark.parametrize(
    ("every", "steps"), [("epoch", [0, 3, 6, 9]), (2, [0, 2, 4, 6, 8, 9])], ids=["epoch", "steps"]
)
def test_training_is_the_same_with_and_without(every, steps, options, tmp_path):
    plain, watched = build(**options), build(**options)
    first = ll.capture(watched, PROBE)["attention"]["weights"].values
    history = fit(plain)
    assert fit(watched, ll.KerasCallback(tmp_path, PROBE, every=every)) == history
    assert bits(watched) == bits(plain)
    for state, other in zip(watched.optimizer.variables, plain.optimizer.variables, strict=True):
        np.testing.assert_array_equal(array(state), array(other))
    run = ll.open_run(tmp_path)
    assert run.steps.tolist() == steps
    np.testing.assert_allclose(run.weights("attention", step=0).values, first, atol=3e-4)
    last = ll.capture(watched, PROBE)["attention"]["weights"].values
    np.testing.assert_allclose(run.weights("attention", step=-1).values, last, atol=3e-4)
    assert {"out/kernel", "attention/scale"} <= set(run.parameter_names)


def test_a_capture_between_two_calls_of_fit():
    plain, watched = build(), build()
    for model in (plain, watched):
        fit(model)
        keras.random.normal((1,))
        if model is watched:
            ll.capture(model, PROBE)
        model.fit(X, Y, batch_size=3, verbose=0, shuffle=False)
    assert bits(watched) == bits(plain)
