"""Captured maps are the layer's own: equal to what it returns, or to NumPy's."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from limelight import schema
from limelight.capture import Probe, capture

T, D = 6, 8


def softmax(logits, axis=-1):
    shifted = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return shifted / shifted.sum(axis=axis, keepdims=True)


def own_scores(layer, *args, **kwargs):
    """What the layer itself says its weights are, [example, head, query, key]."""
    _, scores = layer(*args, return_attention_scores=True, training=False, **kwargs)
    scores = keras.ops.convert_to_numpy(keras.ops.cast(scores, "float32"))
    return scores if scores.ndim == 4 else scores[:, None]


def dot_layer(**options):
    return keras.layers.Attention(name="attention", **options)


def additive_layer(**options):
    return keras.layers.AdditiveAttention(name="attention", **options)


LISTED = {
    "plain": (dot_layer, {}, {}),
    "scaled": (dot_layer, {"use_scale": True}, {}),
    "concat": (dot_layer, {"score_mode": "concat"}, {}),
    "concat scaled": (dot_layer, {"score_mode": "concat", "use_scale": True}, {}),
    "dropout": (dot_layer, {"dropout": 0.5}, {}),
    "causal": (dot_layer, {}, {"use_causal_mask": True}),
    "float16": (dot_layer, {"dtype": "mixed_float16"}, {}),
    "bfloat16": (dot_layer, {"dtype": "mixed_bfloat16"}, {}),
    "float64": (dot_layer, {"dtype": "float64"}, {}),
    "additive": (additive_layer, {}, {}),
    "additive without scale": (additive_layer, {"use_scale": False}, {}),
    "additive dropout": (additive_layer, {"dropout": 0.3}, {}),
    "additive causal": (additive_layer, {}, {"use_causal_mask": True}),
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
    np.testing.assert_array_equal(
        site["weights"].values, own_scores(layer, [sequence, sequence], **call)
    )
    assert site.attrs["kind"] == "self"
    causal = np.tril(np.ones((T, T), bool)) if call else np.ones((T, T), bool)
    assert (site["allowed"].values == causal).all()
    assert site["allowed"].dims == ("example", "query", "key")


def heads(**options):
    return keras.layers.MultiHeadAttention(2, 4, name="attention", **options)


def grouped(**options):
    return keras.layers.GroupQueryAttention(4, 4, 2, name="attention", **options)


NAMED = {
    "plain": (heads, {}, {}),
    "value width": (heads, {"value_dim": 3}, {}),
    "without bias": (heads, {"use_bias": False}, {}),
    "dropout": (heads, {"dropout": 0.5}, {}),
    "causal": (heads, {}, {"use_causal_mask": True}),
    "causal dropout": (heads, {"dropout": 0.5}, {"use_causal_mask": True}),
    "float16": (heads, {"dtype": "mixed_float16"}, {}),
    "float16 dropout": (heads, {"dtype": "mixed_float16", "dropout": 0.5}, {}),
    "float16 causal": (heads, {"dtype": "mixed_float16"}, {"use_causal_mask": True}),
    "float16 causal dropout": (
        heads,
        {"dtype": "mixed_float16", "dropout": 0.1},
        {"use_causal_mask": True},
    ),
    "bfloat16 causal": (heads, {"dtype": "mixed_bfloat16"}, {"use_causal_mask": True}),
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
    # In half precision the layer's own two code paths differ by their rounding.
    rounding = {"float16": 2e-3, "bfloat16": 2e-2}
    bound = rounding.get(variant.split()[0], 1e-6)
    scores = own_scores(layer, sequence, sequence, **call)
    np.testing.assert_allclose(site["weights"].values, scores, atol=bound)
    causal = np.tril(np.ones((T, T), bool)) if call else np.ones((T, T), bool)
    assert (site["allowed"].values == causal).all()
    assert bool((site["weights"].values[..., ~causal] == 0).all())


def test_multi_head_weights_equal_numpy(sequence):
    layer = heads()
    inputs = keras.Input((T, D))
    model = keras.Model(inputs, layer(inputs, inputs))
    kernel, bias, key_kernel, key_bias = (w.numpy() for w in layer.weights[:4])
    query = np.einsum("btd,dhk->bhtk", sequence, kernel) + bias[:, None]
    key = np.einsum("btd,dhk->bhtk", sequence, key_kernel) + key_bias[:, None]
    wanted = softmax(np.einsum("bhqk,bhsk->bhqs", query, key) / np.sqrt(4))
    got = capture(model, sequence)["attention"]["weights"]
    np.testing.assert_allclose(got.values, wanted, atol=1e-6)
    assert got.dtype == np.float32


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
def test_a_row_without_any_key_is_not_valid(dropout, sequence):
    layer = heads(dropout=dropout)
    inputs, mask = keras.Input((T, D)), keras.Input((T, T), dtype="bool")
    model = keras.Model([inputs, mask], layer(inputs, inputs, attention_mask=mask))
    allowed = np.ones((3, T, T), bool)
    allowed[1, 2] = False
    site = capture(model, (sequence, allowed))["attention"]
    assert site["query_valid"].values.tolist() == allowed.any(-1).tolist()
    assert not site["weights"].values[1, :, 2].any()
    assert not site["allowed"].values[1, 2].any()


def test_a_row_masked_in_one_head_only_stays(sequence):
    layer = heads()
    inputs, mask = keras.Input((T, D)), keras.Input((2, T, T), dtype="bool")
    model = keras.Model([inputs, mask], layer(inputs, inputs, attention_mask=mask))
    allowed = np.ones((3, 2, T, T), bool)
    allowed[0, 1, 3] = False
    site = capture(model, (sequence, allowed))["attention"]
    assert site["query_valid"].values.all()
    np.testing.assert_allclose(site["weights"].values[0, 1, 3], 1 / T, atol=1e-6)


@pytest.mark.parametrize("make", [dot_layer, additive_layer])
def test_padding_reaches_listed_layers(make, ids):
    inputs = keras.Input((T,), dtype="int32")
    x = keras.layers.Embedding(20, D, mask_zero=True)(inputs)
    layer = make()
    model = keras.Model(inputs, layer([x, x]))
    site = capture(model, ids)["attention"]
    there = ids != 0
    assert (site["key_valid"].values == there).all()
    assert (site["query_valid"].values == there).all()
    assert (site["allowed"].values == there[:, None, :]).all()
    embedded = model.layers[1](ids)
    scores = own_scores(layer, [embedded, embedded])
    np.testing.assert_allclose(site["weights"].values, scores, atol=1e-6)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_padding_reaches_headed_layers(dropout, ids):
    inputs = keras.Input((T,), dtype="int32")
    x = keras.layers.Embedding(20, D, mask_zero=True)(inputs)
    model = keras.Model(inputs, heads(dropout=dropout)(x, x, use_causal_mask=True))
    site = capture(model, ids)["attention"]
    there = ids != 0
    assert (site["key_valid"].values == there).all()
    assert (site["query_valid"].values == there).all()
    wanted = there[:, None, :] & there[:, :, None] & np.tril(np.ones((T, T), bool))
    assert (site["allowed"].values == wanted).all()


def test_the_model_runs_for_inference(sequence):
    inputs = keras.Input((T, D))
    layer = heads()
    loop = keras.layers.LSTM(D, dropout=0.5, recurrent_dropout=0.5, return_sequences=True)
    noisy = loop(keras.layers.Dropout(0.5)(inputs))
    site = capture(keras.Model(inputs, layer(noisy, noisy)), sequence)["attention"]
    steps = loop(sequence, training=False)
    scores = own_scores(layer, steps, steps)
    np.testing.assert_allclose(site["weights"].values, scores, atol=1e-6)


def test_cross_attention(sequence):
    memory = np.random.default_rng(1).normal(size=(3, 9, 5)).astype("float32")
    layer = heads()
    here, there = keras.Input((T, D)), keras.Input((9, 5))
    model = keras.Model([here, there], layer(here, there))
    site = capture(model, (sequence, memory))["attention"]
    assert site.attrs["kind"] == "cross"
    assert site["weights"].shape == (3, 2, T, 9)
    scores = own_scores(layer, sequence, memory)
    np.testing.assert_allclose(site["weights"].values, scores, atol=1e-6)


def test_projections_of_one_tensor_are_self_attention(sequence):
    inputs = keras.Input((T, D))
    query, key = keras.layers.Dense(4)(inputs), keras.layers.Dense(4)(inputs)
    model = keras.Model(inputs, dot_layer()([query, key]))
    assert capture(model, sequence)["attention"].attrs["kind"] == "self"


def test_two_readings_of_one_sequence_are_cross_attention(sequence):
    inputs = keras.Input((T, D))
    encoder = keras.layers.LSTM(4, return_sequences=True)(inputs)
    decoder = keras.layers.LSTM(4, return_sequences=True)(encoder)
    model = keras.Model(inputs, dot_layer()([decoder, encoder]))
    assert capture(model, sequence)["attention"].attrs["kind"] == "cross"


def test_one_query_is_pooling(sequence):
    here, state = keras.Input((T, D)), keras.Input((1, D))
    model = keras.Model([here, state], dot_layer()([state, here]))
    site = capture(model, (sequence, sequence[:, :1]))["attention"]
    assert site.attrs["kind"] == "pooling"
    assert site["weights"].shape == (3, 1, 1, T)


def test_attention_over_both_axes_of_an_image():
    images = np.random.default_rng(1).normal(size=(2, 3, 4, 5)).astype("float32")
    layer = heads(attention_axes=(1, 2))
    inputs = keras.Input((3, 4, 5))
    model = keras.Model(inputs, layer(inputs, inputs))
    site = capture(model, images)["attention"]
    assert site["weights"].shape == (2, 2, 12, 12)
    assert site.attrs["query_layout"] == site.attrs["key_layout"] == (3, 4)
    _, scores = layer(images, images, return_attention_scores=True)
    np.testing.assert_allclose(
        site["weights"].values, scores.numpy().reshape(2, 2, 12, 12), atol=1e-6
    )


def test_attention_over_both_axes_with_a_mask():
    images = np.random.default_rng(1).normal(size=(2, 3, 4, 5)).astype("float32")
    allowed = np.random.default_rng(2).random((2, 3, 4, 3, 4)) < 0.7
    allowed[..., 0, 0] = True
    inputs, mask = keras.Input((3, 4, 5)), keras.Input((3, 4, 3, 4), dtype="bool")
    model = keras.Model(
        [inputs, mask], heads(attention_axes=(1, 2))(inputs, inputs, attention_mask=mask)
    )
    site = capture(model, (images, allowed))["attention"]
    assert (site["allowed"].values == allowed.reshape(2, 12, 12)).all()


def test_attention_over_one_axis_of_two_counts_the_other_as_heads():
    films = np.random.default_rng(1).normal(size=(2, 3, 4, 5)).astype("float32")
    layer = heads(attention_axes=(2,))
    inputs = keras.Input((3, 4, 5))
    model = keras.Model(inputs, layer(inputs, inputs))
    site = capture(model, films)["attention"]
    _, scores = layer(films, films, return_attention_scores=True)
    np.testing.assert_allclose(
        site["weights"].values, scores.numpy().reshape(2, 6, 4, 4), atol=1e-6
    )


def test_a_model_that_diverged_gives_nan_and_no_error(sequence):
    inputs = keras.Input((T, D))
    layer = heads()
    model = keras.Model(inputs, layer(inputs, inputs))
    layer.weights[0].assign(layer.weights[0] * np.nan)
    weights = capture(model, sequence)["attention"]["weights"]
    assert np.isnan(weights.values).all()


def test_every_site_keeps_the_laws(sequence):
    inputs = keras.Input((T, D))
    model = keras.Model(inputs, heads()(inputs, inputs))
    dataset = capture(model, Probe(sequence))["attention"].to_dataset()
    assert schema.check(dataset) is dataset
    assert dataset.attrs["passed"] == "inference"
    assert dataset.attrs["dropout"] == "before"
    assert dataset.attrs["module_class"] == "MultiHeadAttention"
