"""Handwritten digits as sequences of pixels: attention, then a dense network.

Room: cases. Comes in: images. Goes out: one recorded run and what was measured of it. May import
Keras, and of limelight its public names, training and data.
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

SIDE = 28
#: A pass over all 60,000 digits of the full data set would take minutes; this takes seconds.
TRAINING = 2400
VALIDATION = 500
_BATCH = 20
_WATCHED = 4


def build() -> Any:
    """Build the classifier, compiled.

    Returns
    -------
    keras.Model
        From ink [example, 784, 1] to the logits of ten digits. The loss is told that they are
        logits: a sigmoid in between would keep it from falling below 1.46.
    """
    keras = training.load_keras()
    layers = keras.layers
    pixels = keras.Input((SIDE * SIDE, 1), name="pixels")
    states = layers.Attention(use_scale=True, name="attention")([pixels, pixels])
    hidden = layers.Dense(100, activation="relu", name="hidden")(layers.Flatten()(states))
    model = keras.Model(pixels, layers.Dense(10, name="digit")(hidden), name="mnist")
    model.compile(
        keras.optimizers.Adam(1e-2),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
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
        Accuracy beside that of always saying one digit; the share of attention on ink beside the
        share of ink among the pixels.
    """
    images, labels = corpora.digits()
    pixels = images.reshape(-1, SIDE * SIDE, 1)
    checked, truth = pixels[:VALIDATION], labels[:VALIDATION]
    chosen = slice(VALIDATION, VALIDATION + TRAINING)
    training.begin(size)
    model = build()
    probe = ll.Probe(
        checked[:_WATCHED],
        layout=(SIDE, SIDE),
        labels=[str(label) for label in truth[:_WATCHED]],
    )
    training.fit(
        model, pixels[chosen], labels[chosen], epochs=1, batch=_BATCH, size=size, run="mnist",
        folder=folder, probe=probe, progress=progress,
    )  # fmt: skip
    logits = model.predict(checked, batch_size=_BATCH, verbose=0)
    watched = checked[:_BATCH]
    ink = watched[..., 0] > 0.5
    (site,) = ll.capture(model, watched).leaves
    on_ink = np.einsum("ehqk,ek->ehq", site.dataset["weights"].values, ink)[:, 0]
    return (
        Result("mnist", "right digit", float((logits.argmax(-1) == truth).mean()),
               float(np.bincount(truth).max() / len(truth)), "always the commonest digit",
               len(truth), "digits"),
        Result("mnist", "attention of ink on ink", float(on_ink[ink].mean()), float(ink.mean()),
               "the same for every pixel", len(watched), "digits"),
    )  # fmt: skip


def answer(results: Sequence[Result]) -> str:
    """Answer the case's question in a sentence."""
    right, ink = results
    return (
        f"Pixels of ink give {ink.value:.0%} of their attention to ink, which is "
        f"{ink.beside:.0%} of all pixels; {right.value:.0%} of the digits are named right "
        f"({right.beside_name}: {right.beside:.0%})."
    )


CASE = Case(
    name="mnist",
    title="Digits, pixel by pixel",
    shows="Which pixels each pixel of a handwritten digit attends to, drawn over the digit.",
    data=f"handwritten digits; {packages.DIGITS.licence}",
    seconds=25,
    memory_mb=1200,
    runs=("mnist",),
    prepare=lambda: training.prepare(packages.DIGITS),
    train=train,
    question="Which pixels does each pixel of a handwritten digit attend to: ink, or paper?",
    answer=answer,
)
