"""Logging all parameters of a model against ``keras.callbacks.TensorBoard(histogram_freq=1)``.

Ours is all the recorder does for parameters: histograms of 64 bins and seven numbers for each, into
the store, flushed to disk, and as histogram summaries into an event file. Keras' callback writes
histograms of 30 bins into an event file. Memory is taken in a process for each.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import memory, models, timing
from benchmarks.figure import Figure


@dataclass(frozen=True)
class Scale:
    """Which model, how often."""

    sizes: models.Sizes = field(default_factory=models.Sizes)
    rounds: int = 12
    logs: int = 3


TINY = Scale(models.Sizes(1, 2, 16, 50, 16), rounds=2, logs=1)


def measure(tiny: bool = False) -> list[Figure]:
    """Measure time in turns, then memory in a process each."""
    scale = TINY if tiny else Scale()
    model = models.transformer(scale.sizes)
    kind = f"all {model.count_params() / 1e6:.1f} M parameters of a model"
    return [_time(model, kind, scale), _memory(kind, tiny)]


def _time(model: Any, kind: str, scale: Scale) -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        acts = [start(model, Path(folder)) for start in STARTS.values()]
        for act in acts:
            act()  # the first call also opens files
        ours, peers = timing.in_turns(scale.rounds, *acts)
    ratio = timing.ratio(peers, ours)
    our, peer = timing.middle(ours), timing.middle(peers)
    return Figure(
        what=f"logging {kind}: times faster than keras.callbacks.TensorBoard(histogram_freq=1)",
        bar=10,
        at_most=False,
        value=ratio.value,
        unit="×",
        absolute=(
            f"{our.wall * 1e3:.0f} ms against {peer.wall * 1e3:.0f} ms a time "
            f"(CPU {our.cpu * 1e3:.0f} ms against {peer.cpu * 1e3:.0f} ms)"
        ),
        how=ratio.text,
    )


def _memory(kind: str, tiny: bool) -> Figure:
    peaks = {name: memory.apart("benchmarks.weights", name, tiny) for name in STARTS}
    ours, peer = peaks["limelight"], peaks["keras"]
    mega = 1e6
    return Figure(
        what=f"logging {kind}: extra memory, as a share of keras.callbacks.TensorBoard's",
        bar=0.2,
        at_most=True,
        value=ours["logging"] / max(1, peer["logging"]),
        absolute=(
            f"{ours['logging'] / mega:.0f} MB against {peer['logging'] / mega:.0f} MB; with what "
            f"is loaded before the first logging, {ours['all'] / mega:.0f} MB against "
            f"{peer['all'] / mega:.0f} MB"
        ),
        how="highest resident memory while logging above that before, a process each",
    )


def _apart(name: str, tiny: bool) -> dict[str, int]:
    """Measure memory in this process, which does nothing else."""
    scale = TINY if tiny else Scale()
    model = models.transformer(scale.sizes)
    with tempfile.TemporaryDirectory() as folder:
        before = memory.reset()
        act = STARTS[name](model, Path(folder))
        ready = memory.reset()

        def log() -> None:
            for _ in range(scale.logs):
                act()

        logging = memory.peak_above(log)
        return {"logging": logging, "all": logging + ready - before}


def _limelight(model: Any, folder: Path) -> Callable[[], object]:
    import limelight as ll

    recorder = ll.Recorder(folder / "limelight", model)
    steps = iter(range(10**9))
    return lambda: recorder.record(next(steps))


def _keras(model: Any, folder: Path) -> Callable[[], object]:
    callback = models.keras.callbacks.TensorBoard(
        str(folder / "keras"), histogram_freq=1, write_graph=False
    )
    callback.set_model(model)
    callback.on_train_begin({})
    epochs = iter(range(10**9))
    return lambda: callback.on_epoch_end(next(epochs), {})


#: Ours first: the unit of the comparison.
STARTS = {"limelight": _limelight, "keras": _keras}

if __name__ == "__main__":
    print(json.dumps(_apart(sys.argv[1], tiny=len(sys.argv) > 2)))
