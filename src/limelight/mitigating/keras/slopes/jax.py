"""The gradient of a function by a tensor, on JAX.

Room: mitigating/keras/slopes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax


def slope(function: Callable[[Any], Any], value: Any) -> Any:
    """Return the gradient, through which no other goes."""
    return jax.lax.stop_gradient(jax.grad(function)(jax.lax.stop_gradient(value)))


def slope_in_graph(function: Callable[[Any], Any], value: Any) -> Any:
    """Return the gradient, which can be differentiated again."""
    return jax.grad(function)(value)
