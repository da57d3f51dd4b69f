"""Positions bear the words of the input that they are those of, on every backend."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from limelight.capture import Probe, capture

SOURCE = np.array([[5, 6, 7, 0], [3, 4, 0, 0]], dtype="int32")
TARGET = np.array([[1, 2, 3, 4], [1, 5, 0, 0]], dtype="int32")
ENGLISH = ["", *(f"e{number}" for number in range(1, 9))]
FRENCH = {0: None, **{number: f"f{number}" for number in range(1, 9)}}


def test_a_decoder_and_its_cross_map_have_the_words_of_their_own_inputs():
    source, target = (keras.Input((4,), dtype="int32", name=name) for name in ("de", "fr"))
    memory = layers.Embedding(9, 8, mask_zero=True)(source)
    memory = layers.MultiHeadAttention(2, 4, name="encoder")(memory, memory)
    written = layers.Embedding(9, 8, mask_zero=True)(target)
    written = layers.MultiHeadAttention(4, 4, name="decoder")(written, written)
    crossed = layers.MultiHeadAttention(2, 4, name="cross")(written, memory)
    model = keras.Model({"de": source, "fr": target}, crossed)
    probe = Probe({"de": SOURCE, "fr": TARGET}, tokens={"de": ENGLISH, "fr": FRENCH})
    tree = capture(model, probe)
    english = [["e5", "e6", "e7", ""], ["e3", "e4", "", ""]]
    french = [["f1", "f2", "f3", "f4"], ["f1", "f5", "", ""]]
    words = {
        name: [tree[name][f"{side}_token"].values.tolist() for side in ("query", "key")]
        for name in ("encoder", "decoder", "cross")
    }
    assert words == {
        "encoder": [english, english], "decoder": [french, french], "cross": [french, english],
    }  # fmt: skip


def test_an_input_without_a_vocabulary_lends_none():
    source, target = keras.Input((4,), dtype="int32"), keras.Input((4,), dtype="int32")
    memory, written = layers.Embedding(9, 8)(source), layers.Embedding(9, 8)(target)
    crossed = layers.MultiHeadAttention(2, 4, name="cross")(written, memory)
    model = keras.Model([source, target], crossed)
    site = capture(model, Probe((SOURCE, TARGET), tokens={0: ENGLISH}))["cross"]
    assert "query_token" not in site
    assert site["key_token"].values[1].tolist() == ["e3", "e4", "", ""]
