"""Gates on the heads of a pretrained transformer: what a training step pays, what a sweep saves.

A training step is a forward and a backward pass of MiniLM and of a linear head, in turns with a
learnable gate on every head and without. A forward pass whose heads attend evenly, or to near keys
only, is held against a plain one of the same fused kernel. A sweep silences each of its heads
alone, once by reusing what comes before them, against as many plain forwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import transformers

import limelight as ll
from benchmarks import timing
from benchmarks.figure import Figure
from limelight.capture import sweep
from limelight.pretrained import models as pretrained

STEP_BAR = 1.15
FUSED_BAR = 1.15
SWEEP_BARS = {"large": 1.7, "small": 4.0}


@dataclass(frozen=True)
class Scale:
    """How much is run.

    Attributes
    ----------
    step, large, small : (int, int)
        Examples and positions of a training step, and of both sweeps.
    rounds, sweeps, small_sweeps : int
        How often each is timed.
    real : bool
        MiniLM, or else a tiny model.
    """

    step: tuple[int, int] = (16, 64)
    large: tuple[int, int] = (16, 64)
    small: tuple[int, int] = (1, 16)
    rounds: int = 12
    sweeps: int = 9
    small_sweeps: int = 8
    real: bool = True


TINY = Scale((2, 8), (2, 8), (1, 4), rounds=1, sweeps=1, small_sweeps=1, real=False)


def measure(tiny: bool = False) -> list[Figure]:
    """Measure a training step, then a sweep of a large batch and one of a small batch."""
    scale = TINY if tiny else Scale()
    torch.manual_seed(0)
    model = _model(scale)
    return [
        _step(model, scale),
        *_fused(model, scale),
        _sweep(model, scale.large, scale.sweeps, SWEEP_BARS["large"]),
        _sweep(model, scale.small, scale.small_sweeps, SWEEP_BARS["small"]),
    ]


def _model(scale: Scale) -> Any:
    if scale.real:
        return pretrained.load("minilm").eval()
    config = transformers.BertConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        vocab_size=50, max_position_embeddings=16,
    )  # fmt: skip
    return transformers.BertModel(config).eval()


def _words(model: Any, size: tuple[int, int]) -> dict[str, torch.Tensor]:
    ids = torch.randint(1, model.config.vocab_size, size)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def _sites(model: Any) -> list[str]:
    layers = range(model.config.num_hidden_layers)
    return [f"encoder/layer/{layer}/attention/self" for layer in layers]


def _step(model: Any, scale: Scale) -> Figure:
    words, sites = _words(model, scale.step), _sites(model)
    heads = model.config.num_attention_heads
    head = torch.nn.Linear(model.config.hidden_size, 2)
    gates = {site: torch.ones(heads, requires_grad=True) for site in sites}
    learnt = [*model.parameters(), *head.parameters(), *gates.values()]
    optimizer = torch.optim.SGD(learnt, lr=0.0)
    labels = torch.zeros(scale.step[0], dtype=torch.long)

    def forward() -> None:
        optimizer.zero_grad()
        logits = head(model(**words).last_hidden_state.mean(1))
        torch.nn.functional.cross_entropy(logits, labels).backward()
        optimizer.step()

    def gated() -> None:
        with ll.gate(model, gates):
            forward()

    first = timing.timed(gated)  # finds and tests the sites
    forward()
    plain, with_gates = timing.in_turns(scale.rounds, forward, gated)
    ratio = timing.ratio(with_gates, plain)
    ours, unit = timing.middle(with_gates), timing.middle(plain)
    examples, positions = scale.step
    return Figure(
        what=f"a training step with differentiable gates on all {len(sites) * heads} heads against "
        f"without, {examples} × {positions} positions",
        bar=STEP_BAR,
        at_most=True,
        value=ratio.value,
        absolute=f"{ours.wall * 1e3:.0f} ms against {unit.wall * 1e3:.0f} ms (CPU "
        f"{ours.cpu * 1e3:.0f} ms against {unit.cpu * 1e3:.0f} ms); the first step, which finds "
        f"and tests the sites, {first.wall * 1e3:.0f} ms",
        how=ratio.text,
    )


def _fused(model: Any, scale: Scale) -> list[Figure]:
    """Hold forward passes under a cut, and with even attention, against plain ones."""
    words, sites = _words(model, scale.step), _sites(model)
    examples, positions = scale.step

    def plain() -> None:
        with torch.no_grad():
            model(**words)

    def cut() -> None:
        with ll.cut(model, lambda query, key: abs(query - key) < 8):
            plain()

    def even() -> None:
        with ll.gate(model, {(site, 0): 0.0 for site in sites}, replace="uniform"):
            plain()

    for act in (plain, cut, even):  # finds the sites
        act()
    unit, *changed = timing.in_turns(scale.rounds, plain, cut, even)
    ways = (
        "whose queries reach the nearest 8 keys, by limelight.cut",
        "of which one head a layer attends evenly",
    )
    figures = []
    for way, ours in zip(ways, changed, strict=True):
        ratio, mine, theirs = timing.ratio(ours, unit), timing.middle(ours), timing.middle(unit)
        figures.append(Figure(
            what=f"a fused forward pass {way}, against plain, {examples} × {positions} positions",
            bar=FUSED_BAR,
            at_most=True,
            value=ratio.value,
            absolute=f"{mine.wall * 1e3:.0f} ms against {theirs.wall * 1e3:.0f} ms (CPU "
            f"{mine.cpu * 1e3:.0f} ms against {theirs.cpu * 1e3:.0f} ms)",
            how=ratio.text,
        ))  # fmt: skip
    return figures


def _sweep(model: Any, size: tuple[int, int], rounds: int, bar: float) -> Figure:
    words = _words(model, size)
    heads = range(model.config.num_attention_heads)
    gatings = [{(site, head): 0.0} for site in _sites(model) for head in heads]

    def naive() -> None:
        with torch.no_grad():
            for _ in gatings:
                model(**words)

    def swept() -> None:
        sweep(model, words, gatings)

    swept()
    plain, ours = timing.in_turns(rounds, naive, swept)
    ratio = timing.ratio(plain, ours)
    unit, taken = timing.middle(plain), timing.middle(ours)
    return Figure(
        what=f"{len(gatings)} exact single-head ablations by a sweep against as many plain "
        f"forwards, {size[0]} × {size[1]} positions",
        bar=bar,
        at_most=False,
        value=ratio.value,
        unit="×",
        absolute=f"{taken.wall:.2f} s against {unit.wall:.2f} s (CPU {taken.cpu:.2f} s against "
        f"{unit.cpu:.2f} s)",
        how=ratio.text,
    )
