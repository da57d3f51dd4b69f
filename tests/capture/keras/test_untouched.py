"""A capture leaves nothing behind: not in the model, not in Keras, not in TensorFlow."""

from __future__ import annotations

import random
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from tensorflow.python.eager import context, execute

from limelight.capture import Probe, capture
from limelight.errors import LimelightError, ProbeError

T, D = 6, 8


class Restless(layers.Layer):
    """Assigns, adds losses, draws numbers and counts, even at inference."""

    def build(self, shape):
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")
        self.seeds = keras.random.SeedGenerator(5)
        self.metric = keras.metrics.Mean(name="seen")

    def call(self, x):
        self.calls.assign_add(1.0)
        self.scale.assign(self.scale * 1.5)
        self.metric.update_state(7.0)
        self.add_loss(ops.mean(x))
        random.random()
        np.random.random()  # noqa: NPY002
        keras.random.normal((2,))
        tf.random.normal((2,))
        return x + 0 * keras.random.normal(ops.shape(x), seed=self.seeds)


def model_with(*extra, dropout=0.1):
    inputs = keras.Input((T,), dtype="int32")
    x = layers.Embedding(20, D, mask_zero=False)(inputs)
    for layer in extra:
        x = layer(x)
    x = layers.MultiHeadAttention(2, 4, dropout=dropout, name="attention")(x, x)
    x = layers.BatchNormalization()(x)
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


def variables_of(model):
    everything = [*model.variables, *getattr(model, "metrics_variables", [])]
    return [np.array(keras.ops.convert_to_numpy(v)) for v in everything]


def hooks():
    return (
        keras.layers.Layer.__call__,
        keras.Operation.__call__,
        keras.layers.Softmax.call,
        execute.execute,
        tuple(context.context().op_callbacks),
        tf.config.functions_run_eagerly(),
    )


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # Keras' convert_to_numpy
def test_outputs_are_the_same_bit_for_bit(ids):
    for model in (model_with(), model_with(layers.GRU(D, return_sequences=True))):
        before = model(ids, training=False).numpy()
        predicted = model.predict(ids, verbose=0)
        weights = variables_of(model)
        capture(model, ids)
        np.testing.assert_array_equal(model(ids, training=False).numpy(), before)
        np.testing.assert_array_equal(model.predict(ids, verbose=0), predicted)
        for now, then in zip(variables_of(model), weights, strict=True):
            np.testing.assert_array_equal(now, then)


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
def test_restless_layers_are_put_back(ids):
    model = model_with(Restless(), layers.LSTM(D, stateful=False, return_sequences=True))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model(ids[:1])  # the losses of this call must stay
    tf.random.set_seed(3)
    keras.random.normal((1,))  # so that Keras' shared generator exists
    before, losses = variables_of(model), [float(loss) for loss in model.losses]
    assert losses
    python, numpy = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    shared = keras.src.backend.common.global_state.get_global_attribute("global_seed_generator")
    seed = shared.state.numpy().copy()
    eager = context.context()._rng.getstate()
    capture(model, ids)
    for now, then in zip(variables_of(model), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert random.getstate() == python
    assert (np.random.get_state()[1] == numpy).all()  # noqa: NPY002
    assert (shared.state.numpy() == seed).all()
    assert context.context()._rng.getstate() == eager
    assert [float(loss) for loss in model.losses] == losses


def test_a_stateful_layer_keeps_its_state():
    inputs = keras.Input(batch_shape=(3, T, D))
    x = layers.LSTM(D, stateful=True, return_sequences=True, name="lstm")(inputs)
    model = keras.Model(inputs, layers.Attention(name="attention")([x, x]))
    steps = np.random.default_rng(0).normal(size=(3, T, D)).astype("float32")
    model(steps)
    states = [s.numpy().copy() for s in model.get_layer("lstm").states]
    assert any(s.any() for s in states)
    capture(model, steps)
    for now, then in zip(model.get_layer("lstm").states, states, strict=True):
        np.testing.assert_array_equal(now.numpy(), then)


def test_hooks_are_gone_after_success(ids):
    model = model_with()
    before = hooks()
    capture(model, ids)
    assert hooks() == before


class Broken(layers.Layer):
    def call(self, x):
        if not isinstance(x, keras.KerasTensor) and not tf.is_symbolic_tensor(x):
            raise ValueError("out of order")
        return x


@pytest.mark.parametrize("interrupt", [False, True])
def test_hooks_are_gone_after_an_exception(interrupt, ids, monkeypatch):
    model = model_with(Broken())
    if interrupt:
        monkeypatch.setattr(
            Broken, "call", lambda self, x: (_ for _ in ()).throw(KeyboardInterrupt())
        )
    before = hooks()
    with pytest.raises(KeyboardInterrupt if interrupt else ProbeError) as caught:
        capture(model, ids)
    assert interrupt or "out of order" in str(caught.value)
    assert hooks() == before


def test_hooks_are_gone_when_no_attention_is_found(sequence):
    before = hooks()
    inputs = keras.Input((T, D))
    with pytest.raises(LimelightError):
        capture(keras.Model(inputs, layers.Dense(2)(inputs)), sequence)
    assert hooks() == before


def test_eager_functions_chosen_by_the_user_stay_chosen(ids):
    tf.config.run_functions_eagerly(True)
    try:
        capture(model_with(layers.LSTM(D, return_sequences=True)), ids)
        assert tf.config.functions_run_eagerly()
    finally:
        tf.config.run_functions_eagerly(False)


def test_another_callback_of_tensorflow_is_kept(ids):
    from tensorflow.python.framework import op_callbacks

    seen = []

    def mine(op_type, inputs, attrs, outputs, op_name=None, graph=None):
        seen.append(op_type)
        return outputs

    op_callbacks.add_op_callback(mine)
    try:
        capture(model_with(), ids)
        assert "Softmax" in seen
        assert context.context().op_callbacks == [mine]
    finally:
        op_callbacks.remove_op_callback(mine)


def test_another_thread_is_not_observed(ids):
    """A second thread is inside a layer of its own while a softmax runs in this one."""
    inside, go_on = threading.Event(), threading.Event()

    class Elsewhere(layers.Layer):
        def call(self, x):
            inside.set()
            go_on.wait(60)
            return ops.softmax(x)

    elsewhere = Elsewhere()
    thread = threading.Thread(target=lambda: elsewhere(np.ones((3, T), "float32")))

    class Attending(layers.Layer):
        def call(self, x):
            if tf.executing_eagerly():
                go_on.set()  # the other thread leaves its layer now
                thread.join()
            return ops.softmax(x @ ops.transpose(x, (0, 2, 1))) @ x

    class Starting(layers.Layer):
        def call(self, x):
            if tf.executing_eagerly():
                thread.start()
                inside.wait(60)
            return x

    inputs = keras.Input((T,), dtype="int32")
    x = Starting()(layers.Embedding(20, D)(inputs))
    tree = capture(keras.Model(inputs, Attending(name="attending")(x)), ids)
    assert list(tree.children) == ["attending"]


def test_two_threads_capture_at_once(ids):
    models = [model_with() for _ in range(3)]
    alone = [capture(m, ids)["attention"]["weights"].values for m in models]
    together = [None] * 3

    def work(index):
        together[index] = capture(models[index], ids)["attention"]["weights"].values

    before = hooks()
    threads = [threading.Thread(target=work, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for first, same in zip(alone, together, strict=True):
        np.testing.assert_array_equal(first, same)
    assert hooks() == before


@pytest.mark.training
@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
def test_training_goes_on_as_if_nothing_happened(jit, ids):
    def trained(with_capture):
        keras.utils.set_random_seed(11)
        inputs = keras.Input((T,), dtype="int32")
        x = layers.Embedding(20, D)(inputs)
        x = layers.Attention(dropout=0.3, use_scale=True)([x, x])
        x = layers.GlobalAveragePooling1D()(layers.BatchNormalization()(x))
        model = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
        model.compile("adam", "sparse_categorical_crossentropy", jit_compile=jit)
        labels = np.array([0, 1, 2])
        if with_capture:
            capture(model, ids)
        model.fit(ids, labels, epochs=2, batch_size=3, verbose=0)
        function = model.train_function
        if with_capture:
            capture(model, ids)
            assert model.train_function is function
        model.fit(ids, labels, epochs=2, batch_size=3, verbose=0)
        return [np.array(v.numpy()) for v in model.variables]

    for first, other in zip(trained(False), trained(True), strict=True):
        np.testing.assert_array_equal(first, other)


def test_the_probe_is_not_the_users_array(ids):
    mine = ids.copy()
    probe = Probe(mine)
    mine[:] = 0
    assert (probe.inputs == ids).all()
