"""Which positions are padding, on each of Keras' backends."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops

from limelight import capture

T, D = 6, 8
IDS = np.array([[5, 3, 7, 2, 0, 0], [4, 9, 1, 8, 6, 2], [3, 0, 0, 0, 0, 0]], "int32")
THERE = IDS != 0


class Best(layers.Layer):
    """Only the best key of each query counts, of those that a mask leaves."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.query, self.key = layers.Dense(D), layers.Dense(D)

    def call(self, x, mask=None):
        scores = ops.matmul(self.query(x), ops.transpose(self.key(x), (0, 2, 1)))
        if mask is not None:
            scores = ops.where(mask[:, None], scores, -1e9)
        best = ops.max(scores, -1, keepdims=True)
        return ops.matmul(ops.softmax(ops.where(scores < best, -1e9, scores)), x)


@pytest.mark.parametrize("padded", [False, True])
def test_what_only_the_best_keys_leave_out_is_no_padding(padded):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((T,), dtype="int32")
    x = layers.Embedding(20, D)(inputs)
    given = (x, ops.not_equal(inputs, 0)) if padded else (x,)
    ids = IDS if padded else IDS + 1
    site = capture(keras.Model(inputs, Best(name="best")(*given)), ids)["best"]
    wanted = THERE if padded else np.ones_like(THERE)
    assert not site["allowed"].any("query").all(), "some key is read by nobody"
    assert (site["key_valid"].values == wanted).all()
    assert (site["query_valid"].values == wanted).all()


def test_the_mask_that_a_layer_is_handed_marks_padding():
    x, mask = keras.Input((T, D)), keras.Input((T,))
    heads = layers.MultiHeadAttention(2, 4, name="attention")
    padded = ops.cast(mask, "bool")[:, None]
    model = keras.Model([x, mask], heads(x, x, attention_mask=padded, use_causal_mask=True))
    features = np.random.default_rng(0).normal(size=(3, T, D)).astype("float32")
    site = capture(model, (features, THERE.astype("float32")))["attention"]
    assert (site["key_valid"].values == THERE).all()
    assert (site["query_valid"].values == THERE).all()
