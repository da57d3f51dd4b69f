"""Logging all parameters of a model against ``keras.callbacks.TensorBoard(histogram_freq=1)``.

Ours is all the recorder does for parameters: histograms on bins of the float's own bits and two
dozen numbers for each, into the store, flushed to disk, and histogram summaries into an event file,
as far as it writes them. Keras' callback writes histograms of 30 bins into an event file. Without
Numba, and for memory, each is measured in a process of its own.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import memory, models, timing
from benchmarks.figure import Figure


@dataclass(frozen=True)
class Scale:
    """Which models, how often."""

    sizes: dict[str, models.Sizes] = field(default_factory=lambda: {
        "5M": models.Sizes(), "50M": models.Sizes(12, 8, 512, 12_000),
    })  # fmt: skip
    rounds: int = 12
    logs: int = 3


_SMALL = models.Sizes(1, 2, 16, 50, 16)
TINY = Scale({"5M": _SMALL}, rounds=2, logs=1)

PEER = "keras.callbacks.TensorBoard(histogram_freq=1)"
FAST, PLAIN = 80, 15


def measure(tiny: bool = False) -> list[Figure]:
    """Measure time in turns, with Numba and without, and memory in a process each."""
    figures = []
    for size in (TINY if tiny else Scale()).sizes:
        if find_spec("numba") and not tiny:
            figures.append(_time(size, tiny, fast=True))
        figures += [_time(size, tiny, fast=False), _memory(size, tiny)]
    return figures


def _time(size: str, tiny: bool, *, fast: bool) -> Figure:
    os.environ["NUMBA_DISABLE_JIT"] = "0" if fast else "1"
    try:
        known = memory.apart("benchmarks.weights", f"time {size}", tiny)
    finally:
        del os.environ["NUMBA_DISABLE_JIT"]
    samples = [[timing.Sample(*pair) for pair in known[name]] for name in ("ours", "peers")]
    ratio = timing.ratio(samples[1], samples[0])
    our, peer = map(timing.middle, samples)
    with_it = "with Numba (`limelight[fast]`)" if fast else "without Numba"
    return Figure(
        what=f"logging all {known['millions']:.0f} M parameters of a model {with_it}: "
        f"times faster than {PEER}",
        bar=FAST if fast else PLAIN,
        at_most=False,
        value=ratio.value,
        unit="×",
        absolute=(
            f"{our.wall * 1e3:.0f} ms against {peer.wall * 1e3:.0f} ms a time "
            f"(CPU {our.cpu * 1e3:.0f} ms against {peer.cpu * 1e3:.0f} ms)"
        ),
        how=ratio.text,
    )


def _memory(size: str, tiny: bool) -> Figure:
    peaks = {name: memory.apart("benchmarks.weights", f"{name} {size}", tiny) for name in STARTS}
    ours, peer = peaks["limelight"], peaks["keras"]
    mega = 1e6
    return Figure(
        what=f"logging all {ours['millions']:.0f} M parameters of a model: extra memory, as a "
        f"share of {PEER}'s",
        bar=0.05,
        at_most=True,
        value=ours["all"] / max(1, peer["all"]),
        absolute=(
            f"{ours['all'] / mega:.0f} MB against {peer['all'] / mega:.0f} MB; at later times "
            f"{ours['logging'] / mega:.0f} MB and {peer['logging'] / mega:.0f} MB above that"
        ),
        how="highest resident memory above that before the first logging, with what it loads; a "
        "process each",
    )


def _apart(name: str, tiny: bool) -> dict[str, Any]:
    """Measure one thing in this process, which does nothing else."""
    scale = TINY if tiny else Scale()
    act, _, size = name.partition(" ")
    model = models.transformer(scale.sizes[size])
    with tempfile.TemporaryDirectory() as folder:
        measured = _timed if act == "time" else _remembered
        known = measured(act, model, Path(folder), scale)
    return {"millions": model.count_params() / 1e6, **known}


def _timed(_: str, model: Any, folder: Path, scale: Scale) -> dict[str, Any]:
    acts = [start(model, folder) for start in STARTS.values()]
    for act in acts:
        act()  # the first call also opens files, and compiles
    ours, peers = timing.in_turns(scale.rounds, *acts)
    return {
        name: [(sample.wall, sample.cpu) for sample in samples]
        for name, samples in (("ours", ours), ("peers", peers))
    }


def _remembered(name: str, model: Any, folder: Path, scale: Scale) -> dict[str, Any]:
    before = memory.reset()
    act = STARTS[name](model, folder)
    act()  # compiles
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
