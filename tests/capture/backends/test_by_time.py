"""Gradients by time step of Keras' recurrent layers, on whatever Keras runs on."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

import limelight as ll

from .conftest import array

pytestmark = [
    pytest.mark.training,
    pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning"),  # Keras' own
]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 6, 3)).astype("float32")
Y = RNG.normal(size=(8, 1)).astype("float32")


def build():
    keras.utils.set_random_seed(3)
    inputs = keras.Input((None, 3))
    hidden = layers.SimpleRNN(4, return_sequences=True, name="low")(inputs)
    hidden = layers.Bidirectional(layers.GRU(3), name="high")(hidden)
    model = keras.Model(inputs, layers.Dense(1, name="out")(hidden))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def fit(model, *callbacks, count=8):
    model.fit(X[:count], Y[:count], batch_size=4, verbose=0, shuffle=False,
              callbacks=list(callbacks))  # fmt: skip


def loss(model, x, y):
    return float(np.mean((array(model(x)) - y) ** 2))


def test_norms_are_those_of_the_gradient_at_each_time_step(tmp_path):
    watched, plain, before = build(), build(), build()
    fit(watched, ll.KerasCallback(tmp_path, None, every=2, gradients=True))
    fit(plain)
    for ours, theirs in zip(watched.weights, plain.weights, strict=True):
        # XLA fuses what also goes elsewhere in another way, and rounds in another way then.
        rounding = 1e-5 if keras.backend.backend() == "jax" else 0
        np.testing.assert_allclose(array(ours), array(theirs), rtol=rounding, atol=rounding / 100)
    table = ll.open_run(tmp_path).tensors("time")
    names = table["parameter"].values.tolist()
    assert "low" in names
    assert len(names) == 3  # one for each direction
    assert np.isnan(table["norm"].sel(step=0)).all()
    row = table.sel(step=2, parameter="low")
    assert (float(row["length"]), row.sizes["time"]) == (6, 6)
    fit(before, count=4)  # the second batch's step begins here
    x, y, eps = X[4:], Y[4:], 3e-2
    gradient = np.zeros_like(x[:, 2])
    for at in np.ndindex(gradient.shape):
        moved = [x.copy(), x.copy()]
        for copy, sign in zip(moved, (eps, -eps), strict=True):
            copy[at[0], 2, at[1]] += sign
        gradient[at] = (loss(before, moved[0], y) - loss(before, moved[1], y)) / (2 * eps)
    np.testing.assert_allclose(row["norm"].values[2], np.linalg.norm(gradient), rtol=2e-2)
    assert not any("call" in vars(layer) for layer in watched._flatten_layers())


def test_compiled_and_of_another_length_it_is_the_same(tmp_path):
    norms = []
    for number, options in enumerate(({"run_eagerly": True}, {})):
        model = build()
        model.compile(keras.optimizers.SGD(0.1), "mse", **options)
        folder = tmp_path / str(number)
        callback = ll.KerasCallback(folder, None, every=1, gradients=True)
        model.fit(X[:4, :5], Y[:4], batch_size=4, verbose=0, callbacks=[callback])
        norms.append(ll.open_run(folder).tensors("time")["norm"].sel(step=1).values)
    np.testing.assert_allclose(norms[0], norms[1], rtol=1e-4)
    assert norms[0].shape == (3, 5)
