"""The corpora: real, without repetitions, and the same every time."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from limelight.data import corpora

pytestmark = pytest.mark.usefixtures("data")


def test_sentences_of_the_bible():
    sentences = corpora.bible_sentences(6, 20)
    assert 15_000 < len(sentences) < 20_000
    first = "in the beginning god created the heavens and the earth ."
    assert " ".join(sentences[0]) == first
    assert len(set(map(tuple, sentences))) == len(sentences)
    assert {len(sentence) for sentence in sentences} == set(range(6, 21))
    assert all(sentence[-1] in ".!?" for sentence in sentences)
    assert not any(mark in sentence[:-1] for sentence in sentences for mark in ".!?")
    # The first verse's note, in braces, speaks of Hebrew letters.
    assert "aleph" not in Counter(word for sentence in sentences for word in sentence)


def test_film_snippets_have_clear_signs_and_no_repetitions():
    sentences, labels = corpora.film_snippets()
    assert 9_500 < len(sentences) == len(labels)
    assert len(set(map(tuple, sentences))) == len(sentences)
    assert set(labels.tolist()) == {0, 1}
    assert 0.45 < labels.mean() < 0.55
    fewer, _ = corpora.film_snippets(clear=2.0)
    assert 0 < len(fewer) < len(sentences)
    loved = [
        label for words, label in zip(sentences, labels, strict=True) if "masterpiece" in words
    ]
    awful = [label for words, label in zip(sentences, labels, strict=True) if "awful" in words]
    assert np.mean(loved) > 0.7
    assert np.mean(awful) < 0.3


def test_digits_are_balanced_and_shuffled():
    images, labels = corpora.digits()
    assert images.shape == (5000, 28, 28)
    assert images.dtype == np.float32
    assert (images.min(), images.max()) == (0.0, 1.0)
    assert np.bincount(labels).tolist() == [500] * 10
    assert len(set(labels[:20].tolist())) > 5
    # A one has less ink than a nought, so images and labels belong together.
    assert images[labels == 1].mean() < images[labels == 0].mean()


def test_vocabulary_and_ids():
    sentences = [["b", "a", "b"], ["c", "a", "b"]]
    known = corpora.vocabulary(sentences, "[blank]", most=5)
    assert known == ["", "[unknown]", "[blank]", "b", "a"]
    assert corpora.encode(sentences, known, 4).tolist() == [[3, 4, 3, 0], [1, 4, 3, 0]]
    assert corpora.encode(sentences, known, 2).tolist() == [[3, 4], [1, 4]]
