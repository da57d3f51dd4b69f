"""A dense classifier, for its parameters: do they concentrate while it learns?

Room: cases. Comes in: images. Goes out: one recorded run and what was measured of it. May import
Keras, and of limelight its public names, training and data.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from limelight import training
from limelight.catalogue import Case, Progress, Result
from limelight.data import corpora, packages

VALIDATION = 1000

Kernel = npt.NDArray[np.floating[Any]]


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
        Accuracy beside that of always saying one digit; how the parameters of each hidden layer
        are spread, beside the same of the untrained model. Near zero is a tenth of its std.
    """
    images, labels = corpora.digits()
    pixels = images.reshape(len(images), -1)
    training.begin(size)
    model = build()
    untrained = kernels(model)
    training.fit(
        model, pixels[VALIDATION:], labels[VALIDATION:], epochs=8, batch=32, size=size,
        run="weights", folder=folder, probe=None, progress=progress,
    )  # fmt: skip
    truth = labels[:VALIDATION]
    logits = model.predict(pixels[:VALIDATION], batch_size=250, verbose=0)
    right = float((logits.argmax(-1) == truth).mean())
    always = float(np.bincount(truth).max() / len(truth))
    results = [
        Result(
            "weights", "right digit", right, always, "always the commonest", len(truth), "digits"
        )
    ]
    for name, trained in kernels(model).items():
        near = 0.1 * float(untrained[name].std())
        before, after = spread(untrained[name], near), spread(trained, near)
        results += [
            Result("weights", f"{name}: {what}", after[what], before[what], "untrained",
                   trained.size, "parameters")
            for what in after
        ]  # fmt: skip
    return tuple(results)


def kernels(model: Any) -> dict[str, Kernel]:
    """Return a copy of each hidden layer's parameters.

    Parameters
    ----------
    model : keras.Model

    Returns
    -------
    dict of str to ndarray [input, output]
        By the layer's name.
    """
    return {name: model.get_layer(name).get_weights()[0] for name in ("hidden_1", "hidden_2")}


def spread(kernel: Kernel, near: float) -> dict[str, float]:
    """Return how a layer's parameters are spread.

    Parameters
    ----------
    kernel : ndarray [input, output]
    near : float
        What counts as near zero.

    Returns
    -------
    dict of str to float
        ``std``; ``share near 0``; ``excess kurtosis``: -1.2 when they are spread evenly between
        two bounds, 0 for a bell curve, more when most are close to the mean and a few far away.

    Examples
    --------
    >>> spread(np.array([[-1.0, 1.0]]), near=0.1)
    {'std': 1.0, 'share near 0': 0.0, 'excess kurtosis': -2.0}
    """
    flat = kernel.astype(np.float64).ravel()
    away = flat - flat.mean()
    std = float(flat.std())
    return {
        "std": std,
        "share near 0": float((np.abs(flat) < near).mean()),
        "excess kurtosis": float((away**4).mean() / std**4 - 3.0),
    }


def answer(results: Sequence[Result]) -> str:
    """Answer the case's question in a sentence."""
    right, *spreads = results
    near = [result for result in spreads if result.measure.endswith("share near 0")]
    changes = " and ".join(f"from {result.beside:.0%} to {result.value:.0%}" for result in near)
    return (
        f"The share of parameters near 0 in its hidden layers goes {changes}, while the share of "
        f"digits that it names right grows to {right.value:.0%} ({right.beside_name}: "
        f"{right.beside:.0%})."
    )


CASE = Case(
    name="weights",
    title="Weights of a dense classifier",
    shows="How each layer's parameters are spread, from before training on.",
    data=f"handwritten digits; {packages.DIGITS.licence}",
    seconds=10,
    memory_mb=700,
    runs=("weights",),
    prepare=lambda: training.prepare(packages.DIGITS),
    train=train,
    question="Do the parameters of a classifier concentrate while it learns?",
    answer=answer,
)
