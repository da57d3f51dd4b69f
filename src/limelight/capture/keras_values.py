"""Reads Keras variables and TensorFlow tensors into NumPy, without a copy where that is possible.

Room: capture, Keras.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def read(variable: Any) -> NDArray[Any]:
    """Return a variable's present value.

    The array shares TensorFlow's memory: a later assignment leaves it as it is, because
    TensorFlow then writes elsewhere. Do not write to it.

    Parameters
    ----------
    variable : keras.Variable, tf.Variable or tensor

    Returns
    -------
    array
        In the variable's own dtype.
    """
    import tensorflow as tf

    tensor = tf.convert_to_tensor(getattr(variable, "value", variable))
    try:
        return np.asarray(memoryview(tensor))
    except (TypeError, ValueError, BufferError, RuntimeError):
        # Memory on another device, or a dtype Python's buffers do not know, such as bfloat16.
        return np.asarray(tensor.numpy())


def single(tensor: Any) -> NDArray[np.float32]:
    """Return a tensor as float32: exact for half precision, rounded for double.

    Parameters
    ----------
    tensor : tensor

    Returns
    -------
    array
        A copy.
    """
    return np.array(tensor.numpy(), dtype=np.float32)
