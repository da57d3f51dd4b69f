"""A dense classifier, for its parameters: do they start even, and concentrate while it learns?

Room: cases. Comes in: images. Goes out: a recorded run without a penalty on parameters, with L1 and
with L2, for each seed, and what was measured of them. May import Keras, and of limelight its public
names, training, repeats and data.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

import limelight as ll
from limelight import training
from limelight.catalogue import Case, Progress, Result, repeated
from limelight.data import corpora, packages
from limelight.repeats import mean_of

VALIDATION = 1000
EPOCHS, BATCH = 8, 32

#: Penalties on the kernels, by the name of the run: of absolute values, of squares.
PENALTIES = {"plain": {}, "l1": {"l1": 1e-4}, "l2": {"l2": 1e-3}}

#: What is recorded of how a layer's parameters are spread, and what that is in words.
SPREAD = {
    "std": "std",
    "kurtosis": "excess kurtosis",  # -1.2: even between two bounds; 0: a bell curve
    "near_start": "share near 0",  # within 0.01 of the untrained std
    "w1_from_start": "Wasserstein-1 from untrained",
}


def build(penalty: dict[str, float] | None = None) -> Any:
    """Build the classifier, compiled.

    Parameters
    ----------
    penalty : dict of str to float, optional
        ``l1`` or ``l2``, of every kernel.

    Returns
    -------
    keras.Model
        From ink [example, 784] to the logits of ten digits.
    """
    keras = training.load_keras()

    def dense(units: int, **options: Any) -> Any:
        regularizer = keras.regularizers.L1L2(**penalty) if penalty else None
        return keras.layers.Dense(units, kernel_regularizer=regularizer, **options)

    model = keras.Sequential(
        [
            keras.Input((784,), name="pixels"),
            dense(64, activation="relu", name="hidden_1"),
            dense(64, activation="relu", name="hidden_2"),
            dense(10, name="digit"),
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
    folder: Path, *, size: float = 1.0, progress: Progress = training.no_progress, seeds: int = 1
) -> tuple[Result, ...]:
    """Train the classifier with each penalty, each into its own run.

    Parameters
    ----------
    folder : Path
        Where the runs ``plain``, ``l1`` and ``l2`` go.
    size : float
        Share of the training steps to do.
    progress : callable
        Told how many steps are done.
    seeds : int
        How often each is trained: from other parameters, in another order, on the same digits.

    Returns
    -------
    tuple of Result
        Of each penalty: accuracy beside that of always saying one digit; how the parameters of each
        hidden layer are spread, beside the same of the untrained model.
    """
    images, labels = corpora.digits()
    pixels = images.reshape(len(images), -1)
    checked, truth = pixels[:VALIDATION], labels[:VALIDATION]
    results: list[Result] = []
    for name, penalty in PENALTIES.items():
        right, runs = [], []
        for seed, run in enumerate(repeated(f"weights/{name}", seeds)):
            training.begin(size, seed)
            model = build(penalty)
            log_dir = folder / run.rpartition("/")[2]
            training.fit(
                model, pixels[VALIDATION:], labels[VALIDATION:], epochs=EPOCHS, batch=BATCH,
                size=size, run=run, folder=log_dir, probe=None, progress=progress, seed=seed,
            )  # fmt: skip
            right.append(float((training.outputs(model, checked).argmax(-1) == truth).mean()))
            runs.append(ll.open_run(log_dir).parameters())
        results += results_of(f"weights/{name}", runs, right, truth)
    return tuple(results)


def results_of(
    run: str, runs: Sequence[xr.Dataset], right: Sequence[float], truth: npt.NDArray[np.int64]
) -> list[Result]:
    """Return what was measured with a penalty: means over seeds.

    Parameters
    ----------
    run : str
    runs : sequence of Dataset
        Numbers of the parameters [step, parameter] of each seed.
    right : sequence of float
        The share of digits that are right, of each seed.
    truth : ndarray [example] of int

    Returns
    -------
    list of Result
    """
    always = float(np.bincount(truth).max() / len(truth))
    seeds = len(runs)
    share, interval = mean_of(right)
    counted = (len(truth), "digits") if seeds == 1 else (seeds, "seeds")
    results = [Result(run, RIGHT, share, always, "always the commonest", *counted, interval)]
    for layer in ("hidden_1", "hidden_2"):
        for column, words in SPREAD.items():
            kernels = [numbers[column].sel(parameter=f"{layer}/kernel") for numbers in runs]
            after, interval = mean_of([float(kernel[-1]) for kernel in kernels])
            before, _ = mean_of([float(kernel[0]) for kernel in kernels])
            size = (1, "layer") if seeds == 1 else (seeds, "seeds")
            what = f"{layer}: {words}"
            results.append(Result(run, what, after, before, "untrained", *size, interval))
    return results


RIGHT = "right digit"


def answer(results: Sequence[Result]) -> str:
    """Answer the case's question in a few sentences."""
    by = {(result.run.rpartition("/")[2], result.measure): result for result in results}

    def of(name: str, column: str) -> tuple[float, float]:
        """Return a mean over the hidden layers, untrained and after training."""
        layers = [by[name, f"{layer}: {SPREAD[column]}"] for layer in ("hidden_1", "hidden_2")]
        before, after = ([getattr(each, at) for each in layers] for at in ("beside", "value"))
        return float(np.mean(before)), float(np.mean(after))

    said = []
    for name in PENALTIES:
        (narrow, wide), (_, tails), (_, near) = (of(name, at) for at in
                                                ("std", "kurtosis", "near_start"))  # fmt: skip
        said.append(
            f"{'Without a penalty' if name == 'plain' else f'with {name.upper()}'} the std of the "
            f"hidden layers goes from {narrow:.3f} to {wide:.3f}, excess kurtosis to {tails:+.1f} "
            f"and the share near 0 to {near:.0%}"
        )
    even, _ = of("plain", "kurtosis")
    return f"They start even (excess kurtosis {even:+.2f}; -1.2 is even). {'; '.join(said)}."


CASE = Case(
    name="weights",
    title="Weights of a dense classifier",
    shows="How each layer's parameters are spread, from before training on, with and without L1 "
    "and L2.",
    data=f"handwritten digits; {packages.DIGITS.licence}",
    seconds=20,
    memory_mb=750,
    runs=tuple(f"weights/{name}" for name in PENALTIES),
    prepare=lambda: training.prepare(packages.DIGITS),
    train=train,
    question="Do the parameters of a classifier start even, and concentrate while it learns?",
    answer=answer,
    seeded=True,
)
