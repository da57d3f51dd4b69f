"""Five kinds of small models that train well, on real data, recorded with all there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

import limelight as ll
from limelight.data import corpora

#: Of digits, pooled to 14 rows of 14 pixels.
SIDE = 14
#: Characters the causal model reads at once.
LENGTH = 32
BATCH = 64


@cache
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Return images [example, row, column] and labels."""
    images, labels = corpora.digits()
    pooled = images.reshape(-1, SIDE, 2, SIDE, 2).mean((2, 4))
    return torch.tensor(pooled), torch.tensor(labels)


@cache
def characters() -> tuple[torch.Tensor, int]:
    """Return a text as numbers, and how many characters there are."""
    text = "\n".join(" ".join(words) for words in corpora.bible_sentences()[:2000])
    known = sorted(set(text))
    return torch.tensor([known.index(character) for character in text]), len(known)


class Rows(nn.Module):
    """An LSTM that reads an image row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(SIDE, 48, batch_first=True)
        self.answer = nn.Linear(48, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.answer(self.lstm(x)[0][:, -1])


class Block(nn.Module):
    """A block of a Transformer, normalised first."""

    def __init__(self, size: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.before, self.after = nn.LayerNorm(size), nn.LayerNorm(size)
        self.query, self.key = nn.Linear(size, size), nn.Linear(size, size)
        self.value, self.out = nn.Linear(size, size), nn.Linear(size, size)
        self.up, self.down, self.act = (
            nn.Linear(size, 4 * size),
            nn.Linear(4 * size, size),
            nn.ReLU(),
        )
        self.sink = 0.0  #: added to every score of the first key

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normal = self.before(x)
        parts = [layer(normal).unflatten(-1, (self.heads, -1)).transpose(1, 2)
                 for layer in (self.query, self.key, self.value)]  # fmt: skip
        mask = torch.full((x.shape[1],) * 2, -torch.inf if self.causal else 0.0).triu(1)
        mask = mask + self.sink * (torch.arange(x.shape[1]) == 0)
        mixed = nn.functional.scaled_dot_product_attention(*parts, attn_mask=mask)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.down(self.act(self.up(self.after(x))))


class Classifier(nn.Module):
    """A small Transformer that reads an image row by row."""

    def __init__(self, size: int = 32, heads: int = 4) -> None:
        super().__init__()
        self.embed = nn.Linear(SIDE, size)
        self.position = nn.Parameter(torch.randn(SIDE, size) * 0.1)
        self.blocks = nn.ModuleList(Block(size, heads, False) for _ in range(2))
        self.answer = nn.Linear(size, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x) + self.position
        for block in self.blocks:
            x = block(x)
        return self.answer(x.mean(1))


class Causal(nn.Module):
    """A small Transformer that says the next character."""

    def __init__(self, known: int, size: int = 48, heads: int = 4) -> None:
        super().__init__()
        self.embed = nn.Embedding(known, size)
        self.position = nn.Parameter(torch.randn(LENGTH, size) * 0.1)
        self.blocks = nn.ModuleList(Block(size, heads, True) for _ in range(2))
        self.answer = nn.Linear(size, known)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x) + self.position
        for block in self.blocks:
            x = block(x)
        return self.answer(x)


def dense(activation: type[nn.Module] = nn.ReLU, depth: int = 2, width: int = 64) -> nn.Module:
    """Return a classifier of dense layers."""
    layers: list[nn.Module] = [nn.Flatten()]
    before = SIDE * SIDE
    for _ in range(depth):
        layers += [nn.Linear(before, width), activation()]
        before = width
    return nn.Sequential(*layers, nn.Linear(before, 10))


def convolving() -> nn.Module:
    """Return a classifier of convolutions."""
    return nn.Sequential(
        nn.Unflatten(1, (1, SIDE)), nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 25, 10),
    )  # fmt: skip


@dataclass
class Training:
    """A training that can be interfered with.

    Attributes
    ----------
    model : Module
    optimizer : Optimizer
    causal : bool
        Whether it says the next character, or the digit.
    before : callable
        Called before each step with its number.
    backward : callable
        Called with the loss.
    options : dict
        Of the recorder.
    probe : int
        Examples of the probe.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    causal: bool = False
    before: Callable[[int], object] = lambda _step: None
    backward: Callable[[torch.Tensor], object] = lambda loss: loss.backward()
    options: dict[str, Any] = field(default_factory=dict)
    probe: int = 32

    def batch(self, generator: torch.Generator, size: int = BATCH) -> tuple[torch.Tensor, ...]:
        """Return inputs and answers."""
        if self.causal:
            text, _ = characters()
            starts = torch.randint(len(text) - LENGTH - 1, (size,), generator=generator)
            rows = text[starts[:, None] + torch.arange(LENGTH + 1)]
            return rows[:, :-1], rows[:, 1:]
        images, labels = digits()
        rows = torch.randint(1000, len(images), (size,), generator=generator)
        return images[rows], labels[rows]

    def loss(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the cross-entropy."""
        return nn.functional.cross_entropy(self.model(x).flatten(0, -2), y.flatten())


def run(
    training: Training, folder: Path, steps: int = 400, every: int = 20, seed: int = 0
) -> ll.Run:
    """Train, record all there is, and open the recording."""
    generator = torch.Generator().manual_seed(seed)
    probe, _ = training.batch(torch.Generator().manual_seed(99), training.probe)
    model, optimizer = training.model, training.optimizer
    options = {"gradients": True, "updates": True, "activations": True, "spectra": 1}
    with ll.Recorder(folder, model, probe.numpy(), every=every,
                     **options | training.options) as recorder:  # fmt: skip
        recorder.record(0)
        for step in range(1, steps + 1):
            training.before(step)
            optimizer.zero_grad()
            training.backward(training.loss(*training.batch(generator)))
            optimizer.step()
            recorder.record(step)
    return ll.open_run(folder)


def adam(model: nn.Module, rate: float = 1e-3) -> torch.optim.Optimizer:
    """Return the usual optimizer."""
    return torch.optim.Adam(model.parameters(), lr=rate)


def _of(
    make: Callable[[], nn.Module], rate: float, causal: bool = False, probe: int = 32
) -> Training:
    model = make()
    return Training(model, adam(model, rate), causal, probe=probe)


#: By kind: a training that goes well.
HEALTHY: dict[str, Callable[[], Training]] = {
    "MLP": lambda: _of(dense, 1e-3, probe=256),
    "CNN": lambda: _of(convolving, 2e-3),
    "LSTM": lambda: _of(Rows, 2e-3),
    "Transformer classifier": lambda: _of(Classifier, 1e-3),
    "causal Transformer": lambda: _of(lambda: Causal(characters()[1]), 1e-3, True, 8),
}


def seeded(make: Callable[[], Training], seed: int) -> Training:
    """Make a training whose initial state is that seed's."""
    torch.manual_seed(seed)
    return make()


def share_right(training: Training) -> float:
    """Return how much it gets right of what it was not trained on; of text, of the training's."""
    x, y = training.batch(torch.Generator().manual_seed(5), 512)
    if not training.causal:
        images, labels = digits()
        x, y = images[:1000], labels[:1000]
    with torch.no_grad():
        return float((training.model(x).argmax(-1) == y).float().mean())
