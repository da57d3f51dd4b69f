"""Sentiment of film reviews by an LSTM: what helps where it forgets, and where it overfits.

Room: cases. Comes in: rated sentences. Goes out: one recorded run for each variant and seed, and
what was measured of them. May import Keras, and of limelight its public names, training and data.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

import limelight as ll
from limelight import training
from limelight.cases.sentiment.figures import (
    FADING,
    GAP,
    PADDING,
    Measured,
    fading,
    measure,
    results_of,
)
from limelight.cases.sentiment.models import VARIANTS, build
from limelight.cases.sentiment.sentences import LENGTH, sentences
from limelight.catalogue import Case, Progress, Result, repeated
from limelight.data import packages

EPOCHS, BATCH = 5, 64
_WATCHED = 8

RUNS = tuple(f"lstm/{name}" for name in VARIANTS)
#: Where other cases are trained too: what looks at words, what forgets them, what overfits least.
BRIEF = ("attention", "plain", "l2-dropout")


def train(
    folder: Path,
    *,
    size: float = 1.0,
    progress: Progress = training.no_progress,
    seeds: int = 1,
    runs: Sequence[str] = RUNS,
) -> tuple[Result, ...]:
    """Train each variant, each into its own run.

    Parameters
    ----------
    folder : Path
        Where the runs ``plain``, ``attention`` and so on go.
    size : float
        Share of the training steps to do.
    progress : callable
        Told how many steps are done.
    seeds : int
        How often each is trained: from other parameters, in another order, on the same sentences.
    runs : sequence of str
        Which of them, the plain one among them.

    Returns
    -------
    tuple of Result
        Of each variant the generalisation gap beside that of the plain one, and the share of labels
        that are right; of some what else it is about.
    """
    variants = [run.rpartition("/")[2] for run in runs]
    learned, checked = sentences()
    probe = ll.Probe(
        checked.ids[:_WATCHED],
        tokens=[text[:LENGTH] for text in checked.texts[:_WATCHED]],
        labels=["positive" if label else "negative" for label in checked.labels[:_WATCHED]],
    )
    measured: dict[str, list[Measured]] = {name: [] for name in variants}
    # Seed by seed, so that all variants can be compared soon.
    for seed in range(seeds):
        for name in variants:
            run, variant = repeated(f"lstm/{name}", seeds)[seed], VARIANTS[name]
            training.begin(size, seed)
            model = build(variant)
            before = fading(model, checked)
            log_dir = folder / run.rpartition("/")[2]
            training.fit(
                model, learned.ids, learned.labels, epochs=EPOCHS, batch=BATCH, size=size, run=run,
                folder=log_dir, probe=None if variant.pooling == "last" else probe,
                progress=progress, seed=seed, gradients=True,
                validation=(checked.ids[:512], checked.labels[:512]),
            )  # fmt: skip
            measured[name].append(measure(model, variant, learned, checked, log_dir, before))
    return results_of(measured, checked)


def answer(results: Sequence[Result]) -> str:
    """Answer the case's question in a few sentences, of the variants that were trained."""
    by = {(result.run.rpartition("/")[2], result.measure): result for result in results}
    plain = by["plain", GAP]
    low, high = plain.interval or (np.nan, np.nan)
    remedies = [
        f"{by[name, GAP].value:.2f} with {name}"
        for name in ("l2", "dropout", "l2-dropout")
        if (name, GAP) in by
    ]
    others = {"bidirectional": "both ways", "attention": "with attention"}
    beside = [
        f"{by[name, FADING].beside:.2g} {words}"
        for name, words in others.items()
        if (name, FADING) in by
    ]
    shares = {"tutorial": "A tutorial's layer", "attention": "AttentionPooling"}
    padding = [
        f"{words} gives {by[name, PADDING].value:.0%} of its attention to padding."
        for name, words in shares.items()
        if (name, PADDING) in by
    ]
    fades = by["plain", FADING]
    gap = f"The generalisation gap is {plain.value:.2f} nats (95 %: {low:.2f} to {high:.2f})"
    first = f"{fades.beside:.2g} of that at the last"
    faded = (
        f"Untrained, the gradient at the first word is {', '.join([first, *beside])}; trained, "
        f"it is {fades.value:.2g} in the plain model, so what fades at first need not stay so."
    )
    return " ".join([", ".join([gap, *remedies]) + ".", faded, *padding])


CASE = Case(
    name="lstm",
    title="Sentiment with an LSTM",
    shows="How much each word of a film review counts, and what attention, both ways, clipping, L2 "
    "and dropout do to gradients and overfitting.",
    data=f"sentences of film reviews with human ratings; {packages.SNIPPETS.licence}",
    seconds=70,
    memory_mb=1100,
    runs=RUNS,
    prepare=lambda: training.prepare(packages.SNIPPETS),
    train=train,
    question="Which words count for a review's label, and what helps an LSTM that forgets or "
    "overfits?",
    answer=answer,
    seeded=True,
    brief=tuple(f"lstm/{name}" for name in BRIEF),
    whole_seconds=180,
)
