"""What a loss remembers on JAX: an array of the host, replaced where a gradient is taken.

Room: mitigating/keras/memory. Keras carries only what belongs to the model through a compiled step,
and a loss does not; so the step asks the host, some tens of microseconds.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.experimental import io_callback
from numpy.typing import NDArray


class Remembered:
    """Numbers of the host.

    Parameters
    ----------
    initial : array
    """

    def __init__(self, initial: NDArray[Any]) -> None:
        self._array = np.asarray(initial, np.float32)

    @property
    def value(self) -> NDArray[np.float32]:
        """The numbers now."""
        jax.effects_barrier()
        return self._array

    def read(self, like: Any) -> Any:
        """Return the numbers as a tensor."""
        shape = jax.ShapeDtypeStruct(self._array.shape, np.float32)
        return io_callback(lambda: self._array, shape).astype(like.dtype)

    def commit(self, loss: Any, numbers: Any) -> Any:
        """Return the loss, whose gradient remembers the numbers."""

        def put(new: Any) -> None:
            self._array = np.asarray(new, np.float32)

        @jax.custom_vjp  # type: ignore[untyped-decorator]  # JAX's types are not read here
        def passed(value: Any, new: Any) -> Any:  # noqa: ARG001
            return value

        def forward(value: Any, new: Any) -> Any:
            io_callback(put, None, new)
            return value, new

        def backward(new: Any, upstream: Any) -> Any:
            return upstream, jax.numpy.zeros_like(new)

        passed.defvjp(forward, backward)
        return passed(loss, jax.lax.stop_gradient(numbers))
