"""The models that are measured, trained on the corpus of the case ``cloze``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import limelight as ll
from limelight import training
from limelight.cases.sentiment.models import VARIANTS, build
from limelight.cases.sentiment.sentences import LENGTH, WORDS
from limelight.data import corpora

keras = training.load_keras()  # without TensorFlow's notes

BLANK = "[blank]"


@dataclass(frozen=True)
class Sizes:
    """Sizes of a Transformer; the defaults have 5 million parameters."""

    layers: int = 6
    heads: int = 12
    width: int = 192
    words: int = 6000
    positions: int = 128
    causal: bool = False


def transformer(sizes: Sizes) -> Any:
    """Build a pre-norm Transformer that names the word at each position, compiled to train."""
    inputs = keras.Input((sizes.positions,), dtype="int32")
    x = keras.layers.Embedding(sizes.words, sizes.width, name="words")(inputs)
    x = Positions(name="positions")(x)
    for number in range(sizes.layers):
        x = _block(x, sizes, number)
    x = keras.layers.LayerNormalization(name="norm")(x)
    model = keras.Model(inputs, keras.layers.Dense(sizes.words, name="naming")(x))
    model.compile(
        keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def _block(x: Any, sizes: Sizes, number: int) -> Any:
    attention = keras.layers.MultiHeadAttention(
        sizes.heads, sizes.width // sizes.heads, name=f"attention_{number}"
    )
    y = keras.layers.LayerNormalization(name=f"norm_{number}_0")(x)
    x = x + attention(y, y, use_causal_mask=sizes.causal)
    y = keras.layers.LayerNormalization(name=f"norm_{number}_1")(x)
    y = keras.layers.Dense(4 * sizes.width, activation="gelu", name=f"wide_{number}")(y)
    return x + keras.layers.Dense(sizes.width, name=f"narrow_{number}")(y)


class Positions(keras.layers.Layer):  # type: ignore[misc]
    """Adds a learned vector for each position."""

    def build(self, shape):
        self.vectors = self.add_weight(
            shape=shape[1:],
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="vectors",
        )

    def call(self, x):
        return x + self.vectors


@dataclass(frozen=True)
class Text:
    """Windows of running text as ids, no padding.

    Attributes
    ----------
    windows : array [window, position] of int32
        In a fixed shuffled order.
    known : list of str
        The vocabulary; id 0 is padding, 1 an unknown word, 2 the blank.
    """

    windows: NDArray[np.int32]
    known: list[str]

    def blanked(self, count: int, seed: int, share: float = 0.15) -> Any:
        """Return inputs with blanks, the words themselves, and weights: 1 at blanks, else 0."""
        rng = np.random.default_rng(seed)
        chosen = self.windows[rng.integers(0, len(self.windows), count)]
        blank = rng.random(chosen.shape) < share
        inputs = np.where(blank, np.int32(self.known.index(BLANK)), chosen)
        return inputs, chosen, blank.astype(np.float32)

    def followed(self, count: int, seed: int) -> Any:
        """Return inputs, each position's next word, and weights: 0 at the last position."""
        rng = np.random.default_rng(seed)
        chosen = self.windows[rng.integers(0, len(self.windows), count)]
        weights = np.ones(chosen.shape, np.float32)
        weights[:, -1] = 0
        return chosen, np.roll(chosen, -1, axis=1), weights


def text(sizes: Sizes) -> Text:
    """Cut the corpus into full windows of words."""
    sentences = corpora.bible_sentences(1, 10**6)
    known = corpora.vocabulary(sentences, BLANK, most=sizes.words)
    ids = {word: index for index, word in enumerate(known)}
    running = np.array([ids.get(word, 1) for sentence in sentences for word in sentence], np.int32)
    windows = running[: len(running) // sizes.positions * sizes.positions]
    windows = windows.reshape(-1, sizes.positions)
    return Text(np.random.default_rng(0).permutation(windows), known)


def record(folder: Path, sizes: Sizes, batch: int, every: int, steps: int = 1) -> None:
    """Train a Transformer for real, if not for long, and record one example.

    Parameters
    ----------
    folder : Path
        Of the run.
    sizes : Sizes
    batch : int
        Windows in a batch.
    every : int
        Batches before each recording; none before the first, if there are several.
    steps : int
        Recordings.
    """
    keras.utils.set_random_seed(0)
    words = text(sizes)
    model = transformer(sizes)
    probe = ll.Probe(words.blanked(1, seed=10**6)[0], tokens=words.known)
    done = 0
    with ll.Recorder(folder, model, probe) as recorder:
        for number in range(steps):
            for _ in range(every if number or steps == 1 else 0):
                x, y, weights = words.blanked(batch, seed=done)
                model.train_on_batch(x, y, sample_weight=weights)
                done += 1
            recorder.record(done)


def sentiment(most: int | None = None) -> Any:
    """Return the case ``lstm``: its model, word ids, labels, a probe, and its batch size.

    Parameters
    ----------
    most : int, optional
        Train on so many sentences only.
    """
    sentences, labels = corpora.film_snippets()
    known = corpora.vocabulary(sentences, most=WORDS)
    order = np.random.default_rng(0).permutation(len(sentences))
    ids = corpora.encode([sentences[index] for index in order], known, LENGTH)
    watched = [sentences[index][:LENGTH] for index in order[:8]]
    probe = ll.Probe(ids[:8], tokens=watched)
    return (
        build(VARIANTS["attention"]),
        ids[8:][:most],
        labels[order][8:][:most],
        probe,
        64,
    )
