"""Sentiment of film reviews: attention over the states of an LSTM, in a layer of one's own.

Room: cases. Comes in: rated sentences. Goes out: one recorded run and what was measured of it. May
import Keras, and of limelight its public names, training and data.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import limelight as ll
from limelight import training
from limelight.catalogue import Case, Progress, Result
from limelight.data import corpora, packages

LENGTH = 32
WORDS = 6000
VALIDATION = 1536
_WATCHED = 8


def build() -> Any:
    """Build the classifier, compiled.

    Its attention layer is of the kind tutorials show: it forms its weights inside ``call``, hands
    on only the weighted sum, and knows nothing of padding. limelight needs no change to it.

    Returns
    -------
    keras.Model
        From word ids [example, position] to the probability of a positive review.
    """
    keras = training.load_keras()
    layers, ops = keras.layers, keras.ops

    class AttentionOverTime(layers.Layer):  # type: ignore[misc,name-defined]  # no types in Keras
        """Weights each step of a sequence and adds them up."""

        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(
                shape=(shape[-1], 1), initializer="random_normal", name="kernel"
            )
            self.bias = self.add_weight(shape=(shape[1], 1), initializer="zeros", name="bias")

        def call(self, states: Any) -> Any:
            scores = ops.tanh(ops.matmul(states, self.kernel) + self.bias)
            weights = ops.softmax(scores, axis=1)
            return ops.sum(states * weights, axis=1)

    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
    states = layers.Embedding(WORDS, 32, name="words")(ids)
    states = layers.SpatialDropout1D(0.3, name="word_dropout")(states)
    states = layers.Bidirectional(layers.LSTM(24, return_sequences=True, name="lstm"), name="both")(
        states
    )
    pooled = AttentionOverTime(name="attention")(states)
    pooled = layers.Dropout(0.5, name="dropout")(pooled)
    positive = layers.Dense(1, activation="sigmoid", name="positive")(pooled)
    model = keras.Model(ids, positive, name="lstm")
    model.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy", metrics=["accuracy"])
    return model


def train(
    folder: Path, *, size: float = 1.0, progress: Progress = training.no_progress
) -> tuple[Result, ...]:
    """Train the classifier into one run.

    Parameters
    ----------
    folder : Path
        The run's log directory.
    size : float
        Share of the training steps to do.
    progress : callable
        Told how many steps are done.

    Returns
    -------
    tuple of Result
        Accuracy beside that of the commoner label; the share of attention on padding beside the
        share of positions that are padding.
    """
    sentences, labels = corpora.film_snippets()
    order = np.random.default_rng(training.SEED).permutation(len(sentences))
    sentences, labels = [sentences[index] for index in order], labels[order]
    known = corpora.vocabulary(sentences[VALIDATION:], most=WORDS)
    ids = corpora.encode(sentences, known, LENGTH)
    checked, truth = ids[:VALIDATION], labels[:VALIDATION]
    training.begin(size)
    model = build()
    probe = ll.Probe(
        checked[:_WATCHED],
        tokens=[sentence[:LENGTH] for sentence in sentences[:_WATCHED]],
        labels=["positive" if label else "negative" for label in truth[:_WATCHED]],
    )
    training.fit(
        model, ids[VALIDATION:], labels[VALIDATION:], epochs=2, batch=64, size=size, run="lstm",
        folder=folder, probe=probe, progress=progress,
    )  # fmt: skip
    return measure(model, checked, truth)


def measure(model: Any, checked: Any, truth: Any) -> tuple[Result, ...]:
    """Measure how often the label is right, and how much attention padding gets.

    Parameters
    ----------
    model : keras.Model
    checked : ndarray [example, position] of int
        Word ids; 0 is padding.
    truth : ndarray [example] of int

    Returns
    -------
    tuple of Result
    """
    said = model.predict(checked, batch_size=128, verbose=0)[:, 0] > 0.5
    positive = float(truth.mean())
    watched = checked[:256]
    (site,) = ll.capture(model, watched).leaves
    on_padding = float((site.dataset["weights"].values[:, 0, 0] * (watched == 0)).sum(-1).mean())
    return (
        Result("lstm", "right label", float((said == truth).mean()), max(positive, 1 - positive),
               "always the commoner label", len(checked), "sentences"),
        Result("lstm", "attention on padding", on_padding, float((watched == 0).mean()),
               "the same for every position", len(watched), "sentences"),
    )  # fmt: skip


def answer(results: Sequence[Result]) -> str:
    """Answer the case's question in a sentence."""
    right, padding = results
    return (
        f"The layer gives {padding.value:.1%} of its attention to padding, where the same for "
        f"every position would be {padding.beside:.0%}; with it {right.value:.0%} of the labels "
        f"are right ({right.beside_name}: {right.beside:.0%})."
    )


CASE = Case(
    name="lstm",
    title="Sentiment with an LSTM",
    shows="How much each word of a film review counts, in an attention layer that never hands out "
    "its weights.",
    data=f"sentences of film reviews with human ratings; {packages.SNIPPETS.licence}",
    seconds=20,
    memory_mb=750,
    runs=("lstm",),
    prepare=lambda: training.prepare(packages.SNIPPETS),
    train=train,
    question="Which words of a film review count for its label, and does padding?",
    answer=answer,
)
