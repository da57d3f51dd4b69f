"""The gradient of a function by a tensor, one file a backend."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import keras


def slope(function: Callable[[Any], Any], value: Any) -> Any:
    """Return the gradient of a function's number by a tensor.

    Parameters
    ----------
    function : callable
    value : tensor

    Returns
    -------
    tensor
    """
    module = importlib.import_module(f"{__name__}.{keras.backend.backend()}")
    return module.slope(function, value)
