"""The shipped conformance tests, on Keras models on each of its backends."""

from __future__ import annotations

import warnings

import keras
import numpy as np
from keras import layers, ops

from limelight.testing import AdapterConformance

T, D = 6, 8


def array(tensor):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Keras' own, with NumPy 2
        return np.array(ops.convert_to_numpy(tensor))


def softmax(logits, axis):
    powers = np.exp(logits - logits.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


class TestFunctional(AdapterConformance):
    """Grouped queries after self-attention, with dropout and normalisation between."""

    def model(self):
        keras.utils.set_random_seed(0)
        x = inputs = keras.Input((T, D))
        x = layers.MultiHeadAttention(2, 4, dropout=0.3, name="first")(x, x)
        x = layers.Dropout(0.3)(layers.BatchNormalization(name="norm")(x))
        x = layers.GroupQueryAttention(4, 4, 2, name="second")(x, x)
        return keras.Model(inputs, layers.Dense(3, name="out")(x))

    def inputs(self):
        return np.random.default_rng(0).normal(size=(3, T, D)).astype("float32")

    def expected(self, model, inputs):
        x = ops.convert_to_tensor(inputs)
        x, first = model.get_layer("first")(x, x, return_attention_scores=True, training=False)
        x = model.get_layer("norm")(x, training=False)
        second = model.get_layer("second")(x, x, return_attention_scores=True, training=False)[1]
        return {"first": array(first), "second": array(second)}

    def plain(self):
        return keras.Sequential([keras.Input((T, D)), layers.Dense(3)])


class Pooling(layers.Layer):
    """Weighs positions by a score of its own, and keeps the weights to itself."""

    supports_masking = True

    def build(self, shape):
        self.score = self.add_weight(shape=(D, 1), name="score")

    def call(self, x):
        weights = ops.softmax(ops.matmul(ops.tanh(x), self.score), axis=1)
        return ops.sum(x * weights, axis=1)


class Subclassed(keras.Model):
    """Reads words, padding left out, then pools them."""

    def __init__(self):
        super().__init__()
        self.words = layers.Embedding(9, D, mask_zero=True, name="words")
        self.attention = layers.Attention(dropout=0.3, name="attention")
        self.pooling = Pooling(name="pooling")

    def call(self, ids, training=None):
        x = self.words(ids)
        return self.pooling(self.attention([x, x], training=training))


class TestSubclassed(AdapterConformance):
    def model(self):
        keras.utils.set_random_seed(1)
        return Subclassed()

    def inputs(self):
        return np.array([[1, 5, 3, 2, 8, 6], [4, 7, 0, 0, 0, 0], [2, 2, 6, 1, 0, 0]], dtype="int32")

    def expected(self, model, inputs):
        model(inputs)
        x = array(model.words(inputs))
        logits = x @ x.transpose(0, 2, 1)
        weights = softmax(np.where(inputs[:, None] > 0, logits, -np.inf), -1)
        mixed = weights @ x * (inputs > 0)[..., None]  # Keras makes padded queries zero
        pooled = softmax(np.tanh(mixed) @ array(model.pooling.score), 1)
        return {"attention": weights[:, None], "pooling": pooled[:, None].transpose(0, 1, 3, 2)}

    def plain(self):
        return keras.Sequential([layers.Embedding(9, D), layers.GlobalMaxPooling1D()])
