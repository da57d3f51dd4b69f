"""What recording parameters, gradients and activations costs training, and takes on disk.

A Transformer is trained with and without: CPU time of the process and all its threads, so that
whatever else the machine does counts for neither. Peers are measured where they are installed.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import limelight as ll
from benchmarks import memory, models
from benchmarks.figure import Figure

BAR = 0.03


@dataclass(frozen=True)
class Scale:
    """How much is trained.

    Attributes
    ----------
    sizes : Sizes
    every : int
        Steps between two records.
    rounds : int
        Records after the first.
    batch, probe : int
    """

    sizes: models.Sizes = field(default_factory=models.Sizes)
    every: int = 100
    batch: int = 8
    probe: int = 8
    rounds: int = 2


TINY = Scale(models.Sizes(1, 2, 16, 50, 16), every=4, batch=2, probe=2, rounds=1)


def measure(tiny: bool = False) -> list[Figure]:
    """Measure each framework in a process of its own, then bytes and exactness."""
    figures = [_share(name, memory.apart("benchmarks.watched", name, tiny))
               for name in ("torch", "keras")]  # fmt: skip
    if find_spec("wandb"):
        figures.append(_peer(memory.apart("benchmarks.watched", "wandb", tiny)))
    scale = TINY if tiny else Scale()
    return [*figures, *_bytes(scale), _exactness(scale)]


def _share(name: str, known: dict[str, Any]) -> Figure:
    return Figure(
        what=f"CPU time inside limelight by that of the {known['every']} training steps between "
        f"two records: parameters, gradients, activations and attention, a Transformer of "
        f"{known['millions']:.0f} M parameters, {name}",
        bar=BAR,
        at_most=True,
        value=known["extra"] / known["training"],
        absolute=(
            f"{known['extra']:.2f} s against {known['training']:.1f} s; "
            f"batches of {known['batch']}; once, at the first record and with what is compiled "
            f"anew, {known['once']:.1f} s"
        ),
        how="CPU time from record to record, the second and later, medians; the same steps without",
    )


def _peer(known: dict[str, Any]) -> Figure:
    ours, peer = (max(known[name] - known["plain"], 1e-9) for name in ("ours", "wandb"))
    return Figure(
        what=f"gradients and parameters of a step of {known['millions']:.0f} M parameters: times "
        'faster than wandb.watch(log="all"), offline',
        bar=10,
        at_most=False,
        value=peer / ours,
        unit="×",
        absolute=f"{ours * 1e3:.0f} ms against {peer * 1e3:.0f} ms of CPU time a record",
        how="median CPU time of steps that are recorded, less that of steps without",
    )


def _bytes(scale: Scale) -> list[Figure]:
    """Train a little, and count what a step's tables take on disk."""
    with tempfile.TemporaryDirectory() as folder:
        train = _keras(scale, steps=12)
        train(ll.KerasCallback(folder, None, every=4, gradients=True))
        run = ll.open_run(folder)
        sizes = {"parameter": 0, "gradient": 0}
        for path in Path(folder, "plugins", "limelight").rglob("*.zip"):
            for member, size in _members(path):
                kind = "gradient" if member.startswith("gradient_") else "parameter"
                if member.startswith(("gradient_", "counts_", "statistics_")):
                    sizes[kind] += size
        tensors = len(run.parameters(step=-1)["parameter"])
        steps = {"parameter": len(run.steps), "gradient": len(run.steps) - 1}
    bars = {"parameter": 900, "gradient": 1200}
    return [
        Figure(
            what=f"bytes on disk of a {kind} and step, histogram and statistics, mean over the "
            f"{tensors} tensors of the model",
            bar=bars[kind],
            at_most=True,
            value=size / steps[kind] / tensors,
            absolute=f"{size / steps[kind] / 1e3:.1f} kB a step",
            how="members of the recording's bundles counted; deterministic up to the training",
        )
        for kind, size in sizes.items()
    ]


def _members(path: Path) -> list[tuple[str, int]]:
    import zipfile

    with zipfile.ZipFile(path) as packed:
        return [(info.filename, info.file_size) for info in packed.infolist()]


def _exactness(scale: Scale) -> Figure:
    """Compare histograms with NumPy's exact ones, and quantiles with exact ones."""
    from limelight.distribution import distribution, edges

    shares = (0.001, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999)
    wrong, worst, values = 0, 0.0, 0
    for weight in models.transformer(scale.sizes).get_weights():
        flat = np.sort(weight.ravel())
        known = distribution(flat)
        side = np.where(flat < 0, np.nextafter(flat.astype(np.float64), -np.inf), flat)
        wrong += int(np.abs(np.histogram(side, edges())[0] - known.counts).sum())
        exact = np.quantile(flat, shares, method="inverted_cdf").astype(np.float64)
        left = np.searchsorted(edges(), np.where(exact < 0, np.nextafter(exact, -np.inf), exact),
                               "right") - 1  # fmt: skip
        width = edges()[left + 1] - edges()[left]
        worst = max(worst, float((np.abs(known.quantiles(shares) - exact) / width).max()))
        values += flat.size
    return Figure(
        what="values counted in another bin than np.histogram on the same bins counts them in",
        bar=0,
        at_most=True,
        value=wrong,
        absolute=f"{values:,} values; seven quantiles of each tensor off by {worst:.2f} bins at "
        "most",
        how="exact",
    )


def _keras(scale: Scale, steps: int) -> Callable[..., object]:
    models.keras.utils.set_random_seed(0)
    words, model = models.text(scale.sizes), models.transformer(scale.sizes)
    x, y, weights = words.blanked(scale.batch * steps, seed=0)

    def fit(*callbacks: Any) -> object:
        return model.fit(x, y, sample_weight=weights, batch_size=scale.batch, epochs=1, verbose=0,
                         shuffle=False, callbacks=list(callbacks))  # fmt: skip

    # The function brings what is recorded of its training; a function has no such attributes.
    fit.model = model  # type: ignore[attr-defined]
    fit.probe = ll.Probe(words.blanked(scale.probe, seed=1)[0])  # type: ignore[attr-defined]
    return fit


def _compared(plain: list[float], watched: list[float], scale: Scale) -> dict[str, Any]:
    """Compare CPU seconds up to the first record's end, and from each record to the next."""
    training = float(np.median(plain[1:]))
    return {
        "extra": max(float(np.median(watched[1:])) - training, 0.0),
        "once": max(watched[0] - plain[0], 0.0),
        "training": training, "every": scale.every, "batch": scale.batch,
    }  # fmt: skip


class _Marks(models.keras.callbacks.Callback):  # type: ignore[misc]  # of no type
    """Notes CPU time at every so many-th batch, after what the callbacks before it did."""

    def __init__(self, every: int) -> None:
        super().__init__()
        self._every = every
        self.times = [time.process_time()]

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002  # Keras gives it
        if (batch + 1) % self._every == 0:
            self.times.append(time.process_time())


def _fitted(fit: Any, scale: Scale, *callbacks: Any) -> list[float]:
    """Return CPU seconds up to the first record and between later ones, of one training."""
    marks = _Marks(scale.every)
    fit(*callbacks, marks)
    return [after - before for before, after in pairwise(marks.times)]


def _apart(name: str, scale: Scale) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        if name == "keras":
            fit = _keras(scale, scale.every * (1 + scale.rounds))
            fit()  # compiles
            known = _compared(
                _fitted(fit, scale),
                _fitted(fit, scale, ll.KerasCallback(folder, fit.probe, every=scale.every,
                                                     gradients=True, activations=True)),
                scale,
            )  # fmt: skip
            return known | {"millions": fit.model.count_params() / 1e6}
        from benchmarks import torch_transformer as torch_model

        training = torch_model.Training(scale.sizes, scale.batch, scale.probe)
        known = {"millions": training.millions}
        if name == "wandb":
            os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_DIR": folder}
            return known | training.recorded(Path(folder, "run"), max(3, scale.rounds))
        counts = [scale.every] * (1 + scale.rounds)
        training.step()
        return known | _compared(
            training.marked(counts), training.watched(Path(folder), counts), scale
        )


if __name__ == "__main__":
    import json
    import sys

    print(json.dumps(_apart(sys.argv[1], TINY if len(sys.argv) > 2 else Scale())))
