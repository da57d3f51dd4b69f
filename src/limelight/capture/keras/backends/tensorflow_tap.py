"""Keeps values from within a training step that TensorFlow makes or compiles.

Room: capture, Keras. Comes in: tensors of a graph. Goes out: arrays. A compiled graph calls no
Python, so values go into variables of ours, which are assigned at due steps only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.capture.keras.backends.backend import Taken, Tap
from limelight.errors import UnsupportedModelError

#: Later time steps of a longer sequence are not kept.
_LONGEST: Final = 4096


class TensorFlowTap(Tap):
    """Has a variable for each gradient and each value before a step.

    Parameters
    ----------
    variables : sequence of keras.Variable
    """

    def __init__(self, variables: Sequence[Any]) -> None:
        import tensorflow as tf

        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            raise UnsupportedModelError(
                "Got a model that several devices train, each with gradients of its own.",
                "Wanted gradients of one device.",
                "Record parameters only, or train on one device.",
            )
        self._gradients, self._before = (
            [tf.Variable(tf.zeros(v.shape, v.dtype), trainable=False) for v in variables]
            for _ in range(2)
        )
        self._done = tf.Variable(-1, trainable=False, dtype="int64")
        self._held: set[int] = set()
        self._squares: dict[str, tuple[Any, Any]] = {}  # and how many of them count

    def hold(self, due: Any, done: Any, entries: Sequence[tuple[int, Any, Any]]) -> None:
        """As :class:`Tap` says."""
        import tensorflow as tf

        self._held.update(number for number, *_ in entries)

        def keep() -> Any:
            for number, variable, gradient in entries:
                self._before[number].assign(variable.value)
                self._gradients[number].assign(tf.cast(gradient, variable.dtype))
            self._done.assign(tf.cast(done, "int64"))
            return tf.constant(0)

        tf.cond(tf.cast(due, "bool"), keep, lambda: tf.constant(0))

    def taken(self) -> Taken | None:
        """As :class:`Tap` says."""
        done = int(self._done.numpy())
        if done < 0:
            return None
        self._done.assign(-1)
        gradients, before = (
            {number: np.asarray(variables[number].numpy()) for number in self._held}
            for variables in (self._gradients, self._before)
        )
        return Taken(done, gradients, before)

    def through(self, name: str, values: Any, anchor: Any) -> Any:
        """As :class:`Tap` says."""
        import tensorflow as tf

        if name not in self._squares:
            with tf.init_scope():
                self._squares[name] = (tf.Variable(tf.zeros(_LONGEST), trainable=False),
                                       tf.Variable(0, trainable=False, dtype="int64"))  # fmt: skip
        held, length = self._squares[name]

        @tf.custom_gradient  # type: ignore[untyped-decorator]  # of no type here
        def identity(values: Any, anchor: Any) -> Any:
            def backward(gradient: Any) -> Any:
                axes = [0, *range(2, gradient.shape.rank)]
                squares = tf.reduce_sum(tf.square(tf.cast(gradient, "float32")), axes)[:_LONGEST]
                times = tf.shape(squares)[0]
                held.assign(tf.ensure_shape(tf.pad(squares, [[0, _LONGEST - times]]), [_LONGEST]))
                length.assign(tf.cast(times, "int64"))
                return gradient, tf.zeros_like(anchor)

            return tf.identity(values), backward

        return identity(values, tf.convert_to_tensor(anchor))

    def squares(self) -> dict[str, NDArray[Any]]:
        """As :class:`Tap` says."""
        squares = {}
        for name, (held, length) in self._squares.items():
            if times := int(length.numpy()):
                squares[name] = held.numpy()[:times]
                length.assign(0)
        return squares
