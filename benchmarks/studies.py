"""Studies of a pretrained transformer: what exact ablation saves over running all of it again.

CPU time of the process, in turns; the limit that sharing what comes before a head could reach at
all is worked out from the model's own multiplications and printed beside. Processes of one thread
are held against what the same two processes reach with plain forwards.
"""

from __future__ import annotations

import os
import platform
import time
from concurrent.futures import wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from scipy.stats import spearmanr

import limelight as ll
from benchmarks import timing
from benchmarks.figure import Figure
from limelight.pretrained import models as pretrained
from limelight.studying.executing import pool
from limelight.studying.passes import live

OF_LIMIT_BAR, SMALL_BAR, WORKERS_BAR, SCREEN_BAR, IMPORTANCE_BAR = 0.92, 4.0, 0.9, 25.0, 2.6
_PARTITION = 32


@dataclass(frozen=True)
class Scale:
    """How much is run.

    Attributes
    ----------
    sentences, positions : int
    small : (int, int)
        Examples and positions of the small batch.
    rounds : int
    real : bool
        MiniLM, or else a tiny model.
    """

    sentences: int = 512
    positions: int = 20
    small: tuple[int, int] = (1, 16)
    rounds: int = 3
    real: bool = True


TINY = Scale(64, 6, (1, 4), rounds=1, real=False)


class Classifier(torch.nn.Module):
    """A transformer, and a linear layer over the mean of its positions."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = torch.nn.Linear(encoder.config.hidden_size, 2)

    def forward(self, input_ids: Any, attention_mask: Any) -> Any:
        """Return logits [example, class]."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
        return self.head(states.last_hidden_state.mean(1))


def model(real: bool) -> Any:
    """Return the model; in other processes, too."""
    torch.manual_seed(0)
    config = transformers.BertConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        vocab_size=50, max_position_embeddings=16,
    )  # fmt: skip
    encoder = pretrained.load("minilm") if real else transformers.BertModel(config)
    return Classifier(encoder).eval()


def data(real: bool, sentences: int, positions: int) -> dict[str, Any]:
    """Return made-up sentences of one length, and targets."""
    random = np.random.default_rng(0)
    ids = random.integers(1, 30_000 if real else 50, size=(sentences, positions))
    return {"input_ids": ids, "attention_mask": np.ones_like(ids),
            "labels": random.integers(0, 2, sentences)}  # fmt: skip


def measure(tiny: bool = False) -> list[Figure]:
    """Measure exact ablation, a small batch, two processes, screening and importance."""
    scale = TINY if tiny else Scale()
    made = model(scale.real)
    return [
        _exhaustive(made, scale),
        _exhaustive(made, scale, small=True),
        _workers(scale),
        *_screening(made, scale),
        _importance(made, scale),
    ]


def _exhaustive(made: Any, scale: Scale, *, small: bool = False) -> Figure:
    sentences, positions = scale.small if small else (scale.sentences, scale.positions)
    given = data(scale.real, sentences, positions)
    heads = _heads(made)

    def naive() -> None:
        for part in _parts(given):
            with torch.no_grad():
                for _ in range(heads + 1):
                    made(**part)

    def ours() -> None:
        ll.ablation(made, given, metric="loss", partition=_PARTITION, progress=False)

    def swept() -> None:
        from limelight.capture.adapter import adapter_for
        from limelight.studies.ablation import Ablating
        from limelight.studying.data import Data

        sites = adapter_for(made).heads(made, next(Data(given).partitions()).probe)
        groups = tuple(((site, head),) for site, count in sites.items() for head in range(count))
        for part in Data(given).partitions():
            Ablating("loss", groups, None)(made, part)

    act = swept if small else ours  # of a study of one example all else would take longest
    act()
    plain, shared = timing.in_turns(scale.rounds * (8 if small else 1), naive, act)
    value = timing.middle(plain).cpu / timing.middle(shared).cpu
    limit = _limit(made, positions)
    taken = (
        f"CPU {timing.middle(shared).cpu:.2f} s against {timing.middle(plain).cpu:.2f} s, "
        f"{value:.2f}×; the limit of sharing what comes before a head is {limit:.2f}×"
    )
    what = f"{heads} exact single-head ablations against as many plain forwards"
    if small:
        return Figure(f"{what}, {sentences} × {positions} positions", SMALL_BAR, False, value, "×",
                      taken, "CPU time, in turns")  # fmt: skip
    return Figure(f"{what}, {sentences} sentences of {positions} positions, as a share of the "
                  "limit of sharing", OF_LIMIT_BAR, False, value / limit, "", taken,
                  f"CPU time, in turns; {_processor()}")  # fmt: skip


def _limit(made: Any, positions: int) -> float:
    """Return how many times less sharing all that comes before each head would multiply."""
    config = made.encoder.config
    size, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    attention = 3 * size * size + 2 * positions * size  # up to what heads give, a position
    after = size * size + 2 * size * inner
    whole = layers * (attention + after)
    heads = config.num_attention_heads
    left = sum(after + (layers - 1 - layer) * (attention + after) for layer in range(layers))
    return (layers * heads + 1) * whole / (whole + heads * left)


def _workers(scale: Scale) -> Figure:
    recipe = ll.Recipe("benchmarks.studies:model", scale.real)
    rows = ll.Recipe("benchmarks.studies:data", scale.real, scale.sentences, scale.positions)
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = f"{Path(__file__).parents[1]}{os.pathsep}{before}"
    rates: dict[int, dict[str, float]] = {}
    try:
        for workers in (1, 2):
            with pool(workers) as executor:
                names = [(recipe, rows, number, workers) for number in range(workers)]
                wait([executor.submit(_forwards, name) for name in names])  # warm
                began = time.perf_counter()
                wait([executor.submit(_forwards, name) for name in names])
                plain = time.perf_counter() - began
                ll.ablation(recipe, rows, executor=executor, workers=workers, quick=True)
                began = time.perf_counter()
                ll.ablation(recipe, rows, executor=executor, workers=workers, progress=False)
                rates[workers] = {"plain": plain, "study": time.perf_counter() - began}
    finally:
        os.environ["PYTHONPATH"] = before
    gain = {what: rates[1][what] / rates[2][what] for what in ("plain", "study")}
    return Figure(
        "2 warm worker processes of one thread against one, as a share of what they reach with "
        "plain forwards", WORKERS_BAR, False, gain["study"] / gain["plain"], "",
        f"{gain['study']:.2f}× against {gain['plain']:.2f}×", "wall time",
    )  # fmt: skip


def _forwards(task: tuple[Any, Any, int, int]) -> int:
    recipe, rows, number, workers = task
    made = live(recipe)
    for part in [*_parts(rows.make())][number::workers]:
        with torch.no_grad():
            for _ in range(20):
                made(**part)
    return number


def _screening(made: Any, scale: Scale) -> list[Figure]:
    given = data(scale.real, scale.sentences // 4, scale.positions)
    heads = _heads(made)

    def naive() -> None:
        for part in _parts(given):
            with torch.no_grad():
                for _ in range(heads + 1):
                    made(**part)

    def screened() -> None:
        ll.importance(made, given, progress=False)

    screened()
    plain, ours = timing.in_turns(scale.rounds, naive, screened)
    value = timing.middle(plain).cpu / timing.middle(ours).cpu
    exact = ll.ablation(made, given, each=True)["each"].values.reshape(-1, len(given["labels"]))
    slopes = -ll.importance(made, given, each=True)["each"].values.reshape(exact.shape)
    random = np.random.default_rng(0)
    drawn = [_rank(exact, slopes, random.integers(0, exact.shape[1], exact.shape[1]))
             for _ in range(200)]  # fmt: skip
    low, high = np.quantile(drawn, [0.025, 0.975])
    rank = _rank(exact, slopes, np.arange(exact.shape[1]))
    return [
        Figure(f"first-order screening of {heads} heads against naive ablation", SCREEN_BAR, False,
               value, "×", f"CPU {timing.middle(ours).cpu:.2f} s against "
               f"{timing.middle(plain).cpu:.2f} s", "CPU time, in turns"),
        Figure("Spearman of first_order with the exact effect", None, False, rank, "",
               f"[{low:.2f}, {high:.2f}], {exact.shape[1]} examples", "95 % bootstrap"),
    ]  # fmt: skip


def _rank(exact: Any, slopes: Any, rows: Any) -> float:
    return float(spearmanr(exact[:, rows].mean(1), slopes[:, rows].mean(1)).statistic)


def _importance(made: Any, scale: Scale) -> Figure:
    from limelight.capture.adapter import adapter_for
    from limelight.studying.data import Data

    given = data(scale.real, _PARTITION, scale.positions)
    (part,) = _parts(given)
    (task,) = Data(given).partitions()
    adapter = adapter_for(made)
    heads = adapter.heads(made, task.probe)

    def forward() -> None:
        with torch.no_grad():
            made(**part)

    def gradients() -> None:
        adapter.gate_gradients(made, task.probe, heads, "loss", task.targets)

    gradients()
    plain, ours = timing.in_turns(scale.rounds * 4, forward, gradients)
    value = timing.middle(ours).cpu / timing.middle(plain).cpu
    _, together = adapter.gate_gradients(made, task.probe, heads, "loss", task.targets)
    furthest = 0.0
    for row in range(0, _PARTITION, 8):
        alone = adapter.gate_gradients(made, task.probe.some([row]), heads, "loss",
                                       task.targets[row : row + 1])[1]  # fmt: skip
        furthest = max(furthest, *(float(np.abs(together[site][row] - alone[site][0]).max())
                                   for site in heads))  # fmt: skip
    return Figure(
        "gradient importance of all heads and examples, in plain forwards of the batch",
        IMPORTANCE_BAR, True, value, "×",
        f"CPU {timing.middle(ours).cpu * 1e3:.0f} ms against {timing.middle(plain).cpu * 1e3:.0f} "
        f"ms; from single-example backward passes at most {furthest:.1e} away",
        "CPU time, in turns",
    )  # fmt: skip


def _parts(given: dict[str, Any]) -> list[dict[str, Any]]:
    named = {name: torch.as_tensor(values) for name, values in given.items() if name != "labels"}
    return [{name: tensor[first : first + _PARTITION] for name, tensor in named.items()}
            for first in range(0, len(given["labels"]), _PARTITION)]  # fmt: skip


def _heads(made: Any) -> int:
    config = made.encoder.config
    return int(config.num_hidden_layers * config.num_attention_heads)


def _processor() -> str:
    """Return the processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
