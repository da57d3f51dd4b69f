"""Rules of alerts: faults planted in three strengths, and trainings that go well.

Each fault is planted into a small training in torch; its own rule must tell of it at no more than a
record's distance. Five kinds of models are trained well from four seeds each; whatever a rule tells
there is a false alarm. How near healthy numbers come to each threshold is told beside.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import torch

from benchmarks.figure import Figure
from benchmarks.planted.faults import FAULTS, STEP, Fault
from benchmarks.planted.healthy import HEALTHY, run, seeded, share_right
from limelight.errors import LimelightWarning

EVERY = 10


def measure(tiny: bool = False) -> list[Figure]:
    """Plant every fault, and train every healthy model; fewer where tiny."""
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimelightWarning)
        faults = FAULTS[:1] if tiny else FAULTS
        fired = {fault.rule: [strength for strength in fault.strengths if seen(fault, strength)]
                 for fault in faults}  # fmt: skip
        kinds = list(HEALTHY)[:1] if tiny else list(HEALTHY)
        alarms = {(kind, seed): healthy(kind, seed, 60 if tiny else 300)
                  for kind in kinds for seed in range(1 if tiny else 4)}  # fmt: skip
    return [_fired(faults, fired), _healthy(alarms)]


def seen(fault: Fault, strength: float) -> bool:
    """Plant a fault, and say whether its rule tells of it when it begins."""
    training = seeded(lambda: fault.make(strength), 0)
    with tempfile.TemporaryDirectory() as folder:
        alerts = run(training, Path(folder), 150, EVERY).alerts()
    since = [alert.since for alert in alerts if alert.rule == fault.rule]
    begins = (0, 2 * EVERY) if fault.start else (STEP, STEP + EVERY)
    return any(begins[0] <= step <= begins[1] for step in since)


def healthy(kind: str, seed: int, steps: int = 300) -> tuple[float, list[str]]:
    """Train well, and return how much it gets right, and which rules told of anything."""
    training = seeded(HEALTHY[kind], seed)
    with tempfile.TemporaryDirectory() as folder:
        alerts = run(training, Path(folder), steps, max(steps // 20, 1), seed).alerts()
    return share_right(training), [alert.rule for alert in alerts]


def _fired(faults: tuple[Fault, ...], fired: dict[str, list[float]]) -> Figure:
    lines = []
    for fault in faults:
        shown = ", ".join(
            f"**{strength:g}**" if strength in fired[fault.rule] else f"{strength:g}"
            for strength in fault.strengths
        )
        lines.append(f"{fault.rule}: {shown}")
    return Figure(
        what="rules that tell of their fault, planted in three strengths, at the strongest of them",
        bar=1.0,
        at_most=False,
        value=sum(fault.strengths[-1] in fired[fault.rule] for fault in faults) / len(faults),
        absolute="; ".join(lines) + " (bold: told)",
        how=f"one seed each, recorded every {EVERY} steps, at step {STEP} or from the start",
    )


def _healthy(alarms: dict[tuple[str, int], tuple[float, list[str]]]) -> Figure:
    by_kind = {kind: [] for kind, _ in alarms}
    for (kind, _), (right, _) in alarms.items():
        by_kind[kind].append(right)
    learnt = ", ".join(f"{kind} {min(rights):.0%}" for kind, rights in by_kind.items())
    return Figure(
        what=f"false alarms in {len(alarms)} healthy trainings",
        bar=0,
        at_most=True,
        value=sum(len(rules) for _, rules in alarms.values()),
        absolute=f"least share right over seeds: {learnt}",
        how="each recorded 21 times with gradients, updates, activations and spectra",
    )
