"""Sentiment of film reviews by an LSTM: what helps where it forgets, and where it overfits.

Room: cases. Comes in: rated sentences. Goes out: one recorded run for each variant and seed, and
what was measured of them. May import Keras, and of limelight its public names, training, repeats
and data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import limelight as ll
from limelight import training
from limelight.catalogue import Case, Progress, Result, repeated
from limelight.data import corpora, packages
from limelight.repeats import difference_of, mean_of

LENGTH = 24
WORDS = 4000
VALIDATION, LEARNED = 1536, 2048
EPOCHS, BATCH = 5, 64
_WATCHED, _MAPS = 8, 256

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Variant:
    """What a model has that the plain one has not: each changes one thing, or says it is two.

    Attributes
    ----------
    pooling : str
        What becomes of the LSTM's states: ``last``, the state after the last word; ``attention``,
        limelight's layer; ``tutorial``, the layer that tutorials show.
    both : bool
        Whether the LSTM reads both ways.
    clip : float, optional
        Largest norm of all gradients together. It treats gradients that explode; those that
        vanish stay as they are. (Keras' ``clipnorm`` is another thing: the norm of each variable.)
    l2 : float
        Penalty on the squares of the LSTM's kernels and the words' vectors.
    dropout : float
        Share of the features of words, and of what is pooled, that is left out in training.
    """

    pooling: str = "last"
    both: bool = False
    clip: float | None = None
    l2: float = 0.0
    dropout: float = 0.0


VARIANTS = {
    "attention": Variant(pooling="attention"),
    "plain": Variant(),
    "bidirectional": Variant(both=True),
    "clipping": Variant(clip=0.5),
    "l2": Variant(l2=1e-3),
    "dropout": Variant(dropout=0.5),
    "l2-dropout": Variant(l2=1e-3, dropout=0.5),
    "tutorial": Variant(pooling="tutorial"),
}


def build(variant: Variant) -> Any:
    """Build a classifier, compiled.

    Parameters
    ----------
    variant : Variant

    Returns
    -------
    keras.Model
        From word ids [example, position] to the probability of a positive review.
    """
    keras = training.load_keras()
    layers = keras.layers

    def penalty() -> Any:
        return keras.regularizers.L2(variant.l2) if variant.l2 else None

    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
    masked = variant.pooling != "tutorial"  # tutorials know nothing of padding
    states = layers.Embedding(
        WORDS, 32, mask_zero=masked, embeddings_regularizer=penalty(), name="words"
    )(ids)
    if variant.dropout:
        states = layers.SpatialDropout1D(variant.dropout, name="word_dropout")(states)
    read = layers.LSTM(
        24, return_sequences=variant.pooling != "last", kernel_regularizer=penalty(),
        recurrent_regularizer=penalty(), name="lstm",
    )  # fmt: skip
    if variant.both:
        read = layers.Bidirectional(read, name="both")
    pooled = read(states)
    if variant.pooling == "attention":
        pooled = ll.AttentionPooling(framework="keras", name="attention")(pooled)
    elif variant.pooling == "tutorial":
        pooled = tutorial_layer()(pooled)
    if variant.dropout:
        pooled = layers.Dropout(variant.dropout, name="dropout")(pooled)
    positive = layers.Dense(1, activation="sigmoid", name="positive")(pooled)
    model = keras.Model(ids, positive, name="lstm")
    optimizer = keras.optimizers.Adam(3e-3, global_clipnorm=variant.clip)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    return model


def tutorial_layer() -> Any:
    """Return attention over time as tutorials write it, made to work.

    It forms its weights inside ``call``, hands on only the weighted sum, knows nothing of padding
    and has a bias for each position, so that it takes one length only. limelight needs no change to
    it.

    Returns
    -------
    keras.Layer
        From states [example, position, feature] to [example, feature].
    """
    keras = training.load_keras()
    ops = keras.ops

    class AttentionOverTime(keras.layers.Layer):  # type: ignore[misc,name-defined]  # no types
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

    return AttentionOverTime(name="attention")


@dataclass(frozen=True)
class Sentences:
    """Sentences as ids, and their labels.

    Attributes
    ----------
    ids : ndarray [example, position] of int
        0 is padding.
    labels : ndarray [example] of int
        1 = positive.
    texts : list of list of str
    """

    ids: npt.NDArray[np.int32]
    labels: npt.NDArray[np.int64]
    texts: list[list[str]]


def sentences() -> tuple[Sentences, Sentences]:
    """Return the sentences that are learned, and those that are only checked."""
    texts, labels = corpora.film_snippets()
    order = np.random.default_rng(training.SEED).permutation(len(texts))
    texts, labels = [texts[index] for index in order], labels[order]
    parts = (slice(VALIDATION, VALIDATION + LEARNED), slice(VALIDATION))
    known = corpora.vocabulary(texts[parts[0]], most=WORDS)
    ids = corpora.encode(texts, known, LENGTH)
    learned, checked = (Sentences(ids[part], labels[part], texts[part]) for part in parts)
    return learned, checked


def train(
    folder: Path,
    *,
    size: float = 1.0,
    progress: Progress = training.no_progress,
    seeds: int = 1,
    variants: Sequence[str] = tuple(VARIANTS),
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
    variants : sequence of str
        Which of them, the plain one among them.

    Returns
    -------
    tuple of Result
        Of each variant the generalisation gap beside that of the plain one, and the share of labels
        that are right; of some what else it is about.
    """
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


def answer(results: Sequence[Result]) -> str:
    """Answer the case's question in a few sentences."""
    by = {(result.run.rpartition("/")[2], result.measure): result for result in results}
    plain = by["plain", GAP]
    low, high = plain.interval or (np.nan, np.nan)
    remedies = [
        f"{by[name, GAP].value:.2f} with {name}" for name in ("l2", "dropout", "l2-dropout")
    ]
    fading = {name: by[name, FADING] for name in ("plain", "bidirectional", "attention")}
    padding = {name: by[name, PADDING].value for name in ("attention", "tutorial")}
    return (
        f"The generalisation gap is {plain.value:.2f} nats (95 %: {low:.2f} to {high:.2f}), "
        f"{', '.join(remedies)}. Untrained, the gradient at the first word is "
        f"{fading['plain'].beside:.2g} of that at the last, {fading['bidirectional'].beside:.2g} "
        f"both ways and {fading['attention'].beside:.2g} with attention; trained, it is "
        f"{fading['plain'].value:.2g} without either, so what fades at first need not stay so. "
        f"A tutorial's layer gives {padding['tutorial']:.0%} of its attention to padding, "
        f"AttentionPooling {padding['attention']:.0%}."
    )


CASE = Case(
    name="lstm",
    title="Sentiment with an LSTM",
    shows="How much each word of a film review counts, and what attention, both ways, clipping, L2 "
    "and dropout do to gradients and overfitting.",
    data=f"sentences of film reviews with human ratings; {packages.SNIPPETS.licence}",
    seconds=65,
    memory_mb=1100,
    runs=tuple(f"lstm/{name}" for name in VARIANTS),
    prepare=lambda: training.prepare(packages.SNIPPETS),
    train=train,
    question="Which words count for a review's label, and what helps an LSTM that forgets or "
    "overfits?",
    answer=answer,
    seeded=True,
)
