"""Gradients, updates and activations of Keras models, on whatever Keras runs on."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

import limelight as ll

from .conftest import array

pytestmark = [
    pytest.mark.filterwarnings("ignore:limelight. Step too large"),  # its rate is 0.1
    pytest.mark.training,
    pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning"),  # Keras' own
    pytest.mark.filterwarnings("ignore:No attention here"),
    pytest.mark.filterwarnings("ignore:limelight. Step too large"),  # it is
]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 6)).astype("float32")
Y = RNG.normal(size=(32, 2)).astype("float32")
BATCH = 4


def build(optimizer, **options):
    keras.utils.set_random_seed(5)
    inputs = keras.Input((6,))
    hidden = layers.Dense(5, activation="relu", name="hidden")(inputs)
    model = keras.Model(inputs, layers.Dense(2, name="out")(hidden))
    model.compile(optimizer, "mse", **options)
    return model


def fit(model, *callbacks, count=32):
    model.fit(X[:count], Y[:count], batch_size=BATCH, verbose=0, shuffle=False,
              callbacks=list(callbacks))  # fmt: skip


def by_hand(model, step, batches=1):
    """Work the gradient of a step out without Keras: of the mean over its batches."""
    gradients = []
    for batch in range(step - batches, step):
        rows = slice(batch * BATCH, (batch + 1) * BATCH)
        kernel, bias, last, last_bias = (array(v).astype(np.float64) for v in model.weights[:4])
        x, y = X[rows], Y[rows]
        hidden = np.maximum(x @ kernel + bias, 0)
        wrong = hidden @ last + last_bias - y
        out = 2 * wrong / wrong.size
        inside = (out @ last.T) * (hidden > 0)
        gradients.append([x.T @ inside, inside.sum(0), hidden.T @ out, out.sum(0)])
    return [np.mean(parts, axis=0) for parts in zip(*gradients, strict=True)]


NAMES = ["hidden/kernel", "hidden/bias", "out/kernel", "out/bias"]
KINDS = {
    "plain": (lambda: keras.optimizers.SGD(0.1), {}),
    "clipped": (lambda: keras.optimizers.SGD(0.1, global_clipnorm=0.01), {}),
    "scaled": (lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)), {}),
    "decayed": (lambda: keras.optimizers.AdamW(0.01), {}),
    "accumulated": (lambda: keras.optimizers.SGD(0.1, gradient_accumulation_steps=2), {}),
    "eager": (lambda: keras.optimizers.SGD(0.1), {"run_eagerly": True}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_recorded_is_what_the_optimizer_got_and_did(tmp_path, kind):
    make, options = KINDS[kind]
    step = 4
    batches = 2 if kind == "accumulated" else 1
    before = build(make(), **options)
    fit(before, count=(step - 1) * batches * BATCH)
    exact = by_hand(before, step * batches, batches)
    after = build(make(), **options)
    fit(after, count=step * batches * BATCH)

    watched = build(make(), **options)
    fit(watched, ll.KerasCallback(tmp_path, None, every=step, gradients=True, updates=True))
    plain = build(make(), **options)
    fit(plain)
    for ours, theirs in zip(watched.weights, plain.weights, strict=True):
        np.testing.assert_array_equal(array(ours), array(theirs))

    run = ll.open_run(tmp_path)
    assert run.steps.tolist() == ([0, 4] if kind == "accumulated" else [0, 4, 8])
    gradients = run.tensors("gradient", step=step).isel(step=0)
    updates = run.tensors("update", step=step).isel(step=0)
    assert gradients["parameter"].values.tolist() == NAMES
    for at, name in enumerate(NAMES):
        row = gradients.sel(parameter=name)
        np.testing.assert_allclose(row["norm"], np.linalg.norm(exact[at]), rtol=2e-5)
        np.testing.assert_allclose(row["mean"], exact[at].mean(), rtol=1e-3, atol=1e-7)
        change = array(after.weights[at]) - array(before.weights[at])
        np.testing.assert_allclose(updates.sel(parameter=name)["norm"], np.linalg.norm(change),
                                   rtol=1e-3)  # fmt: skip
        start = np.linalg.norm(array(before.weights[at]))
        np.testing.assert_allclose(updates.sel(parameter=name)["ratio"],
                                   np.linalg.norm(change) / start, rtol=1e-3)  # fmt: skip
    together = run.tensors("training", step=step).isel(step=0, parameter=0)
    norm = np.sqrt(sum((part**2).sum() for part in exact))
    np.testing.assert_allclose(together["norm_before"], norm, rtol=1e-5)
    assert float(together["clipped"]) == (kind == "clipped")
    np.testing.assert_allclose(together["norm_after"], 0.01 if kind == "clipped" else norm,
                               rtol=1e-5)  # fmt: skip


def test_an_epochs_last_step_is_the_one_that_is_seen(tmp_path):
    model = build("adam")
    model.fit(X, Y, batch_size=BATCH, epochs=2, verbose=0,
              callbacks=[ll.KerasCallback(tmp_path, None, updates=True)])  # fmt: skip
    run = ll.open_run(tmp_path)
    assert run.steps.tolist() == [0, 8, 16]
    table = run.tensors("update")
    assert np.isfinite(table["moment2_norm"].values[1:]).all()
    assert "gradient" not in run.tensor_kinds


def test_a_second_fit_is_not_seen_and_the_optimizer_is_as_it_was(tmp_path):
    model = build("sgd")
    known = set(vars(model.optimizer))
    fit(model, ll.KerasCallback(tmp_path, None, every=4, gradients=True))
    assert "_clip_gradients" not in vars(model.optimizer)
    assert set(vars(model.optimizer)) >= known
    fit(model)


def test_activations_of_layers(tmp_path):
    model = build("sgd")
    hidden = model.get_layer("hidden")
    bias = array(hidden.bias).copy()
    bias[:2] = -100
    hidden.bias.assign(bias)
    fit(model, ll.KerasCallback(tmp_path, X, activations=True, spectra=1, tensors="out/*"))
    run = ll.open_run(tmp_path)
    row = run.tensors("activation", "hidden", 0).isel(step=0, parameter=0)
    values = np.maximum(X @ array(build("sgd").get_layer("hidden").kernel) + bias, 0)
    assert float(row["dead"]) == np.mean((values == 0).all(axis=0))
    np.testing.assert_allclose(row["mean"], values.mean(), rtol=1e-5)
    assert run.parameter_names == ("out/kernel", "out/bias")
    spectrum = run.tensors("spectrum", step=0).isel(step=0)
    kernel = array(build("sgd").get_layer("out").kernel)
    np.testing.assert_allclose(
        spectrum["spectral_norm"].item(), np.linalg.norm(kernel, 2), rtol=1e-5
    )
