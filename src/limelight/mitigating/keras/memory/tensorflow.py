"""What a loss remembers on TensorFlow: a variable, assigned where a gradient is taken.

Room: mitigating/keras/memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


class Remembered:
    """Numbers in a variable.

    Parameters
    ----------
    initial : array
    """

    def __init__(self, initial: NDArray[Any]) -> None:
        self._variable = tf.Variable(np.asarray(initial, np.float32), trainable=False)

    @property
    def value(self) -> NDArray[np.float32]:
        """The numbers now."""
        return np.asarray(self._variable.numpy())

    def read(self, like: Any) -> Any:
        """Return the numbers as a tensor."""
        return tf.cast(self._variable, like.dtype)

    def commit(self, loss: Any, numbers: Any) -> Any:
        """Return the loss, whose gradient remembers the numbers."""

        @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow has no types
        def passed(value: Any, new: Any) -> Any:
            def gradient(upstream: Any) -> Any:
                self._variable.assign(tf.cast(new, tf.float32))
                return upstream, tf.zeros_like(new)

            return tf.identity(value), gradient

        return passed(loss, tf.stop_gradient(numbers))
