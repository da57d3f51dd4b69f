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

from limelight.capture.keras.backends.backend import backend


@contextmanager
def untouched(model: Any) -> Iterator[None]:
    """Put state back as it was, also after an error.

    Weights, recurrent states, running averages, seeds and metrics are compared after the pass and
    assigned only where they changed. Losses that layers collect, and the generators of Python,
    NumPy and the framework are put back too.

    Parameters
    ----------
    model : keras.Layer

    Yields
    ------
    None
    """
    knows = backend()
    layers = list(model._flatten_layers())
    losses = [list(layer._losses) for layer in layers]
    python, numpy = random.getstate(), np.random.get_state()
    with knows.randomness(model) as shared:
        variables = _variables(model, shared)
        before = [knows.snapshot(variable) for variable in variables]
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
            for layer, collected in zip(layers, losses, strict=True):
                layer._losses[:] = collected
            for variable, value in zip(variables, before, strict=True):
                if _differs(knows.read(variable), value):
                    variable.assign(value)


def _variables(model: Any, shared: list[Any]) -> list[Any]:
    every = [*model.variables, *getattr(model, "metrics_variables", []), *_shared_seeds(), *shared]
    for layer in model._flatten_layers():
        every += _untracked(layer)
    return list({id(variable): variable for variable in every}.values())


def _untracked(layer: Any) -> list[Any]:
    """Return variables Keras does not count as a layer's: recurrent states, the framework's own."""
    import keras

    knows = backend()

    def is_variable(value: Any) -> bool:
        return isinstance(value, keras.Variable) or knows.is_variable(value)

    values = [v for v in vars(layer).values() if isinstance(v, list) or is_variable(v)]
    return [v for v in keras.tree.flatten(values) if is_variable(v)]


def _differs(now: NDArray[Any], before: NDArray[Any]) -> bool:
    """Compare two readings, by where they lie if that is enough."""
    return now.ctypes.data != before.ctypes.data and now.tobytes() != before.tobytes()


def _shared_seeds() -> list[Any]:
    """Return the state of Keras' own generator, which belongs to no model."""
    from keras.src.backend.common import global_state

    shared = global_state.get_global_attribute("global_seed_generator")
    return [] if shared is None else [shared.state]
