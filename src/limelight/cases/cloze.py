"""A missing word: one layer of attention, and a small Transformer, fill it in.

Room: cases. Comes in: sentences of a real text. Goes out: two recorded runs and what was measured
of them. May import Keras, and of limelight its public names, training and data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import limelight as ll
from limelight import training
from limelight.catalogue import Case, Progress, Result
from limelight.data import corpora, packages

Ids = npt.NDArray[np.int32]

BLANK = "[blank]"
LENGTH = 20
WORDS = 2000
WIDTH = 64
LAYERS = 4
HEADS = 4

#: Sentences kept for validation; a multiple of the batch they are read in.
VALIDATION = 1536
_READ = 128
_MEASURED = 128
_WATCHED = 6
_MARKS = ".,;:!?"
_BLANK_ID = 2


@dataclass(frozen=True)
class Cloze:
    """Sentences with words left out.

    Attributes
    ----------
    ids : ndarray [example, position] of int32
        Word ids; 0 is padding, 2 the blank.
    blanks : ndarray [example, blank] of int32
        Positions of the blanks.
    missing : ndarray [example, blank] of int32
        Ids of the words left out.
    """

    ids: Ids
    blanks: Ids
    missing: Ids

    @property
    def inputs(self) -> dict[str, Ids]:
        """What the models are called with."""
        return {"ids": self.ids, "blanks": self.blanks}

    def head(self, count: int) -> Cloze:
        """Return the first ``count`` examples."""
        return Cloze(self.ids[:count], self.blanks[:count], self.missing[:count])


def leave_out(
    sentences: Sequence[Sequence[str]], known: Sequence[str], *, blanks: int, times: int, seed: int
) -> Cloze:
    """Leave words out at random; never a punctuation mark or an unknown word.

    Parameters
    ----------
    sentences : sequence of sequence of str
    known : sequence of str
        The vocabulary.
    blanks : int
        Words left out of each sentence; shorter sentences are skipped.
    times : int
        How often each sentence is used, with other blanks.
    seed : int

    Returns
    -------
    Cloze
    """
    random = np.random.default_rng(seed)
    rows = np.tile(corpora.encode(sentences, known, LENGTH), (times, 1))
    marks = [known.index(mark) for mark in _MARKS if mark in known]
    fit = (rows > _BLANK_ID) & ~np.isin(rows, marks)
    enough = fit.sum(axis=1) >= blanks
    rows, fit = rows[enough], fit[enough]
    # Random numbers where a word may go and 2 elsewhere: the smallest are a fair draw.
    order = np.argsort(np.where(fit, random.random(rows.shape), 2.0), axis=1)
    positions = np.sort(order[:, :blanks], axis=1).astype(np.int32)
    missing = np.take_along_axis(rows, positions, axis=1)
    np.put_along_axis(rows, positions, np.int32(_BLANK_ID), axis=1)
    return Cloze(rows, positions, missing)


def build(kind: str) -> Any:
    """Build one of the two models, ready to train.

    Parameters
    ----------
    kind : str
        ``one-layer``: words, one layer of dot-product attention, vocabulary; it knows no order.
        ``transformer``: four layers of four heads, and learned positions.

    Returns
    -------
    keras.Model
        From ``ids`` [example, position] and ``blanks`` [example, blank] to the logits of the
        missing words [example, blank, word].
    """
    keras = training.load_keras()
    layers = keras.layers

    class AtBlanks(layers.Layer):  # type: ignore[misc,name-defined]  # Keras has no types
        """Picks what the model knows at the blanks."""

        supports_masking = True

        def compute_mask(self, *_: Any) -> None:
            """A blank is never padding."""

        def call(self, states: Any, blanks: Any) -> Any:
            return keras.ops.take_along_axis(states, blanks[..., None], axis=1)

    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
    blanks = keras.Input((None,), dtype="int32", name="blanks")
    states = layers.Embedding(WORDS, WIDTH, mask_zero=True, name="words")(ids)
    if kind == "one-layer":
        states = layers.Attention(use_scale=True, name="attention")([states, states])
    else:
        states = _transformer(keras, states)
    logits = layers.Dense(WORDS, name="vocabulary")(AtBlanks(name="at_blanks")(states, blanks))
    model = keras.Model({"ids": ids, "blanks": blanks}, logits, name=kind.replace("-", "_"))
    model.compile(
        keras.optimizers.Adam(1e-2 if kind == "one-layer" else 2e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,  # compiling takes longer than these few steps
    )
    return model


def _transformer(keras: Any, states: Any) -> Any:
    layers = keras.layers

    class Positions(layers.Layer):  # type: ignore[misc,name-defined]  # Keras has no types
        """Adds a learned vector to each position."""

        supports_masking = True

        def build(self, shape: Any) -> None:
            start = keras.initializers.RandomNormal(stddev=0.05)
            self.table = self.add_weight(shape=shape[1:], initializer=start, name="table")

        def call(self, states: Any) -> Any:
            return states + self.table

    states = Positions(name="positions")(states)
    for number in range(LAYERS):
        name = f"layer_{number}"
        normal = layers.LayerNormalization(name=f"{name}_attention_norm")(states)
        attention = layers.MultiHeadAttention(HEADS, WIDTH // HEADS, name=f"{name}_attention")
        # Add, not +: only layers hand on which words are padding, and attention must not go there.
        states = layers.Add(name=f"{name}_attended")([states, attention(normal, normal)])
        normal = layers.LayerNormalization(name=f"{name}_dense_norm")(states)
        wide = layers.Dense(2 * WIDTH, activation="relu", name=f"{name}_wide")(normal)
        narrow = layers.Dense(WIDTH, name=f"{name}_narrow")(wide)
        states = layers.Add(name=f"{name}_out")([states, narrow])
    return layers.LayerNormalization(name="norm")(states)


def train(
    folder: Path, *, size: float = 1.0, progress: Progress = training.no_progress
) -> tuple[Result, ...]:
    """Train both models, each into its own run.

    Parameters
    ----------
    folder : Path
        Where the runs ``one-layer`` and ``transformer`` go.
    size : float
        Share of the training steps to do.
    progress : callable
        Told how many steps are done.

    Returns
    -------
    tuple of Result
    """
    sentences = corpora.bible_sentences(6, LENGTH)
    np.random.default_rng(training.SEED).shuffle(sentences)
    held, rest = sentences[: 2 * VALIDATION], sentences[2 * VALIDATION :]
    known = corpora.vocabulary(rest, BLANK, most=WORDS)
    learned = leave_out(rest, known, blanks=3, times=3, seed=1)
    # One word is missing where it counts; several while learning only teach more per sentence.
    checked = leave_out(held, known, blanks=1, times=1, seed=2).head(VALIDATION)
    watched = checked.head(_WATCHED)
    probe = ll.Probe(
        watched.inputs,
        tokens=[[known[word] for word in row] for row in watched.ids],
        labels=[known[row[0]] for row in watched.missing],
    )
    results: list[Result] = []
    for kind, steps, batch in (("one-layer", 400, 32), ("transformer", 250, 64)):
        training.begin(size)
        model, run = build(kind), f"cloze/{kind}"
        lessons = learned.head(steps * batch)
        training.fit(
            model, lessons.inputs, lessons.missing, epochs=1, batch=batch, size=size, run=run,
            folder=folder / kind, probe=probe, progress=progress,
        )  # fmt: skip
        results += measure(model, run, learned, checked)
    return tuple(results)


def measure(model: Any, run: str, learned: Cloze, checked: Cloze) -> list[Result]:
    """Measure how often the word is right, and how much attention goes to a sentence's ends.

    Parameters
    ----------
    model : keras.Model
    run : str
    learned, checked : Cloze
        Training and validation sentences.

    Returns
    -------
    list of Result
        Accuracy beside that of always saying the commonest word; the share of attention that goes
        to the first and the last token, over all heads and words, beside the share they would get
        if every token got the same.
    """
    logits = model.predict(checked.inputs, batch_size=_READ, verbose=0)
    right = float((logits.argmax(-1) == checked.missing).mean())
    common = np.bincount(learned.missing.ravel()).argmax()
    baseline = float((checked.missing == common).mean())
    measured = checked.head(_MEASURED)
    shares, uniforms = [], []
    for site in ll.capture(model, measured.inputs).leaves:
        share, uniform = ends(site.dataset["weights"].values, measured.ids != 0)
        shares.append(share)
        uniforms.append(uniform)
    n = len(checked.ids)
    return [
        Result(run, "right word", right, baseline, "always the commonest word", n, "sentences"),
        Result(run, "attention on first and last token", float(np.mean(shares)),
               float(np.mean(uniforms)), "the same for every token", len(measured.ids),
               "sentences"),
    ]  # fmt: skip


def ends(weights: npt.NDArray[Any], real: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return the share of attention on a sentence's first and last token, and uniform attention's.

    Parameters
    ----------
    weights : ndarray [example, head, query, key]
    real : ndarray [example, position] of bool
        False = padding.

    Returns
    -------
    share : float
        Mean over heads and real queries of each sentence, then over sentences.
    uniform : float
        The same for attention spread evenly over the real tokens.

    Examples
    --------
    >>> even = np.full((1, 1, 4, 4), 0.25)
    >>> ends(even, np.ones((1, 4), bool))
    (0.5, 0.5)
    """
    shares, uniforms = [], []
    for maps, row in zip(weights, real, strict=True):
        count = int(row.sum())
        ends_only = sorted({0, count - 1})
        shares.append(maps[:, :count][..., ends_only].sum(-1).mean())
        uniforms.append(len(ends_only) / count)
    return float(np.mean(shares)), float(np.mean(uniforms))


def answer(results: Sequence[Result]) -> str:
    """Answer the case's question in a sentence."""
    parts = [
        f"{right.run.rpartition('/')[2]} finds {right.value:.0%} of the words and gives "
        f"{share.value:.0%} of its attention to the first and the last token"
        for right, share in zip(results[::2], results[1::2], strict=True)
    ]
    right, share = results[:2]
    return (
        f"{'; '.join(parts)} ({right.beside_name} is right in {right.beside:.0%}; the same for "
        f"every token would be {share.beside:.0%})."
    )


CASE = Case(
    name="cloze",
    title="A missing word",
    shows="Which words a model looks at to fill in a missing one: one layer of attention beside "
    "a small Transformer.",
    data=f"sentences of the World English Bible; {packages.VERSES.licence}",
    seconds=105,
    memory_mb=1400,
    runs=("cloze/one-layer", "cloze/transformer"),
    prepare=lambda: training.prepare(packages.VERSES),
    train=train,
    question="Which words does a model look at to fill in a missing one, and do more layers help?",
    answer=answer,
)
