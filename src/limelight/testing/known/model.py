"""An attention-only model of torch, built of heads by what they shall do.

Room: testing. Comes in: heads, layer by layer. Goes out: a ``torch.nn.Module`` with weights set by
hand. Its vectors hold one-hot slots: token, position, token before, and what it says comes next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from limelight.testing.known.heads import Head


class AttentionOnly(nn.Module):  # type: ignore[misc]  # torch is Any here
    """A model whose heads do what they are built to do.

    Parameters
    ----------
    layers : sequence of sequence of Head
    vocabulary, length : int
        How many tokens there are, and how many positions at most.
    causal : bool
        Queries attend to no later key.
    fused : bool
        Attend with torch's fused kernel, or with a softmax written out.

    Notes
    -----
    Called with token numbers [example, position], it returns logits of the next token [example,
    position, token]: 10 × the weight that heads which write ``"next"`` rest on each token.

    Examples
    --------
    >>> from limelight.testing import known
    >>> model = known.AttentionOnly([[known.offset(-1).writing("next")]], vocabulary=5, length=4)
    >>> model(torch.tensor([[3, 1, 4, 2]]))[0].argmax(-1)[1:].tolist()
    [3, 1, 4]
    """

    def __init__(
        self,
        layers: Sequence[Sequence[Head]],
        vocabulary: int,
        length: int,
        causal: bool = True,
        fused: bool = True,
    ) -> None:
        super().__init__()
        self.vocabulary, self.length = vocabulary, length
        slots = Slots(vocabulary, length)
        self.embedding = embedding(vocabulary, slots.width)
        self.register_buffer("positions", positions(slots.parts["position"], slots.width))
        self.layers = nn.ModuleList(_Layer(heads, slots, causal, fused) for heads in layers)

    def forward(self, input_ids: Any) -> Any:
        """Return logits of the next token.

        Parameters
        ----------
        input_ids : tensor [example, position]

        Returns
        -------
        tensor [example, position, token]
        """
        vectors = self.embedding(input_ids.long()) + self.positions[: input_ids.shape[1]]
        for layer in self.layers:
            vectors = vectors + layer(vectors)
        return vectors[..., -self.vocabulary :] * 10


class Slots:
    """Where in a vector what is held.

    Parameters
    ----------
    vocabulary, length : int
    """

    def __init__(self, vocabulary: int, length: int) -> None:
        ends = np.cumsum([0, vocabulary, length, vocabulary, vocabulary])
        names = ("token", "position", "before", "next")
        self.parts = {
            name: slice(int(begin), int(end))
            for name, begin, end in zip(names, ends[:-1], ends[1:], strict=True)
        }
        self.width = int(ends[-1])

    def size(self, name: str) -> int:
        """Return how many numbers a slot has."""
        part = self.parts[name]
        return part.stop - part.start


def embedding(vocabulary: int, width: int) -> Any:
    """Return a layer that writes a one in the slot of each token.

    Parameters
    ----------
    vocabulary, width : int

    Returns
    -------
    torch.nn.Embedding
    """
    layer = nn.Embedding(vocabulary, width)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(vocabulary, width))
    return layer


def positions(part: slice, width: int) -> Any:
    """Return vectors that hold a one in the slot of each position.

    Parameters
    ----------
    part : slice
    width : int

    Returns
    -------
    tensor [position, width]
    """
    made = torch.zeros(part.stop - part.start, width)
    made[:, part] = torch.eye(len(made))
    return made


class _Layer(nn.Module):  # type: ignore[misc]  # torch is Any here
    """Several heads over the same vectors."""

    def __init__(self, heads: Sequence[Head], slots: Slots, causal: bool, fused: bool) -> None:
        super().__init__()
        self.heads, self.causal, self.fused = len(heads), causal, fused
        self.size = max(slots.size(name) for name in slots.parts)
        width = len(heads) * self.size
        self.query = nn.Linear(slots.width, width, bias=False)
        self.key = nn.Linear(slots.width, width, bias=False)
        self.value = nn.Linear(slots.width, width, bias=False)
        self.out = nn.Linear(width, slots.width, bias=False)
        for layer in (self.query, self.key, self.value, self.out):
            nn.init.zeros_(layer.weight)
        with torch.no_grad():
            for number, head in enumerate(heads):
                self._set(number, head, slots)

    def _set(self, number: int, head: Head, slots: Slots) -> None:
        """Write a head's tables into the weights."""
        begin = number * self.size
        rows, keys = slots.size(head.query), slots.size(head.key)
        table = head.table(rows, keys) * head.sharpness * math.sqrt(self.size)
        read = slice(begin, begin + keys)
        self.query.weight[read, slots.parts[head.query]] = torch.from_numpy(table.T).float()
        self.key.weight[read, slots.parts[head.key]] = torch.eye(keys)
        if head.writes:
            tokens = slots.size("token")
            held = slice(begin, begin + tokens)
            self.value.weight[held, slots.parts["token"]] = torch.eye(tokens)
            self.out.weight[slots.parts[head.writes], held] = torch.eye(tokens)

    def forward(self, vectors: Any) -> Any:
        """Return what the heads write."""
        query, key, value = (
            part(vectors).unflatten(-1, (self.heads, self.size)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        if self.fused:
            read = nn.functional.scaled_dot_product_attention(
                query, key, value, is_causal=self.causal
            )
        else:
            scores = query @ key.mT / math.sqrt(self.size)
            if self.causal:
                later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
                scores = scores.masked_fill(later.to(scores.device), -torch.inf)
            read = scores.softmax(-1) @ value
        return self.out(read.transpose(1, 2).flatten(2))
