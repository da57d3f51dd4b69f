"""A gradient that is differentiated again, on the backend that Keras runs on.

Room: mitigating/keras.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import keras


def slope_in_graph(function: Callable[[Any], Any], value: Any) -> Any:
    """Return the gradient of a function's number, in the graph."""
    backend = keras.backend.backend()
    module = importlib.import_module(f"limelight.mitigating.keras.slopes.{backend}")
    return module.slope_in_graph(function, value)
