"""What is measured of a trained classifier of sentences, and the figures of all variants.

Room: cases. Comes in: models, sentences, recordings. Goes out: results. May import of limelight its
public names, training and repeats.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import limelight as ll
from limelight import training
from limelight.cases.sentiment.models import VARIANTS, Variant
from limelight.cases.sentiment.sentences import Sentences
from limelight.catalogue import Result
from limelight.repeats import difference_of, mean_of

_MAPS = 256

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Measured:
    """What was measured of one trained model.

    Attributes
    ----------
    losses : tuple of ndarray [example]
        Of the sentences that are checked, and of those that were learned.
    right : float
        Share of checked labels.
    fading : tuple of float
        As :func:`fading` has it, before training and after.
    padding : float
        Share of attention on padding; NaN without attention.
    clipped : float
        Share of recorded steps whose gradients were clipped.
    """

    losses: tuple[Floats, Floats]
    right: float
    fading: tuple[float, float]
    padding: float
    clipped: float

    @property
    def gap(self) -> float:
        """The generalisation gap: mean loss of checked sentences less that of learned ones."""
        return float(self.losses[0].mean() - self.losses[1].mean())


def fading(model: Any, checked: Sentences) -> float:
    """Return the gradient of the loss at the first word, by that at the last.

    Parameters
    ----------
    model : keras.Model
    checked : Sentences

    Returns
    -------
    float
        Means over sentences that fill all positions, so that the last word is the LSTM's last.
    """
    full = np.flatnonzero((checked.ids != 0).all(-1))[:64]
    norms = training.gradients_by_position(model, "words", checked.ids[full], checked.labels[full])
    return float(norms[:, 0].mean() / norms[:, -1].mean())


def measure(
    model: Any,
    variant: Variant,
    learned: Sentences,
    checked: Sentences,
    log_dir: Path,
    before: float,
) -> Measured:
    """Measure what a trained model does with sentences that it learned, and with others.

    Parameters
    ----------
    model : keras.Model
    variant : Variant
    learned, checked : Sentences
    log_dir : Path
        Where its training was recorded.
    before : float
        Its fading before it was trained.

    Returns
    -------
    Measured
    """
    said = training.outputs(model, checked.ids)[:, 0]
    known = training.outputs(model, learned.ids)[:, 0]
    padding = np.nan
    if variant.pooling != "last":
        watched = checked.ids[:_MAPS]
        (site,) = ll.capture(model, watched).leaves
        weights = site.dataset["weights"].values[:, 0, 0]
        padding = float((weights * (watched == 0)).sum(-1).mean())
    steps = ll.open_run(log_dir).tensors("training").isel(parameter=0)
    return Measured(
        losses=(surprise(said, checked.labels), surprise(known, learned.labels)),
        right=float(((said > 0.5) == checked.labels).mean()),
        fading=(before, fading(model, checked)),
        padding=padding,
        clipped=float(np.average(steps["clipped"][1:], weights=steps["steps"][1:])),
    )


def surprise(positive: Floats, labels: npt.NDArray[np.int64]) -> Floats:
    """Return the loss of each sentence, without penalties on parameters.

    Parameters
    ----------
    positive : ndarray [example]
        Probabilities of label 1.
    labels : ndarray [example] of int

    Returns
    -------
    ndarray [example]
        Cross-entropy, in nats.

    Examples
    --------
    >>> surprise(np.array([0.5, 1.0]), np.array([0, 1])).round(3).tolist()
    [0.693, 0.0]
    """
    given = np.where(labels == 1, positive, 1 - positive).astype(np.float64)
    return -np.log(np.clip(given, 1e-7, 1.0))


GAP = "generalisation gap: loss of other sentences less that of learned ones"
LESS = "gap less plain's of the same seed"
RIGHT = "right label"
FADING = "gradient at the first word by that at the last"
CLIPPED = "recorded steps clipped: against exploding gradients, not vanishing ones"
PADDING = "attention on padding"


def results_of(measured: dict[str, list[Measured]], checked: Sentences) -> tuple[Result, ...]:
    """Return the figures of all variants, means over seeds.

    Parameters
    ----------
    measured : dict of str to list of Measured
        By the variant's name; one for each seed.
    checked : Sentences

    Returns
    -------
    tuple of Result
        With intervals over seeds; where there is one seed, that of its gap over sentences.
    """
    return tuple(
        result
        for name, models in measured.items()
        for result in _figures(name, models, measured["plain"], checked)
    )


def _figures(
    name: str, models: list[Measured], plain: list[Measured], checked: Sentences
) -> Iterator[Result]:
    """Yield the figures of a variant."""
    seeds = len(models)
    counted = (len(checked.ids), "sentences") if seeds == 1 else (seeds, "seeds")

    def result(
        what: str, values: list[float], beside: float, beside_name: str, over: Any = None
    ) -> Result:
        mean, interval = mean_of(values)
        run = f"lstm/{name}"
        return Result(run, what, mean, beside, beside_name, *counted, interval or over)

    positive = float(checked.labels.mean())
    gaps, others = [model.gap for model in models], [model.gap for model in plain]
    _, over_sentences = difference_of(*models[0].losses)
    beside = (0.0, "none") if name == "plain" else (mean_of(others)[0], "plain's")
    yield result(GAP, gaps, *beside, over_sentences)
    if name != "plain" and seeds > 1:
        less = [gap - other for gap, other in zip(gaps, others, strict=True)]
        yield result(LESS, less, 0.0, "no difference")
    commoner = max(positive, 1 - positive)
    yield result(RIGHT, [model.right for model in models], commoner, "always the commoner label")
    before, after = zip(*(model.fading for model in models), strict=True)
    yield result(FADING, list(after), mean_of(before)[0], "untrained")
    if VARIANTS[name].clip:
        yield result(CLIPPED, [model.clipped for model in models], 0.0, "plain's")
    if VARIANTS[name].pooling != "last":
        even = float((checked.ids[:_MAPS] == 0).mean())
        padding = [model.padding for model in models]
        yield result(PADDING, padding, even, "the same for every position")
