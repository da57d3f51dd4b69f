"""The table of every softmax, on each framework that Keras runs on."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops

import limelight as ll

X = np.random.default_rng(0).normal(size=(3, 6, 8)).astype("float32")


class Pool(layers.Layer):
    def build(self, shape):
        self.score = self.add_weight(shape=(shape[-1], 1), initializer="glorot_uniform")

    def call(self, x):
        return ops.sum(ops.softmax(ops.tanh(x) @ self.score, axis=1) * x, axis=1)


@pytest.fixture(scope="module")
def table():
    inputs = keras.Input((6, 8))
    x = layers.MultiHeadAttention(2, 4, name="several")(inputs, inputs)
    x = Pool(name="pool")(layers.Attention(name="single")([x, x]))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="classes")(x))
    return ll.sites(model, X, values=True, example=2), ll.capture(model, X)


def test_every_softmax_is_listed_in_order(table):
    rows, _ = table
    assert [(row.path, row.kind) for row in rows] == [
        ("several", "self"), ("single", "self"), ("pool", "pooling"), ("classes", None),
    ]  # fmt: skip
    assert rows[0].axes == ("example", "head", "query", "key")
    assert rows[3].change == ""


@pytest.mark.parametrize("number", [0, 1, 2])
def test_what_is_shown_is_what_the_model_computed(table, number):
    rows, tree = table
    row = rows[number]
    shown = tree[row.path]["weights"].values[2]
    np.testing.assert_allclose(row.values.weights, shown, atol=1e-6)
    assert row.values.sum_off < 1e-5
    assert row.values.agree


def test_it_never_fails_because_nothing_was_attention():
    inputs = keras.Input((6, 8))
    x = layers.Dense(3)(layers.Flatten()(inputs))
    model = keras.Model(inputs, layers.Activation("softmax")(x))
    (row,) = ll.sites(model, X, values=True)
    assert (row.kind, row.change) == (None, "")
    assert not len(ll.sites(keras.Model(inputs, x), X))
