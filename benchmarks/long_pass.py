"""Every measure with a closed form, what each key receives, and an overview of one head: one pass.

Against what a model pays for the head anyway: PyTorch's ``scaled_dot_product_attention`` of the
same vectors. And against the plain way: all weights at once, then NumPy over them. All in turns, in
one process, on all cores; memory is taken in a process for each.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from benchmarks import memory, timing
from benchmarks.figure import Figure
from limelight import schema
from limelight.analyses import blockwise
from limelight.catalogue import Analysis, analyses
from limelight.factors import Factors, factored
from limelight.rule import Rule

FEATURES = 64
SIDE = 256
ROUNDS = 7
LONG, MIDDLE = 16384, 4096
FORWARD_BAR, EAGER_BAR, MEMORY_BAR = 1.5, 5.0, 1 / 20
NEAR = {"diagonal": 0, "previous": -1, "next": 1}
#: Too little for our own times, enough to load and compile all there is.
SMALL = 1024


def measure(tiny: bool = False) -> list[Figure]:
    """Measure one head, and time that."""
    import torch

    torch.set_num_threads(_cores())
    long, middle = (SMALL, SMALL // 2) if tiny else (LONG, MIDDLE)
    rounds = 1 if tiny else ROUNDS
    return [
        _forward(long, rounds, causal=False),
        _forward(long, rounds, causal=True),
        _speed(middle, rounds),
        _memory(middle, tiny),
    ]


def head(positions: int, causal: bool) -> Factors:
    """Return unit normal vectors."""
    random = np.random.default_rng(0)
    query, key = (random.normal(size=(1, 1, positions, FEATURES)) for _ in range(2))
    rule = Rule.causal if causal else Rule.everything
    return factored(query, key, rule(positions, positions), FEATURES**-0.5)


def _closed_forms() -> dict[str, Analysis]:
    """Return the measures that follow from a pass; all others need the weights of a row."""
    return {name: card for name, card in analyses().items() if card.closed_form}


def one_pass(factors: Factors) -> Mapping[str, Any]:
    """Give everything without the map."""
    names = [*_closed_forms(), *NEAR, "normaliser"]
    measures, maps = blockwise.everything(replace(factors), names, SIDE)
    return {**measures, **maps}


def eager(factors: Factors) -> Mapping[str, Any]:
    """Give the same of all weights at once; every key is allowed."""
    import torch

    query, key = (torch.from_numpy(vectors) for vectors in (factors.query, factors.key))
    scores = query @ key.mT * factors.scale
    weights = torch.softmax(scores, -1).numpy()
    results: dict[str, Any] = {"normaliser": torch.logsumexp(scores, -1).numpy()}
    named = xr.DataArray(weights, dims=schema.SITE_DIMS)
    results |= {name: card.function(named) for name, card in _closed_forms().items()}
    for name, offset in NEAR.items():
        values = np.diagonal(weights, offset, 2, 3)
        results[name] = np.pad(values, ((0, 0), (0, 0), (max(-offset, 0), max(offset, 0))))
    results["received"] = weights.sum(2)
    size = weights.shape[2]
    starts = np.arange(SIDE) * size // SIDE
    for name, by in (("largest", np.maximum), ("mean", np.add)):
        # Rows first: columns, which are neighbours in memory, take ten times longer.
        results[name] = by.reduceat(by.reduceat(weights, starts, axis=2), starts, axis=3)
    results["mean"] /= (size / SIDE) ** 2
    return results


def _forward(positions: int, rounds: int, causal: bool) -> Figure:
    import torch

    factors = head(positions, causal)
    query, key = (torch.from_numpy(vectors) for vectors in (factors.query, factors.key))
    value = torch.from_numpy(np.random.default_rng(1).normal(size=query.shape).astype(np.float32))

    def forward() -> object:
        with torch.no_grad():
            return torch.nn.functional.scaled_dot_product_attention(
                query, key, value, is_causal=causal
            )

    ours, theirs = _in_turns(rounds, lambda: one_pass(factors), forward)
    kind = "causal" if causal else "not causal"
    return _timed(
        f"every measure, received attention and an overview of {SIDE} × {SIDE} of one head at "
        f"T = {positions:,}, d = {FEATURES}, {kind}, against PyTorch's fused forward",
        FORWARD_BAR, ours, theirs, ours, theirs, True, "",
    )  # fmt: skip


def _speed(positions: int, rounds: int) -> Figure:
    factors = head(positions, causal=False)
    measured, expected = one_pass(factors), eager(factors)
    apart = max(
        _apart_by(np.asarray(measured[name]), np.asarray(expected[name])) for name in measured
    )
    ours, theirs = _in_turns(rounds, lambda: one_pass(factors), lambda: eager(factors))
    note = f"; values at most {apart:.2g} of their largest apart"
    return _timed(
        f"the same at T = {positions:,}, against all weights at once and NumPy over them: times "
        "as fast",
        EAGER_BAR, theirs, ours, ours, theirs, False, note,
    )  # fmt: skip


def _apart_by(values: Any, expected: Any) -> float:
    """Return the largest difference of a measure, as a share of its largest value."""
    return float(np.abs(values - expected).max() / np.abs(expected).max())


def _in_turns(rounds: int, *acts: Callable[[], object]) -> list[list[timing.Sample]]:
    for act in acts:
        act()  # the first call also loads and compiles
    return timing.in_turns(rounds, *acts)


def _timed(
    what: str, bar: float, longer: Any, shorter: Any, ours: Any, theirs: Any, at_most: bool,
    more: str,
) -> Figure:  # fmt: skip
    ratio = timing.ratio(longer, shorter)
    our, other = timing.middle(ours), timing.middle(theirs)
    return Figure(
        what=what,
        bar=bar,
        at_most=at_most,
        value=ratio.value,
        unit="×",
        absolute=(
            f"{our.wall:.3f} s against {other.wall:.3f} s (CPU {our.cpu:.3f} s against "
            f"{other.cpu:.3f} s){more}"
        ),
        how=ratio.text,
    )


def _memory(positions: int, tiny: bool) -> Figure:
    ours, theirs = (memory.apart("benchmarks.long_pass", name, tiny) for name in ACTS)
    return Figure(
        what=f"the same at T = {positions:,}: highest extra memory, as a share of the plain way's",
        bar=MEMORY_BAR,
        at_most=True,
        value=ours / max(theirs, 1),  # the smallest map may fit into memory held already
        absolute=f"{ours / 1e6:.1f} MB against {theirs / 1e6:.1f} MB",
        how="highest resident memory above that before, after a small call, a process each",
    )


def _apart(name: str, tiny: bool) -> int:
    """Measure memory in this process, which does nothing else."""
    act = ACTS[name]
    act(head(SMALL, causal=False))  # loads and compiles
    factors = head(SMALL // 2 if tiny else MIDDLE, causal=False)
    held: list[object] = []
    return memory.peak_above(lambda: held.append(act(factors)))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


ACTS: dict[str, Callable[[Factors], object]] = {"ours": one_pass, "plain": eager}

if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(_apart(sys.argv[1], tiny=len(sys.argv) > 2)))
    else:
        for figure in measure():
            print(
                f"{figure.value:.3f}{figure.unit} {figure.what} | {figure.absolute} | {figure.how}"
            )
