"""The gradient of a function by a tensor, on PyTorch.

Room: mitigating/keras/slopes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def slope(function: Callable[[Any], Any], value: Any) -> Any:
    """Return the gradient, through which no other goes."""
    value = value.detach().requires_grad_()
    return torch.autograd.grad(function(value), value)[0]


def slope_in_graph(function: Callable[[Any], Any], value: Any) -> Any:
    """Return the gradient, which can be differentiated again."""
    if not value.requires_grad:
        value = value.detach().requires_grad_()
    return torch.autograd.grad(function(value), value, create_graph=True)[0]
