"""Maps of Keras' own layers equal what the layers return, on every backend."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import xarray as xr
from keras import layers, ops

from limelight import schema
from limelight.capture import capture

from .conftest import array, own_scores, softmax

T, D = 6, 8
CAUSAL = np.tril(np.ones((T, T), bool))


def dot(**options):
    return layers.Attention(name="attention", **options)


def additive(**options):
    return layers.AdditiveAttention(name="attention", **options)


def heads(**options):
    return layers.MultiHeadAttention(2, 4, name="attention", **options)


def grouped(**options):
    return layers.GroupQueryAttention(4, 4, 2, name="attention", **options)


LISTED = {
    "dot": (dot, {}, {}),
    "dot scaled": (dot, {"use_scale": True}, {}),
    "dot concat": (dot, {"score_mode": "concat"}, {}),
    "dot dropout": (dot, {"dropout": 0.5}, {}),
    "dot causal": (dot, {}, {"use_causal_mask": True}),
    "dot bfloat16": (dot, {"dtype": "mixed_bfloat16"}, {}),
    "additive": (additive, {}, {}),
    "additive causal": (additive, {"dropout": 0.3}, {"use_causal_mask": True}),
}


@pytest.mark.parametrize("variant", LISTED)
def test_listed_layers_give_their_own_scores(variant, sequence):
    make, options, call = LISTED[variant]
    layer = make(**options)
    inputs = keras.Input((T, D))
    model = keras.Model(inputs, layer([inputs, inputs], **call))
    for weight in model.weights:
        weight.assign(weight + 0.3)
    site = capture(model, sequence)["attention"]
    scores = own_scores(layer, [sequence, sequence], **call)
    np.testing.assert_allclose(site["weights"].values, scores, atol=1e-6)
    assert site.attrs["kind"] == "self"
    assert (site["allowed"].values == (CAUSAL if call else np.ones((T, T), bool))).all()
    assert site["allowed"].dims == ("example", "query", "key")


NAMED = {
    "plain": (heads, {}, {}),
    "dropout": (heads, {"dropout": 0.5}, {}),
    "causal": (heads, {}, {"use_causal_mask": True}),
    "causal dropout": (heads, {"dropout": 0.5}, {"use_causal_mask": True}),
    "bfloat16": (heads, {"dtype": "mixed_bfloat16"}, {}),
    "bfloat16 dropout": (heads, {"dtype": "mixed_bfloat16", "dropout": 0.1}, {}),
    "grouped": (grouped, {}, {}),
    "grouped causal": (grouped, {}, {"use_causal_mask": True}),
    "grouped dropout": (grouped, {"dropout": 0.5}, {}),
}


@pytest.mark.parametrize("variant", NAMED)
def test_headed_layers_give_their_own_scores(variant, sequence):
    make, options, call = NAMED[variant]
    layer = make(**options)
    inputs = keras.Input((T, D))
    model = keras.Model(inputs, layer(inputs, inputs, **call))
    site = capture(model, sequence)["attention"]
    # In half precision the layer's two code paths differ by their rounding.
    bound = 2e-2 if variant == "bfloat16" else 1e-6
    scores = own_scores(layer, sequence, sequence, **call)
    np.testing.assert_allclose(site["weights"].values, scores, atol=bound)
    allowed = CAUSAL if call else np.ones((T, T), bool)
    assert (site["allowed"].values == allowed).all()
    assert bool((site["weights"].values[..., ~allowed] == 0).all())
    assert site.attrs["dtype"] == layer.compute_dtype or variant.startswith("bfloat16")
    backend = keras.backend.backend()
    assert site.attrs["framework"].startswith(f"keras {keras.__version__}, {backend} ")


def test_half_precision_equals_the_softmax_of_the_same_queries_and_keys(sequence):
    layer = heads(dtype="mixed_bfloat16")
    inputs = keras.Input((T, D))
    model = keras.Model(inputs, layer(inputs, inputs))
    query, key = (array(dense(sequence)) for dense in (layer._query_dense, layer._key_dense))
    wanted = softmax(np.einsum("bqhd,bkhd->bhqk", query, key) / 2)
    # Torch's kernel tells no weights, so they are computed; elsewhere they are the layer's own.
    bound = 1e-6 if keras.backend.backend() == "torch" else 8e-3
    got = capture(model, sequence)["attention"]["weights"]
    np.testing.assert_allclose(got.values, wanted, atol=bound)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_explicit_mask_per_head(dropout, sequence):
    layer = heads(dropout=dropout)
    inputs, mask = keras.Input((T, D)), keras.Input((2, T, T), dtype="bool")
    model = keras.Model([inputs, mask], layer(inputs, inputs, attention_mask=mask))
    allowed = np.random.default_rng(0).random((3, 2, T, T)) < 0.6
    allowed[..., 0] = True
    site = capture(model, (sequence, allowed))["attention"]
    assert site["allowed"].dims == schema.SITE_DIMS
    assert (site["allowed"].values == allowed).all()
    scores = own_scores(layer, sequence, sequence, attention_mask=allowed)
    np.testing.assert_allclose(site["weights"].values, scores, atol=1e-6)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_padding_from_an_embedding(dropout, ids):
    inputs = keras.Input((T,), dtype="int32")
    x = layers.Embedding(20, D, mask_zero=True)(inputs)
    layer = heads(dropout=dropout)
    model = keras.Model(inputs, layer(x, x, use_causal_mask=True))
    site = capture(model, ids)["attention"]
    assert (site["key_valid"].values == (ids != 0)).all()
    assert (site["query_valid"].values == (ids != 0)).all()
    may = CAUSAL & (ids != 0)[:, None] & (ids != 0)[:, :, None]
    assert (site["allowed"].values == may).all()
    assert bool((site["weights"].values[np.broadcast_to(~may[:, None], (3, 2, T, T))] == 0).all())


def test_padding_of_a_listed_layer(ids):
    inputs = keras.Input((T,), dtype="int32")
    x = layers.Embedding(20, D, mask_zero=True)(inputs)
    site = capture(keras.Model(inputs, dot()([x, x])), ids)["attention"]
    assert (site["key_valid"].values == (ids != 0)).all()
    assert (site["allowed"].values == np.broadcast_to((ids != 0)[:, None], (3, T, T))).all()


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_cross_attention(dropout, sequence):
    memory = np.random.default_rng(1).normal(size=(3, 4, D)).astype("float32")
    first, second = keras.Input((T, D)), keras.Input((4, D))
    layer = heads(dropout=dropout)
    model = keras.Model([first, second], layer(first, second))
    site = capture(model, (sequence, memory))["attention"]
    assert site["weights"].shape == (3, 2, T, 4)
    assert site.attrs["kind"] == "cross"
    scores = own_scores(layer, sequence, memory)
    np.testing.assert_allclose(site["weights"].values, scores, atol=1e-6)


def test_two_attention_axes():
    films = np.random.default_rng(0).normal(size=(2, 3, 2, 2, D)).astype("float32")
    layer = layers.MultiHeadAttention(2, 4, attention_axes=(2, 3), name="attention")
    inputs = keras.Input((3, 2, 2, D))
    model = keras.Model(inputs, layer(inputs, inputs))
    site = capture(model, films)["attention"]
    scores = layer(films, films, return_attention_scores=True)[1]
    np.testing.assert_allclose(site["weights"].values, array(scores).reshape(2, 6, 4, 4), atol=1e-6)


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # Keras' own, while saving
def test_a_reloaded_model(tmp_path, sequence):
    inputs = keras.Input((T, D))
    model = keras.Model(inputs, heads()(inputs, inputs))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        capture(again, sequence)["attention"]["weights"].values,
        capture(model, sequence)["attention"]["weights"].values,
    )


class Flash:
    """Stands for a fused kernel: takes the flag and shows nothing of what it does."""

    def __init__(self, monkeypatch):
        self.calls = 0
        monkeypatch.setattr(keras.src.backend.nn, "dot_product_attention", self)

    def __call__(self, query, key, value, bias=None, mask=None, scale=None, is_causal=False,
                 flash_attention=None, attn_logits_soft_cap=None):  # fmt: skip
        self.calls += 1
        query, key, value = map(array, (query, key, value))
        logits = np.einsum("bqhd,bkhd->bhqk", query, key) * scale
        if mask is not None:
            logits = np.where(array(mask) > 0, logits, -np.inf)
        if is_causal:
            logits = np.where(np.tril(np.ones(logits.shape[-2:], bool)), logits, -np.inf)
        return ops.convert_to_tensor(np.einsum("bhqk,bkhd->bqhd", softmax(logits), value))


class Calling(layers.Layer):
    """Calls a layer its own way; knows its output's shape, as nothing can run before the kernel."""

    def __init__(self, layer, call):
        super().__init__(name="calling")
        self.attention, self.options = layer, call

    def build(self, shape):
        self.attention.build(shape, shape)

    def call(self, x):
        return self.attention(x, x, **self.options)

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape)


@pytest.mark.parametrize("call", [{}, {"use_causal_mask": True}, {"attention_mask": CAUSAL[None]}])
@pytest.mark.parametrize("make", [heads, grouped])
def test_flash_attention(make, call, sequence, monkeypatch):
    layer = make(flash_attention=True)
    inputs = keras.Input((T, D))
    model = keras.Model(inputs, Calling(layer, call)(inputs))
    flash = Flash(monkeypatch)
    site = capture(model, sequence)["calling/attention"]
    assert flash.calls == 1
    monkeypatch.undo()
    layer._flash_attention = False
    scores = own_scores(layer, sequence, sequence, **call)
    np.testing.assert_allclose(site["weights"].values, scores, atol=1e-6)
    assert (site["allowed"].values == (CAUSAL if call else np.ones((T, T), bool))).all()


@pytest.mark.parametrize(
    ("examples", "rows"), [(slice(2), [0, 1]), ([2, 0], [2, 0]), (slice(None, None, 2), [0, 2])]
)
def test_some_examples_are_as_among_all(examples, rows):
    inputs = keras.Input((T, D))
    y = layers.MultiHeadAttention(2, 4, name="heads")(inputs, inputs)
    model = keras.Model(inputs, layers.Attention(name="one")([y, y]))
    x = np.random.default_rng(0).normal(size=(3, T, D)).astype("float32")
    tokens = [[f"{row}.{position}" for position in range(T)] for row in range(3)]
    every = capture(model, x, tokens=tokens)
    part = capture(model, x, tokens=tokens, examples=examples)
    assert list(part) == list(every) == ["heads", "one"]
    for name in every:
        xr.testing.assert_equal(
            part[name].to_dataset().load(), every[name].to_dataset().isel(example=rows).load()
        )
