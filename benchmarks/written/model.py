"""A model written as one function, which notes the maps that it multiplies with values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

B, T, D = 2, 4, 16


class Written(nn.Module):
    """A model whose forward is a function; its layers are made when they are first asked for."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function
        #: Where maps are noted, while somebody wants to know.
        self.noted: Callable[[Any], None] | None = None

    def forward(self, *inputs: Any) -> Any:
        return self.function(self, *inputs)

    def dense(self, name: str, x: Any, width: int = D) -> Any:
        """Apply a linear layer."""
        return self.layer(name, lambda: nn.Linear(x.shape[-1], width))(x)

    def layer(self, name: str, make: Callable[[], nn.Module]) -> Any:
        if not hasattr(self, name):
            self.add_module(name, make())
        return getattr(self, name)

    def weight(self, name: str, *shape: int) -> Any:
        if not hasattr(self, name):
            self.register_parameter(name, nn.Parameter(torch.randn(shape)))
        return getattr(self, name)

    def note(self, w: Any) -> Any:
        """Note a map that is multiplied with values."""
        if self.noted is not None:
            self.noted(w.detach().clone())
        return w

    def qkv(self, x: Any, memory: Any = None, heads: int = 1) -> tuple[Any, Any, Any]:
        memory = x if memory is None else memory
        return (
            split(self.dense("q", x), heads), split(self.dense("k", memory), heads),
            split(self.dense("v", memory), heads),
        )  # fmt: skip


def split(x: Any, heads: int) -> Any:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merged(x: Any) -> Any:
    return x.transpose(1, 2).flatten(2)


def attend(s: Written, q: Any, k: Any, v: Any) -> Any:
    return s.note((q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1)) @ v
