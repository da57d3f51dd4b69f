"""Bytes on disk for a recorded training run, against raw float16.

A Transformer is trained for real. The same captured states are recorded twice, exact to float16
and compact; every byte of the recording counts: maps, overviews, measures, parameters' histograms,
index. Also checks how far what is read back is from what was captured.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

import limelight as ll
from benchmarks import models
from benchmarks.figure import Figure
from benchmarks.models import keras
from limelight.store.format.precision import precision

FORMS = ("float16", "compact")
BARS = {"float16": 0.6, "compact": 0.2}


@dataclass(frozen=True)
class Scale:
    """How large a run is recorded."""

    sizes: models.Sizes = field(default_factory=models.Sizes)
    steps: int = 50
    every: int = 10
    batch: int = 8


TINY = Scale(models.Sizes(layers=1, heads=2, width=16, words=50, positions=40), 2, 1, 2)


@dataclass
class Recorded:
    """What one training run left."""

    bytes: dict[str, int]
    maps: dict[str, int]
    error: dict[str, float]
    off: float  # most that the exact form is away from the nearest float16
    raw: int
    seconds: float
    loss: float


def measure(tiny: bool = False) -> list[Figure]:
    """Record a bidirectional run, the hard case, and a causal one."""
    scale = TINY if tiny else Scale()
    figures = []
    for causal in (False, True):
        run = record(replace(scale, sizes=replace(scale.sizes, causal=causal)), causal)
        figures += [_figure(scale, run, form, causal) for form in FORMS]
    return figures


def _figure(scale: Scale, run: Recorded, form: str, causal: bool) -> Figure:
    sizes = scale.sizes
    heads = sizes.layers * sizes.heads
    kind = "causal, next word" if causal else "bidirectional, missing words"
    name = "exact to float16" if form == "float16" else "compact, one byte a weight"
    exact = f"; {run.off:.2g} from the nearest float16" if form == "float16" else ""
    return Figure(
        what=(
            f"bytes on disk, {scale.steps} recorded steps × {heads} heads × {sizes.positions}² of a"
            f" real training run ({kind}), {name}, against raw float16"
        ),
        bar=BARS[form],
        at_most=True,
        value=run.bytes[form] / run.raw,
        absolute=(
            f"{run.bytes[form] / 1e6:.1f} MB against {run.raw / 1e6:.1f} MB; "
            f"the maps alone {run.maps[form] / 1e6:.1f} MB; largest error {run.error[form]:.2g} "
            f"(stated {precision(form).max_error:.2g})"
            f"{exact}; recorded while training for {(scale.steps - 1) * scale.every} steps, to a "
            f"loss of {run.loss:.2f}"
        ),
        how="every file of the recording counted; deterministic up to the training itself",
    )


def record(scale: Scale, causal: bool) -> Recorded:
    """Train, record in both forms, and read back."""
    keras.utils.set_random_seed(0)
    text = models.text(scale.sizes)
    model = models.transformer(scale.sizes)
    batches = text.followed if causal else text.blanked
    probe = ll.Probe(batches(1, seed=10**6)[0], tokens=text.known)
    started, losses = time.perf_counter(), []
    with tempfile.TemporaryDirectory() as folder:
        recorders = {
            form: ll.Recorder(Path(folder, form), model, probe, precision=form) for form in FORMS
        }
        error, off = dict.fromkeys(FORMS, 0.0), 0.0
        for number in range(scale.steps):
            for step in range(scale.every if number else 0):
                x, y, weights = batches(scale.batch, seed=number * scale.every + step)
                share = weights.size / weights.sum()  # Keras divides by all positions
                loss = model.train_on_batch(x, y, sample_weight=weights * share)
                losses.append(float(np.ravel(loss)[0]))
                model.reset_metrics()
            for recorder in recorders.values():
                recorder.record(number * scale.every)
            if number % max(1, scale.steps // 5) == 0 or number == scale.steps - 1:
                off = max(off, _widen(error, Path(folder), model, probe))
        return Recorded(
            bytes={form: _bytes(Path(folder, form, "plugins")) for form in FORMS},
            maps={form: _bytes(Path(folder, form, "plugins"), "weights_*/*") for form in FORMS},
            error=error,
            off=off,
            raw=2 * scale.steps * scale.sizes.layers * scale.sizes.heads * scale.sizes.positions**2,
            seconds=time.perf_counter() - started,
            loss=float(np.mean(losses[-20:])),
        )


def _widen(error: dict[str, float], folder: Path, model: object, probe: ll.Probe) -> float:
    """Compare the newest recorded maps with the model's own, and those rounded to halves."""
    captured = ll.capture(model, probe)
    off = 0.0
    for form in FORMS:
        run = ll.open_run(folder / form)
        for name in run.sites:
            expected = captured[name]["weights"].values
            stored = run.weights(name, step=-1).values
            error[form] = max(error[form], float(np.abs(stored - expected).max()))
            if form == "float16":
                off = max(off, float(np.abs(stored - expected.astype(np.float16)).max()))
    return off


def _bytes(folder: Path, pattern: str = "*") -> int:
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())
