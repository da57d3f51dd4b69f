"""A gradient that is differentiated again, on PyTorch.

Room: mitigating/torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def slope_in_graph(function: Callable[[Any], Any], value: Any) -> Any:
    """Return the gradient of a function's number, in the graph."""
    if not value.requires_grad:
        value = value.detach().requires_grad_()
    return torch.autograd.grad(function(value), value, create_graph=True)[0]
