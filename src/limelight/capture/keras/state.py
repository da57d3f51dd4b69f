"""Keeps a forward pass from leaving traces in a Keras model.

Room: capture, Keras. Comes in: a model. Goes out: the same model, whatever its layers, or anything
that they can reach, did to their state, to their losses, or to the sources of randomness.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.keras.backends.backend import Backend, backend
from limelight.capture.reachable import Memory


@contextmanager
def untouched(model: Any) -> Iterator[None]:
    """Put state back as it was, also after an error.

    Variables, also those that Keras does not count as a layer's, are compared after the pass and
    assigned only where they changed. Whatever else layers can reach is put back too: attributes,
    collected losses, lists and dicts, objects of their own, arrays, counters, and generators of
    random numbers, Keras' own among them.

    Parameters
    ----------
    model : keras.Layer

    Yields
    ------
    None

    Raises
    ------
    UnsupportedModelError
        If something changed that cannot be put back.
    """
    knows = backend()
    python, numpy = random.getstate(), np.random.get_state()
    with knows.randomness(model) as shared, _shared_generator() as seeds:
        memory = Memory(_Variables(knows).leaf)
        try:
            memory.note(model, "")
            metrics = getattr(model, "metrics_variables", [])
            for variable in (*model.variables, *metrics, *seeds, *shared):
                memory.note(variable, str(getattr(variable, "path", "")))
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
            memory.restore()


class _Variables:
    """The variables that a model can reach, each once."""

    def __init__(self, knows: Backend) -> None:
        self._knows = knows
        self._seen: set[int] = set()

    def leaf(self, value: Any, path: Any) -> Callable[[], object] | None:
        """Remember a variable, or what else of the framework's can change; Memory asks."""
        import keras

        if isinstance(value, keras.Variable):
            return self._variable(value, id(value._value))
        if id(value) in self._seen:
            return _nothing
        undo = self._knows.remembered(value, path)
        if undo is not None:
            self._seen.add(id(value))
            return undo
        return self._variable(value, id(value)) if self._knows.is_variable(value) else None

    def _variable(self, variable: Any, memory: int) -> Callable[[], object]:
        if memory in self._seen:  # a variable of Keras' and the framework's inside it
            return _nothing
        self._seen.add(memory)
        if getattr(variable, "_value", variable) is None:  # to be made by the first call
            return _nothing
        before = self._knows.snapshot(variable)

        def undo() -> None:
            if _differs(self._knows.read(variable), before):
                variable.assign(before)

        return undo


def _nothing() -> None:
    """Put back what needs nothing."""


def _differs(now: NDArray[Any], before: NDArray[Any]) -> bool:
    """Compare two readings, by where they lie if that is enough."""
    return now.ctypes.data != before.ctypes.data and now.tobytes() != before.tobytes()


@contextmanager
def _shared_generator() -> Iterator[list[Any]]:
    """Keep Keras' own generator, which belongs to no model, or that there is none as yet."""
    from keras.src.backend.common import global_state

    name = "global_seed_generator"
    shared = global_state.get_global_attribute(name)
    try:
        yield [] if shared is None else [shared.state]
    finally:
        if global_state.get_global_attribute(name) is not shared:
            global_state.set_global_attribute(name, shared)
