"""The torch model whose training is watched."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import limelight as ll


class Model(nn.Module):
    """Names the word at each position.

    Parameters
    ----------
    sizes : benchmarks.models.Sizes
    """

    def __init__(self, sizes: Any) -> None:
        super().__init__()
        self.words = nn.Embedding(sizes.words, sizes.width)
        self.positions = nn.Parameter(0.02 * torch.randn(sizes.positions, sizes.width))
        layer = nn.TransformerEncoderLayer(sizes.width, sizes.heads, 4 * sizes.width, 0.0,
                                           "gelu", batch_first=True, norm_first=True)  # fmt: skip
        self.layers = nn.TransformerEncoder(layer, sizes.layers, enable_nested_tensor=False)
        self.naming = nn.Linear(sizes.width, sizes.words)

    def forward(self, ids: Any) -> Any:
        return self.naming(self.layers(self.words(ids) + self.positions))


class Training:
    """Trains on words drawn at random: what is measured does not depend on them.

    Parameters
    ----------
    sizes : benchmarks.models.Sizes
    batch, probe : int
    """

    def __init__(self, sizes: Any, batch: int, probe: int) -> None:
        torch.manual_seed(0)
        self.model = Model(sizes)
        self.optimizer = torch.optim.Adam(self.model.parameters(), 1e-3)
        rng = np.random.default_rng(0)
        self._ids = torch.tensor(rng.integers(sizes.words, size=(16, batch, sizes.positions)))
        self._probe = ll.Probe(rng.integers(sizes.words, size=(probe, sizes.positions)))
        self._done = 0

    @property
    def millions(self) -> float:
        return sum(p.numel() for p in self.model.parameters()) / 1e6

    def step(self) -> None:
        ids = self._ids[self._done % len(self._ids)]
        self._done += 1
        self.optimizer.zero_grad()
        nn.functional.cross_entropy(self.model(ids).flatten(0, 1), ids.flatten()).backward()
        self.optimizer.step()

    def marked(self, counts: Sequence[int], record: Callable[[int], object] = bool) -> list[float]:
        """Train so many steps, and again; return the CPU seconds each took with its record."""
        times, done = [time.process_time()], 0
        for number in counts:
            for _ in range(number):
                self.step()
                done += 1
                record(done)
            times.append(time.process_time())
        return [after - before for before, after in pairwise(times)]

    def watched(self, folder: Path, counts: Sequence[int]) -> list[float]:
        """Train as :meth:`marked` does with a recorder, which records the first state too."""
        before = time.process_time()
        with ll.Recorder(folder, self.model, self._probe, every=counts[0], gradients=True,
                         activations=True) as recorder:  # fmt: skip
            recorder.record(0)
            begun = time.process_time() - before
            first, *others = self.marked(counts, recorder.record)
        return [begun + first, *others]

    def recorded(self, folder: Path, rounds: int) -> dict[str, float]:
        """Return CPU seconds of a step alone, and of one that is recorded by us and by a peer."""
        import wandb

        known = {"plain": _median(self.step, rounds)}
        with ll.Recorder(folder, self.model, gradients=True) as recorder:
            numbers = iter(range(10**6))
            recorder.record(next(numbers))

            def ours() -> None:
                self.step()
                recorder.record(next(numbers))

            known["ours"] = _median(ours, rounds)
        run = wandb.init(project="limelight", dir=str(folder), mode="offline")
        wandb.watch(self.model, log="all", log_freq=1)

        def theirs() -> None:
            self.step()
            wandb.log({"step": self._done})

        known["wandb"] = _median(theirs, rounds)
        run.finish()
        return known


def _median(act: Callable[[], None], rounds: int) -> float:
    act()
    act()
    samples = []
    for _ in range(rounds):
        before = time.process_time()
        act()
        samples.append(time.process_time() - before)
    return float(np.median(samples))
