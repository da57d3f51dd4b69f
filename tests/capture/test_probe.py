"""What a probe takes, what it makes of it, and what it refuses in which words."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from limelight.capture import Probe
from limelight.errors import ProbeError

IDS = np.array([[3, 1, 0], [2, 2, 1]])


@pytest.mark.parametrize(
    "tokens",
    [
        ["", "a", "b", "c"],
        {0: "", 1: "a", 2: "b", 3: "c"},
        lambda number: [None, "a", "b", "c"][number],
        [["c", "a"], ["b", "b", "a"]],
        [["c", "a", None], ("b", "b", b"a")],
        np.array([["c", "a", ""], ["b", "b", "a"]]),
    ],
    ids=["vocabulary", "dict", "function", "texts", "mixed", "array"],
)
def test_tokens_in_every_form(tokens):
    probe = Probe(IDS, tokens=tokens)
    assert [word for word in probe.tokens_of(0) if word] == ["c", "a"]
    assert probe.tokens_of(1) == ("b", "b", "a")


def test_a_vocabulary_reads_the_first_whole_number_input():
    probe = Probe((np.zeros((2, 3, 4)), IDS), tokens=["", "a", "b", "c"])
    assert probe.tokens_of(1) == ("b", "b", "a")


def test_a_vocabulary_reads_ids_kept_as_floats():
    assert Probe(IDS.astype("float32"), tokens=["", "a", "b", "c"]).tokens_of(0) == ("c", "a", "")


@pytest.mark.parametrize("value", [IDS, IDS.tolist(), tf.constant(IDS)])
def test_inputs_become_numpy(value):
    probe = Probe(value)
    assert isinstance(probe.inputs, np.ndarray)
    assert probe.examples == 2
    assert probe.images is None
    assert probe.tokens_of(0) is None


def test_several_inputs():
    assert Probe([np.ones((4, 2)), np.ones((4, 3))]).examples == 4
    assert Probe({"a": np.ones((4, 2))}).arrays[0].shape == (4, 2)


@pytest.mark.parametrize("shape", [(2, 6), (2, 6, 1), (2, 2, 3), (2, 2, 3, 1), (2, 2, 3, 3)])
def test_images(shape):
    pixels = np.arange(np.prod(shape), dtype="float64").reshape(shape)
    probe = Probe(pixels, layout=(2, 3))
    assert probe.images.dtype == np.float32
    np.testing.assert_array_equal(probe.images, pixels.reshape(2, 2, 3, -1))


def test_patches_give_the_layout():
    probe = Probe(np.zeros((2, 8, 12, 3)), patches=(4, 4))
    assert probe.layout == (2, 3)
    assert probe.images.shape == (2, 8, 12, 3)


def test_it_cannot_be_changed():
    with pytest.raises(AttributeError):
        Probe(IDS).inputs = None


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        (
            None,
            {},
            (
                "Got None as the probe's inputs. Wanted a small batch the model can be called "
                "on. Pass a few examples, such as x[:8]."
            ),
        ),
        (
            np.zeros((0, 3)),
            {},
            (
                "Got inputs with 0 examples. Wanted the same number, at least one, in every "
                "input. Cut all inputs alike, such as x[:8]."
            ),
        ),
        (
            3.0,
            {},
            (
                "Got a probe without examples. Wanted arrays whose first axis is the example. "
                "Pass a few examples, such as x[:8]."
            ),
        ),
        (
            (np.zeros((2, 3)), np.zeros((4, 3))),
            {"axes": {"inputs": {1: 0}}},
            (
                "Got inputs with 2 and 4 examples. Wanted the same number, at least one, in "
                "every input. Cut all inputs alike, such as x[:8]."
            ),
        ),
        (
            IDS,
            {"tokens": [["a"]]},
            (
                "Got tokens for 1 examples; the inputs hold 2. Wanted one list of texts for each "
                "example. Cut 'inputs' and 'tokens' alike."
            ),
        ),
        (
            IDS,
            {"tokens": ["", "a"]},
            (
                "Got the id 2, which the vocabulary does not have. Wanted a text for every id in "
                "the probe. Complete the vocabulary, or pass a function that names unknown ids."
            ),
        ),
        (
            np.full((2, 3), 0.5),
            {"tokens": ["", "a"]},
            (
                "Got a vocabulary, but no input of whole numbers [example, position]. Wanted ids "
                "to look up, or a list of texts for each example. Pass tokens=[[...], [...]], "
                "one list for each example."
            ),
        ),
        (
            IDS,
            {"labels": [1]},
            (
                "Got 1 labels for 2 examples. Wanted one for each example. Cut 'inputs' and "
                "'labels' alike."
            ),
        ),
        (
            IDS,
            {"layout": (2, 2)},
            (
                "Got layout=(2, 2) for inputs of shape (2, 3). Wanted images of that many rows "
                "and columns, flat or not, or that divide into as many patches. Correct the "
                "layout, or leave it out if positions are not pixels."
            ),
        ),
        (
            IDS,
            {"layout": 28},
            "Got layout=28. Wanted two whole numbers above 0. Write it as (28, 28).",
        ),
        (
            np.zeros((2, 8, 8, 1)),
            {"patches": (3, 3)},
            (
                "Got patches=(3, 3) for inputs of shape (2, 8, 8, 1). Wanted images [example, "
                "row, column, channel] or [example, channel, row, column] that divide into such "
                "patches. Correct the patch size, or leave it out."
            ),
        ),
    ],
)
def test_refusals(inputs, options, message):
    with pytest.raises(ProbeError) as caught:
        Probe(inputs, **options)
    assert str(caught.value) == message


def test_ragged_lists():
    with pytest.raises(ProbeError, match="Pad the examples to one length first"):
        Probe([[1, 2], [3]])
