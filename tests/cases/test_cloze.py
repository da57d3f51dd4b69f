"""The missing word: its sentences, its models, what they record."""

from __future__ import annotations

import numpy as np
import pytest

import limelight as ll
from limelight.cases import cloze


@pytest.mark.training
def test_both_models_record_their_attention(sites):
    assert sites("cloze/one-layer") == [("attention", "self", 1, 20)]
    layers = [(f"layer_{number}_attention", "self", 4, 20) for number in range(4)]
    assert sites("cloze/transformer") == layers


@pytest.mark.training
@pytest.mark.parametrize("kind", ["one-layer", "transformer"])
def test_examples_are_sentences_with_one_blank_and_the_word_that_was_there(kind, recorded):
    for example in recorded(f"cloze/{kind}").examples:
        assert example.tokens
        assert example.label
        assert example.tokens.count("[blank]") == 1


def test_blanks_are_words_and_come_back():
    known = ["", "[unknown]", "[blank]", "the", "dog", "barks", "."]
    sentences = [["the", "dog", "barks", "."], ["the", "cat", "."], ["cat", "."]]
    made = cloze.leave_out(sentences, known, blanks=1, times=50, seed=0)
    assert len(made.ids) == 100  # the third has no word that is known
    for ids, (position,), (word,) in zip(made.ids, made.blanks, made.missing, strict=True):
        assert ids[position] == 2
        assert (ids == 2).sum() == 1
        assert known[word] in ("the", "dog", "barks")
        ids[position] = word
        assert ids[:4].tolist() in ([3, 4, 5, 6], [3, 1, 6, 0])
    assert len(set(map(tuple, made.blanks))) == 3
    assert len(cloze.leave_out(sentences, known, blanks=2, times=1, seed=0).ids) == 1


def test_share_of_a_sentences_ends():
    maps = np.zeros((2, 1, 3, 3))
    maps[0, 0] = [[1, 0, 0], [0, 1, 0], [0.5, 0.25, 0.25]]  # ends: 1, 0, 0.75
    maps[1, 0, :2, 0] = 1  # two real tokens, both of them ends
    real = np.array([[True, True, True], [True, True, False]])
    share, uniform = cloze.ends(maps, real)
    assert share == pytest.approx((1.75 / 3 + 1) / 2)
    assert uniform == pytest.approx((2 / 3 + 1) / 2)


@pytest.mark.parametrize("kind", ["one-layer", "transformer"])
def test_no_layer_of_a_cloze_model_looks_at_padding(kind):
    ids = np.zeros((2, cloze.LENGTH), np.int32)
    ids[0, :7], ids[1] = 5, 6
    blanks = np.array([[1], [2]], np.int32)
    tree = ll.capture(cloze.build(kind), {"ids": ids, "blanks": blanks})
    for site in tree.leaves:
        assert site["weights"].values[0, :, :7, 7:].sum() == 0, site.path
        assert not site["key_valid"].values[0, 7:].any(), site.path
