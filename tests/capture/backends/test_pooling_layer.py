"""limelight's own layer: its weights by hand, padding, any length, saved and loaded, captured."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops

import limelight as ll
from limelight.errors import DimensionError, LimelightError
from limelight.layers.keras import AttentionPooling

from .conftest import array, softmax

# Keras' own, with NumPy 2, where it reads or saves parameters.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def by_hand(layer, states, mask):
    """What the layer's formula gives, in NumPy: the sums and the weights."""
    kernel, bias, context = (np.asarray(weight, np.float64) for weight in layer.get_weights())
    scores = np.tanh(states @ kernel + bias) @ context[:, 0]
    weights = softmax(np.where(mask, scores, -np.inf))
    return (weights[..., None] * states).sum(1), weights


def moved(layer):
    """Give a layer parameters that are far from even, so that its weights differ."""
    rng = np.random.default_rng(5)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    return layer


@pytest.fixture
def mask(ids):
    return ids != 0


@pytest.mark.parametrize("units", [None, 3])
def test_weights_are_those_of_the_formula(units, sequence, mask):
    layer = AttentionPooling(units=units)
    layer.build(sequence.shape)
    moved(layer)
    pooled, weights = layer(sequence, mask=mask, return_attention_scores=True)
    sums, expected = by_hand(layer, sequence, mask)
    np.testing.assert_allclose(array(weights), expected, atol=1e-6)
    np.testing.assert_allclose(array(pooled), sums, atol=1e-5)
    assert (array(weights)[~mask] == 0).all()
    assert expected.max() > 0.3  # else any weights would do
    np.testing.assert_array_equal(array(layer(sequence, mask=mask)), array(pooled))


def test_padding_changes_nothing(sequence, mask):
    layer = AttentionPooling()
    layer.build(sequence.shape)
    moved(layer)
    whole = array(layer(sequence, mask=mask))
    short = array(layer(sequence[1:2, :4]))
    np.testing.assert_allclose(whole[1:2], short, atol=1e-6)
    other = np.where(mask[..., None], sequence, 1e3).astype("float32")
    np.testing.assert_allclose(array(layer(other, mask=mask)), whole, atol=1e-5)


def test_a_sequence_of_padding_only_sums_to_nothing(sequence):
    layer = AttentionPooling()
    pooled, weights = layer(
        sequence, mask=np.zeros(sequence.shape[:2], bool), return_attention_scores=True
    )
    assert (array(pooled) == 0).all()
    assert (array(weights) == 0).all()


def reader(length=None, **options):
    """Words to a number: of any length where none is given."""
    ids = keras.Input((length,), dtype="int32")
    states = layers.Embedding(20, 8, mask_zero=True, name="words")(ids)
    pooled, weights = AttentionPooling(name="pool", **options)(states, return_attention_scores=True)
    return keras.Model(ids, [layers.Dense(1, name="answer")(pooled), weights])


def test_it_takes_any_length_and_is_captured_as_it_computes(ids):
    model = reader()
    assert [tuple(model(ids[:, :length])[1].shape) for length in (3, 6)] == [(3, 3), (3, 6)]
    site = ll.capture(model, ids)["pool"].dataset
    _, weights = model(ids)
    assert (site.attrs["kind"], site.attrs.get("stage", "")) == ("pooling", "")
    np.testing.assert_allclose(site["weights"].values[:, 0, 0], array(weights), atol=1e-6)
    np.testing.assert_array_equal(site["key_valid"].values, ids != 0)
    assert (site["weights"].values[1, 0, 0, 4:] == 0).all()


def test_it_is_saved_with_its_model(ids, tmp_path):
    model = reader(6, units=5)
    model.save(tmp_path / "reader.keras")
    again = keras.models.load_model(tmp_path / "reader.keras")
    assert isinstance(again.get_layer("pool"), ll.AttentionPooling)
    assert again.get_layer("pool").units == 5
    for before, after in zip(model(ids), again(ids), strict=True):
        np.testing.assert_array_equal(array(before), array(after))


def test_sentences_of_documents(sequence):
    """Within TimeDistributed, as hierarchical attention has it."""
    documents = np.stack([sequence, 2 * sequence], axis=1)
    layer = layers.TimeDistributed(AttentionPooling())
    assert layer(keras.Input((2, 6, 8))).shape == (None, 2, 8)
    pooled = array(layer(ops.convert_to_tensor(documents)))
    np.testing.assert_allclose(pooled[:, 1], array(layer.layer(documents[:, 1])), atol=1e-6)


def test_half_precision(sequence, mask):
    layer = AttentionPooling(dtype="mixed_float16")
    _, weights = layer(sequence, mask=mask, return_attention_scores=True)
    assert keras.backend.standardize_dtype(weights.dtype) == "float16"
    assert (array(weights)[~mask] == 0).all()
    np.testing.assert_allclose(array(weights).sum(-1), 1, atol=3e-3)


def test_what_is_no_sequence_is_refused():
    with pytest.raises(DimensionError, match=r"\(None, 8\).*return_sequences=True"):
        AttentionPooling().build((None, 8))
    with pytest.raises(LimelightError, match="units=0"):
        AttentionPooling(units=0)
