"""A capture leaves nothing behind, on any backend: not in the model, not in Keras."""

from __future__ import annotations

import random

import keras
import numpy as np
import pytest
from keras import layers, ops

from limelight.capture import capture
from limelight.errors import LimelightError, ProbeError

from .conftest import array, bits

T, D = 6, 8


class Restless(layers.Layer):
    """Assigns, adds losses, draws numbers and counts, even at inference."""

    def build(self, shape):
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")
        self.seeds = keras.random.SeedGenerator(5)
        self.metric = keras.metrics.Mean(name="seen")

    def call(self, x):
        self.calls.assign_add(1.0)
        self.metric.update_state(7.0)
        self.add_loss(ops.mean(x))
        random.random()
        np.random.random()  # noqa: NPY002
        keras.random.normal((2,))
        return x + 0 * keras.random.normal(ops.shape(x), seed=self.seeds)

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape)


def model_with(*extra, dropout=0.1):
    inputs = keras.Input((T,), dtype="int32")
    x = layers.Embedding(20, D)(inputs)
    for layer in extra:
        x = layer(x)
    x = layers.MultiHeadAttention(2, 4, dropout=dropout, name="attention")(x, x)
    x = layers.GlobalAveragePooling1D()(layers.BatchNormalization()(x))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


def hooks():
    backend = keras.src.backend
    switches = [
        layers.Layer.__call__, keras.Operation.__call__, layers.Softmax.call,
        backend.nn.dot_product_attention, backend.compute_output_spec,
    ]  # fmt: skip
    if keras.backend.backend() == "jax":
        import jax
        from jax._src import core

        switches += [core.trace_ctx.trace, jax.config.jax_disable_jit]
    if keras.backend.backend() == "torch":
        import torch
        from torch.overrides import _get_current_function_mode_stack

        switches += [torch.is_grad_enabled(), tuple(_get_current_function_mode_stack()),
                  torch.nn.functional.scaled_dot_product_attention]  # fmt: skip
    return switches


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # Keras' convert_to_numpy
def test_outputs_and_weights_are_the_same_bit_for_bit(ids):
    for dropout in (0.0, 0.1):
        model = model_with(layers.GRU(D, return_sequences=True), dropout=dropout)
        before = array(model(ids, training=False))
        predicted = model.predict(ids, verbose=0)
        weights = bits(model)
        capture(model, ids)
        np.testing.assert_array_equal(array(model(ids, training=False)), before)
        np.testing.assert_array_equal(model.predict(ids, verbose=0), predicted)
        assert bits(model) == weights


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
def test_restless_layers_are_put_back(ids):
    model = model_with(Restless())
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model(ids[:1])  # the losses of this call must stay
    keras.random.normal((1,))  # so that Keras' shared generator exists
    before, losses = bits(model), [float(array(loss)) for loss in model.losses]
    assert losses
    python, numpy = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    shared = keras.src.backend.common.global_state.get_global_attribute("global_seed_generator")
    seed = array(shared.state)
    capture(model, ids)
    assert bits(model) == before
    assert random.getstate() == python
    assert (np.random.get_state()[1] == numpy).all()  # noqa: NPY002
    assert (array(shared.state) == seed).all()
    assert [float(array(loss)) for loss in model.losses] == losses


def test_a_stateful_layer_keeps_its_state():
    inputs = keras.Input(batch_shape=(3, T, D))
    x = layers.LSTM(D, stateful=True, return_sequences=True, name="lstm")(inputs)
    model = keras.Model(inputs, layers.Attention(name="attention")([x, x]))
    steps = np.random.default_rng(0).normal(size=(3, T, D)).astype("float32")
    model(steps)
    states = [array(s) for s in model.get_layer("lstm").states]
    assert any(s.any() for s in states)
    capture(model, steps)
    for now, then in zip(model.get_layer("lstm").states, states, strict=True):
        np.testing.assert_array_equal(array(now), then)


def test_hooks_are_gone_after_success(ids):
    model, before = model_with(), hooks()
    capture(model, ids)
    assert hooks() == before


class Broken(layers.Layer):
    error = ValueError("out of order")
    armed = False

    def call(self, x):
        if Broken.armed:
            raise Broken.error
        return x


@pytest.mark.parametrize("error", [ValueError("out of order"), KeyboardInterrupt()])
def test_hooks_are_gone_after_an_exception(error, ids, monkeypatch):
    model = model_with(Broken())
    before = hooks()
    monkeypatch.setattr(Broken, "armed", True)
    monkeypatch.setattr(Broken, "error", error)
    with pytest.raises(ProbeError if isinstance(error, ValueError) else KeyboardInterrupt):
        capture(model, ids)
    assert hooks() == before


def test_hooks_are_gone_when_no_attention_is_found(sequence):
    inputs = keras.Input((T, D))
    model = keras.Model(inputs, layers.Dense(2)(inputs))
    before = hooks()
    with pytest.raises(LimelightError):
        capture(model, sequence)
    assert hooks() == before


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="torch's own")
def test_torch_modules_stay_in_their_mode():
    import torch

    class Wrapped(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = torch.nn.MultiheadAttention(D, 2, batch_first=True)
            self.norm = torch.nn.BatchNorm1d(T)

        def call(self, x):
            return self.norm(self.inner.module(x, x, x, need_weights=False)[0])

        def compute_output_spec(self, x):
            return keras.KerasTensor(x.shape)

    layer = Wrapped(name="wrapped")
    layer.train()
    inputs = keras.Input((T, D))
    model = keras.Model(inputs, layer(inputs))
    x = np.random.default_rng(0).normal(size=(3, T, D)).astype("float32")
    modes = [module.training for module in model.modules()]
    running = layer.norm.module.running_mean.clone()
    site = capture(model, x)["wrapped"]
    assert site["weights"].shape == (3, 2, T, T)
    tensor = torch.from_numpy(x)
    scores = layer.inner.module(tensor, tensor, tensor, average_attn_weights=False)[1]
    np.testing.assert_allclose(site["weights"].values, scores.detach().numpy(), atol=1e-6)
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(layer.norm.module.running_mean, running)
