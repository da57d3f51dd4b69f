"""Training with ``KerasCallback`` at its defaults against training without it, per epoch.

The same compiled model is fitted in turns with and without the callback; each fit with it writes a
run of its own, the untrained state and the last one included.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import limelight as ll
from benchmarks import models, timing
from benchmarks.figure import Figure
from benchmarks.models import keras

BAR = 1.05


@dataclass(frozen=True)
class Scale:
    """How much is trained.

    Attributes
    ----------
    sizes : Sizes
        Of the Transformer.
    batches, batch : int
        Its batches in an epoch, about a sixth of the whole text, and windows in a batch.
    epochs : int
        In each fit. Each fit is recorded once more than that: the untrained model comes first.
    rounds, short_rounds : int
        Fits of each way of the Transformer, which take minutes, and of the LSTM case's model.
    probe : int
        Examples recorded each time.
    sentences : int, optional
        Train the LSTM case on so many only.
    """

    sizes: models.Sizes = field(default_factory=models.Sizes)
    batches: int = 64
    batch: int = 16
    epochs: int = 2
    rounds: int = 2
    short_rounds: int = 6
    probe: int = 8
    sentences: int | None = None


TINY = Scale(models.Sizes(1, 2, 16, 50, 16), batches=2, batch=2, epochs=1, rounds=1, short_rounds=1,
             probe=2, sentences=64)  # fmt: skip


def measure(tiny: bool = False) -> list[Figure]:
    """Measure the LSTM case's model, then a Transformer."""
    scale = TINY if tiny else Scale()
    return [_lstm(scale), _transformer(scale)]


def _transformer(scale: Scale) -> Figure:
    keras.utils.set_random_seed(0)
    text = models.text(scale.sizes)
    x, y, weights = text.blanked(scale.batches * scale.batch, seed=0)
    model = models.transformer(scale.sizes)
    probe = ll.Probe(text.blanked(scale.probe, seed=1)[0], tokens=text.known)

    def fit(*callbacks: Any) -> None:
        model.fit(x, y, sample_weight=weights, batch_size=scale.batch, epochs=scale.epochs,
                  verbose=0, callbacks=list(callbacks))  # fmt: skip

    sizes = scale.sizes
    what = (
        f"a Transformer of {model.count_params() / 1e6:.1f} M parameters ({sizes.layers} × "
        f"{sizes.heads} heads × {sizes.positions}², {scale.batches} batches of {scale.batch})"
    )
    return compare(what, fit, probe, scale, scale.rounds)


def _lstm(scale: Scale) -> Figure:
    keras.utils.set_random_seed(0)
    model, x, y, probe, batch = models.sentiment(scale.sentences)

    def fit(*callbacks: Any) -> None:
        model.fit(x, y, batch_size=batch, epochs=scale.epochs, verbose=0,
                  callbacks=list(callbacks))  # fmt: skip

    return compare(f"the LSTM case's model on {len(x):,} sentences", fit, probe, scale,
                   scale.short_rounds)  # fmt: skip


def compare(what: str, fit: Any, probe: ll.Probe, scale: Scale, rounds: int) -> Figure:
    """Fit in turns without and with the callback."""
    with tempfile.TemporaryDirectory() as folder:
        runs = (Path(folder, str(number)) for number in count())

        def watched() -> None:
            fit(ll.KerasCallback(next(runs), probe))

        first = timing.timed(watched)  # compiles both the training and the probe
        fit()
        plain, with_it = timing.in_turns(rounds, fit, watched)
    ratio = timing.ratio(with_it, plain)
    unit = timing.middle(plain)
    ours = timing.middle(with_it)
    epochs = scale.epochs
    return Figure(
        what=f"training with the callback at its defaults against without it, {what}, per epoch",
        bar=BAR,
        at_most=True,
        value=ratio.value,
        absolute=(
            f"{ours.wall / epochs:.2f} s against {unit.wall / epochs:.2f} s an epoch "
            f"(CPU {ours.cpu / epochs:.2f} s against {unit.cpu / epochs:.2f} s); fits of {epochs} "
            f"epochs, so {epochs + 1} recordings of {probe.examples} examples each; the very first "
            f"fit, which loads and compiles, took {first.wall:.1f} s"
        ),
        how=ratio.text,
    )
