"""What people give as a probe that is no batch: each is named, and how to make a batch of it."""

from __future__ import annotations

from collections import UserDict

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import limelight as ll
from limelight.errors import ProbeError

X = np.zeros((4, 5, 3), "float32")
Y = np.zeros((4, 1), "float32")


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return X, Y


class Rows:
    """As a data set of a package that is not installed here."""


Rows.__module__, Rows.__qualname__ = "datasets.arrow_dataset", "Dataset"

REFUSED = {
    "dataset": (lambda: tf.data.Dataset.from_tensor_slices((X, Y)).batch(2),
                r"Got a tf\.data\.Dataset.*next\(iter\(dataset\)\)"),
    "mapped dataset": (lambda: tf.data.Dataset.range(4).map(lambda n: n).prefetch(1),
                       r"Got a tf\.data\.Dataset"),
    "sequence": (Batches, r"PyDataset.*sequence\[0\]"),
    "rows": (Rows, r"Got a datasets\.Dataset.*with_format"),
    "generator": (lambda: (X for _ in range(2)), r"Got a generator.*next\(batches\)"),
    "iterator": (lambda: iter([X]), r"Got a list_iterator.*next\(batches\)"),
    "text": (lambda: "the cat sat", r"Got a text.*tokenized"),
    "columns of text": (lambda: pd.DataFrame({"a": [1.0], "b": ["c"]}), r"DataFrame.*'b'"),
    "unequal": (lambda: [np.zeros((n, 3)) for n in (5, 4, 5)],
                r"list of 3 arrays of unequal lengths.*pad them to one length and stack them"),
    "ragged": (lambda: [[1, 2], [3]], "Pad the examples to one length"),
    "ragged objects": (lambda: np.array([[1], [2, 3]], dtype=object), "Pad the examples"),
    "unpadded ids": (lambda: UserDict(input_ids=[[1, 2, 3], [4]]), r"from 1 to 3\..*padding=True"),
    "one text's ids": (lambda: UserDict(input_ids=[1, 2, 3]), r"single text.*list of texts"),
    "one text's array": (lambda: {"input_ids": np.arange(3)}, "single text"),
    "a folder": (lambda: __import__("pathlib").Path("data"), r"Got a pathlib"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_batch_is_named_with_the_way_to_one(name):
    make, message = REFUSED[name]
    with pytest.raises(ProbeError, match=message):
        ll.Probe(make())


def test_numbers_in_a_frame_are_a_batch():
    assert ll.Probe(pd.DataFrame({"a": [1.0, 2.0], "b": [3, 4]})).arrays[0].shape == (2, 2)


def model():
    inputs = keras.Input((5, 3))
    return keras.Model(inputs, keras.layers.Attention(name="attention")([inputs, inputs]))


def test_labels_beside_the_inputs_are_asked_for():
    with pytest.raises(ProbeError, match=r"Did you pass labels\?"):
        ll.capture(model(), (X, Y))


def test_texts_that_a_model_does_not_take_must_be_tokenized():
    with pytest.raises(ProbeError, match="Texts must be tokenized"):
        ll.capture(model(), ["the cat", "a dog"])


# What all examples share ---------------------------------------------------------------------

MASK = np.triu(np.ones((5, 5), bool), 1)


@pytest.mark.parametrize(
    ("inputs", "options", "axes"),
    [
        ({"x": X, "mask": MASK}, {}, (0, None)),
        ({"mask": MASK, "x": X}, {}, (None, 0)),
        ((X, MASK), {}, (0, None)),
        ({"x": X[:, 0], "edge_index": np.zeros((2, 9), int)}, {}, (0, None)),
        ({"edge_index": np.zeros((2, 9), int), "x": X[:, 0]}, {}, (None, 0)),
        ({"pixel_values": X, "captions": np.zeros((7, 6), int)}, {}, (0, None)),
        ({"x": X, "padding_mask": np.zeros((4, 5), bool)}, {}, (0, 0)),
        ({"x": X, "mask": MASK[:4, :4]}, {"shared": "mask"}, (0, None)),
        ((X, MASK[:4, :4]), {"shared": 1}, (0, None)),
        ({"x": X, "scale": np.float32(2)}, {}, (0, None)),
        ({"src": X.swapaxes(0, 1), "padding": np.zeros((4, 5))}, {"axes": {"inputs": 1}}, (1, 0)),
        ({"src": X.swapaxes(0, 1), "mask": MASK}, {"axes": {"inputs": 1}}, (1, None)),
        ({"x": X, "y": X}, {"axes": {"inputs": {"y": None}}}, (0, None)),
        ({"nodes": X[:, 0], "adjacency": MASK}, {"axes": {"inputs": None}}, (None, None)),
    ],
)
def test_which_inputs_all_examples_share(inputs, options, axes):
    probe = ll.Probe(inputs, **options)
    assert probe.example_axes == axes
    assert probe.examples == (4 if any(axis is not None for axis in axes) else 1)
    first = probe.some([0])
    assert first.example_axes == axes
    assert first.examples == 1
    for before, after, axis in zip(probe.arrays, first.arrays, axes, strict=True):
        assert after.shape == (before.shape if axis is None else np.take(before, [0], axis).shape)


def test_what_is_no_array_goes_as_it_came():
    size = object()
    given = {"x": X, "mode": "plain", "flag": True, "extra": None, "size": (8, 8), "kind": size}
    probe = ll.Probe(given)
    assert {name: probe.inputs[name] for name in given if name != "x"} == {
        "mode": "plain", "flag": True, "extra": None, "size": (8, 8), "kind": size,
    }  # fmt: skip
    assert len(probe.arrays) == 1


def test_labels_and_tokens_count_the_examples_wherever_they_lie():
    ids = np.array([[1, 2], [3, 4], [5, 6]])  # [position, example]
    probe = ll.Probe(ids, axes={"inputs": 1}, tokens=lambda n: f"w{n}", labels=["a", "b"])
    assert probe.tokens_of(1) == ("w2", "w4", "w6")
    with pytest.raises(ProbeError, match="Got 3 labels for 2 examples"):
        ll.Probe(ids, axes={"inputs": 1}, labels=["a", "b", "c"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shared": "masks"}, "Got shared for the input 'masks'"),
        ({"axes": {"inputs": 7}}, "of shape"),
        ({"axes": {"inputs": "first"}}, "Got axes="),
        ({"axes": {"encoder": ("query", "keys")}}, "Got axes="),
        ({"axes": {"encoder": ("query", "query", "key")}}, "Got axes="),
        ({"axes": {"encoder": ("query", "head")}}, "one 'key'"),
        ({"axes": ["query"]}, "Got axes="),
        ({"include": [3]}, "Got include="),
        ({"call": "generate"}, "Got call='generate'"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(options, message):
    with pytest.raises(ProbeError, match=message):
        ll.Probe({"x": X}, **options)


def test_lists_of_numbers_are_single_and_arrays_stay_double():
    assert ll.Probe([[0.5, 1.0]]).inputs.dtype == np.float32
    assert ll.Probe(np.array([[0.5, 1.0]])).inputs.dtype == np.float64
