"""The gradient of a function by a tensor, on TensorFlow.

Room: mitigating/keras/slopes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def slope(function: Callable[[Any], Any], value: Any) -> Any:
    """Return the gradient, through which no other goes."""
    value = tf.stop_gradient(value)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(value)
        result = function(value)
    return tf.stop_gradient(tape.gradient(result, value))


def slope_in_graph(function: Callable[[Any], Any], value: Any) -> Any:
    """Return the gradient, which can be differentiated again."""
    value = tf.convert_to_tensor(value)
    with tf.GradientTape() as tape:
        tape.watch(value)
        result = function(value)
    return tape.gradient(result, value)
