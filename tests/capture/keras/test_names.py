"""Names of sites and weights line up between models and runs."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from limelight.capture import capture, parameters

T, D = 6, 8


def functional():
    inputs = keras.Input((T,), dtype="int32")
    x = layers.Embedding(20, D)(inputs)
    for _ in range(2):
        x = x + layers.MultiHeadAttention(2, 4)(x, x)
        x = layers.Dense(D)(x)
    x = layers.Bidirectional(layers.LSTM(3))(x)
    return keras.Model(inputs, layers.Dense(2, name="out")(x))


class Own(layers.Layer):
    def __init__(self):
        super().__init__()
        self.first = self.add_weight(shape=(2,))
        self.second = self.add_weight(shape=(2,))
        self.third = keras.Variable(np.ones(3, "float32"))
        self.frozen = self.add_weight(shape=(2,), trainable=False, name="frozen")

    def call(self, x):
        return x


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.gain = self.add_weight(shape=(), name="gain")
        self.parts = {"a": Own(), "b": [Own()]}
        self.encoder = keras.Sequential([layers.Dense(D), layers.Dense(D)])
        self.same = layers.Dense(2, name="same")
        self.other = layers.Dense(2, name="same")

    def call(self, x):
        x = self.encoder(x) * self.gain
        x = self.parts["b"][0](self.parts["a"](x))
        return self.same(x) + self.other(x)


def test_two_models_of_one_process_have_the_same_names(ids):
    layers.Dense(1), layers.MultiHeadAttention(1, 1), layers.Embedding(2, 2)  # numbers move on
    first, second = functional(), functional()
    assert first.layers[1].name != second.layers[1].name
    names = parameters(first)["parameter"].values.tolist()
    assert names == parameters(second)["parameter"].values.tolist()
    assert list(capture(first, ids).children) == list(capture(second, ids).children)
    assert list(capture(first, ids).children) == ["multi_head_attention", "multi_head_attention_1"]
    assert names[0] == "embedding/embeddings"
    assert names[1:3] == ["multi_head_attention/query/kernel", "multi_head_attention/query/bias"]
    assert "dense_1/kernel" in names
    assert "bidirectional/forward_lstm/lstm_cell/recurrent_kernel" in names
    assert names[-2:] == ["out/kernel", "out/bias"]


def test_names_of_a_subclassed_model():
    model = Subclassed()
    model(np.ones((1, D), "float32"))
    summary = parameters(model)
    assert summary["parameter"].values.tolist() == [
        "gain",
        "own/variable",
        "own/variable_1",
        "own/variable_2",
        "own_1/variable",
        "own_1/variable_1",
        "own_1/variable_2",
        "sequential/dense/kernel",
        "sequential/dense/bias",
        "sequential/dense_1/kernel",
        "sequential/dense_1/bias",
        "same/kernel",
        "same/bias",
        "same_1/kernel",
        "same_1/bias",
    ]
    assert summary["module"].values[:2].tolist() == ["", "own"]
    assert len(summary["parameter"]) == len(model.trainable_variables)


def test_names_a_user_gave_are_kept(sequence):
    inputs = keras.Input((T, D))
    x = layers.Dense(D, name="layer_7")(inputs)
    x = layers.Attention(name="my_attention_12")([x, x])
    model = keras.Model(inputs, x)
    assert parameters(model)["parameter"].values.tolist() == ["layer_7/kernel", "layer_7/bias"]
    assert list(capture(model, sequence).children) == ["my_attention_12"]


def test_a_shared_layer_has_its_weights_once():
    inputs = keras.Input((D,))
    shared = layers.Dense(D, name="shared")
    inner = keras.Model(inputs, shared(inputs), name="inner")
    model = keras.Model(inputs, shared(inner(inputs)))
    names = parameters(model)["parameter"].values.tolist()
    assert len(names) == 2
    assert {name.rpartition("/")[2] for name in names} == {"kernel", "bias"}


def test_frozen_layers_are_listed_and_marked():
    inputs = keras.Input((D,))
    frozen = layers.Dense(D, name="frozen", trainable=False)
    normed = layers.BatchNormalization(name="norm")(frozen(inputs))
    model = keras.Model(inputs, layers.Dense(1, name="free")(normed))
    summary = parameters(model)
    trainable = dict(
        zip(summary["parameter"].values.tolist(), summary["trainable"].values.tolist(), strict=True)
    )
    assert trainable == {
        "frozen/kernel": False, "frozen/bias": False, "norm/gamma": True, "norm/beta": True,
        "free/kernel": True, "free/bias": True,
    }  # fmt: skip
