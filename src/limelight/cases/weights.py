"""A dense classifier, for its weights: do they concentrate while it learns?

Room: cases. Comes in: images. Goes out: one recorded run and what was measured of it. May import
Keras, and of limelight its public names and this room.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import limelight as ll
from limelight.cases import corpora, packages, training
from limelight.catalogue import Case, Progress, Result

VALIDATION = 1000


def build() -> Any:
    """Build the classifier, compiled.

    Returns
    -------
    keras.Model
        From ink [example, 784] to the logits of ten digits.
    """
    keras = training.load_keras()
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((784,), name="pixels"),
            layers.Dense(64, activation="relu", name="hidden_1"),
            layers.Dense(64, activation="relu", name="hidden_2"),
            layers.Dense(10, name="digit"),
        ],
        name="weights",
    )
    model.compile(
        keras.optimizers.Adam(1e-3),
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
        Accuracy beside that of always saying one digit; the spread of each hidden layer's weights,
        and how many lie near zero, beside the same of the untrained model.
    """
    images, labels = corpora.digits()
    pixels = images.reshape(len(images), -1)
    training.begin(size)
    model = build()
    training.fit(
        model, pixels[VALIDATION:], labels[VALIDATION:], epochs=8, batch=32, size=size,
        run="weights", folder=folder, probe=None, progress=progress,
    )  # fmt: skip
    truth = labels[:VALIDATION]
    logits = model.predict(pixels[:VALIDATION], batch_size=250, verbose=0)
    right = float((logits.argmax(-1) == truth).mean())
    always = float((truth == truth[0]).mean())
    results = [Result("weights", "right digit", right, always, "always the same digit",
                      VALIDATION, "digits")]  # fmt: skip
    recorded = ll.open_run(folder).parameters()
    for name in ("hidden_1/kernel", "hidden_2/kernel"):
        one = recorded.sel(parameter=name)
        for measure, words in (("std", "spread (std)"), ("near_zero", "share near zero")):
            first, last = one[measure].values[[0, -1]].tolist()
            results.append(
                Result("weights", f"{words} of {name}", last, first, "untrained",
                       int(one["count"].values[-1].sum()), "weights")
            )  # fmt: skip
    return tuple(results)


CASE = Case(
    name="weights",
    title="Weights of a dense classifier",
    shows="How each layer's weights are spread, from before training on.",
    data=f"handwritten digits; {packages.DIGITS.licence}",
    seconds=10,
    memory_mb=900,
    runs=("weights",),
    prepare=lambda: training.prepare(packages.DIGITS),
    train=train,
)
