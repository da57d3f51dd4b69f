"""Keeps a forward pass from leaving traces in a Keras model.

Room: capture, Keras. Comes in: a model. Goes out: the same model, whatever its layers did to their
state, to their losses, or to the sources of randomness.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.keras_values import read


@contextmanager
def untouched(model: Any) -> Iterator[None]:
    """Put state back as it was, also after an error.

    Weights, recurrent states, running averages, seeds and metrics are compared after the pass and
    assigned only where they changed. Losses that layers collect, and the generators of Python,
    NumPy and TensorFlow are put back too.

    Parameters
    ----------
    model : keras.Layer

    Yields
    ------
    None
    """
    variables = _variables(model)
    before = [read(variable) for variable in variables]
    layers = list(model._flatten_layers())
    losses = [list(layer._losses) for layer in layers]
    python, numpy = random.getstate(), np.random.get_state()
    eager = _eager_generator()
    drawn = eager.getstate()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        eager.setstate(drawn)
        for layer, own in zip(layers, losses, strict=True):
            layer._losses[:] = own
        for variable, value in zip(variables, before, strict=True):
            if _differs(read(variable), value):
                variable.assign(value)


def _variables(model: Any) -> list[Any]:
    every = [*model.variables, *getattr(model, "metrics_variables", []), *_shared_generators()]
    for layer in model._flatten_layers():
        every += _untracked(layer)
    return list({id(variable): variable for variable in every}.values())


def _untracked(layer: Any) -> list[Any]:
    """Return variables Keras does not count as a layer's: recurrent states, plain TensorFlow's."""
    import keras
    import tensorflow as tf

    values = [v for v in vars(layer).values() if isinstance(v, (keras.Variable, tf.Variable, list))]
    return [v for v in keras.tree.flatten(values) if isinstance(v, (keras.Variable, tf.Variable))]


def _differs(now: NDArray[Any], before: NDArray[Any]) -> bool:
    """Compare two readings, by where they lie if that is enough."""
    return now.ctypes.data != before.ctypes.data and now.tobytes() != before.tobytes()


def _shared_generators() -> list[Any]:
    """State of the generators that belong to no model: Keras' and TensorFlow's global ones."""
    from keras.src.backend.common import global_state
    from tensorflow.python.ops import stateful_random_ops

    states = []
    keras_generator = global_state.get_global_attribute("global_seed_generator")
    if keras_generator is not None:
        states.append(keras_generator.state)
    if stateful_random_ops.global_generator is not None:
        states.append(stateful_random_ops.global_generator.state)
    return states


def _eager_generator() -> random.Random:
    """Return what seeds TensorFlow's eager random ops after ``tf.random.set_seed``."""
    from tensorflow.python.eager import context

    found = getattr(context.context(), "_rng", None)
    return found if isinstance(found, random.Random) else random.Random()  # noqa: S311  # never drawn from
