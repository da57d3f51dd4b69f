"""Keras-Hub's encoders, decoders, cached attention and backbones, on every backend."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest

from limelight.capture import capture

from .conftest import array, bits, modules, softmax

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what its own imports complain about
    hub = pytest.importorskip("keras_hub")

T, S, D = 6, 4, 8
CAUSAL = np.tril(np.ones((T, T), bool))


def recomputed(attention, query, key, allowed=True):
    """Weights of a headed layer, from its own projections."""
    query, key = array(attention._query_dense(query)), array(attention._key_dense(key))
    logits = np.einsum("bqhd,bkhd->bhqk", query, key) / np.sqrt(query.shape[-1])
    return softmax(np.where(allowed, logits, -np.inf))


def test_an_encoder(sequence):
    layer = hub.layers.TransformerEncoder(intermediate_dim=16, num_heads=2, name="encoder")
    inputs = keras.Input((T, D))
    model = keras.Model(inputs, layer(inputs))
    tree = capture(model, sequence)
    (path,) = modules(tree)
    site = tree[path]
    wanted = recomputed(layer._self_attention_layer, sequence, sequence)
    np.testing.assert_allclose(site["weights"].values, wanted, atol=1e-6)
    assert site.attrs["kind"] == "self"


def test_a_decoder_attends_to_itself_and_to_an_encoder(sequence):
    memory = np.random.default_rng(1).normal(size=(3, S, D)).astype("float32")
    layer = hub.layers.TransformerDecoder(intermediate_dim=16, num_heads=2, name="decoder")
    first, second = keras.Input((T, D)), keras.Input((S, D))
    model = keras.Model([first, second], layer(first, second))
    before = bits(model)
    tree = capture(model, (sequence, memory))
    itself, other = (tree[path] for path in modules(tree))
    assert [site.attrs["kind"] for site in (itself, other)] == ["self", "cross"]
    wanted = recomputed(layer._self_attention_layer, sequence, sequence, CAUSAL)
    np.testing.assert_allclose(itself["weights"].values, wanted, atol=1e-6)
    assert (itself["allowed"].values == CAUSAL).all()
    assert other["weights"].shape == (3, 2, T, S)
    assert bits(model) == before


class Stepping(keras.layers.Layer):
    """Decodes one more position with a cache of keys and values."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.attention = hub.layers.CachedMultiHeadAttention(2, 4, name="attention")

    def build(self, shape):
        self.attention.build(shape, shape)

    def call(self, x):
        cache = keras.ops.zeros((3, 2, T, 2, 4))
        _, cache = self.attention(x[:, :-1], x, cache=cache, cache_update_index=0)
        mask = keras.ops.ones((3, 1, T), dtype="bool")
        output, _ = self.attention(
            x[:, -1:], x[:, -1:], attention_mask=mask, cache=cache, cache_update_index=T - 1
        )
        return output

    def compute_output_spec(self, x):
        return keras.KerasTensor((x.shape[0], 1, x.shape[2]))


def test_cached_attention(sequence):
    inputs = keras.Input((T, D))
    layer = Stepping(name="stepping")
    model = keras.Model(inputs, layer(inputs))
    tree = capture(model, sequence)
    last = tree[modules(tree)[-1]]
    wanted = recomputed(layer.attention, sequence[:, -1:], sequence)
    np.testing.assert_allclose(last["weights"].values, wanted, atol=1e-6)


def test_a_backbone_like_bert(ids):
    model = hub.models.BertBackbone(
        vocabulary_size=20, num_layers=2, num_heads=2, hidden_dim=D, intermediate_dim=16,
        max_sequence_length=T,
    )  # fmt: skip
    inputs = {"token_ids": ids, "segment_ids": ids * 0, "padding_mask": (ids != 0).astype("int32")}
    before = array(model(inputs, training=False)["sequence_output"])
    tree = capture(model, inputs)
    assert len(modules(tree)) == 2
    for path in modules(tree):
        site = tree[path]
        assert site["weights"].shape == (3, 2, T, T)
        np.testing.assert_allclose(site["weights"].sum("key").values, 1, atol=1e-6)
        assert (site["allowed"].values == (ids != 0)[:, None]).all()
        assert (site["key_valid"].values == (ids != 0)).all()
        assert site.attrs["kind"] == "self"
    after = array(model(inputs, training=False)["sequence_output"])
    np.testing.assert_array_equal(after, before)


def test_a_backbone_like_gpt(ids):
    model = hub.models.GPT2Backbone(
        vocabulary_size=20, num_layers=2, num_heads=2, hidden_dim=D, intermediate_dim=16,
        max_sequence_length=T,
    )  # fmt: skip
    tree = capture(model, {"token_ids": ids, "padding_mask": np.ones_like(ids)})
    assert len(modules(tree)) == 2
    for path in modules(tree):
        assert (tree[path]["allowed"].values == CAUSAL).all()
        np.testing.assert_allclose(tree[path]["weights"].sum("key").values, 1, atol=1e-6)
