"""Runs something beside a call of a Keras model that is under way.

Room: capture, Keras. In a thread of its own, because whatever the caller's thread is tracing, or
holds in scopes of Keras, is not known there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from limelight.capture.keras.backends.backend import backend, dtype_of
from limelight.capture.turns import awaited

Result = TypeVar("Result")


def elsewhere(model: Any, act: Callable[[], Result]) -> Result:
    """Do something in a thread of its own, and wait for it.

    Parameters
    ----------
    model : keras.Layer
        Its variables have values there, also where its trainer has put them away.
    act : callable
        What it raises is raised here.

    Returns
    -------
    object
        What it returns.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            for variable, read in missing:
                variable._value = _stand_in(variable, read)
            results.append(act())
        except BaseException as error:  # noqa: BLE001  # raised again below
            errors.append(error)

    with _lent(model) as missing:
        thread = threading.Thread(target=awaited(run))
        thread.start()
        thread.join()
    if errors:
        raise errors[0]
    return results[0]


@contextmanager
def _lent(model: Any) -> Iterator[list[tuple[Any, bool]]]:
    """Give variables without a value, for a while, the one this thread's scope has for them.

    On JAX ``fit`` and ``predict`` take the values out of the variables and pass them along; what
    they do not pass (sums of metrics) no inference reads. While they are compiled there are no
    values: then others stand in, which tell as well where a model attends. Yields the variables
    that want these, made where nothing is compiled, and whether the model reads them.
    """
    from keras.src.backend.common import stateless_scope

    scope, knows = stateless_scope.get_stateless_scope(), backend()
    every = {id(v): v for v in _variables(model)}.values()
    away = [(variable, variable._value) for variable in every if hasattr(variable, "_value")
            and (variable._value is None or not knows.has_values(variable._value))]  # fmt: skip
    try:
        missing = []
        for variable, _ in away:
            value = scope.get_current_value(variable) if scope is not None else None
            if value is not None and knows.has_values(value):
                variable._value = value
            else:
                missing.append((variable, value is not None))
        yield missing
    finally:
        for variable, before in away:
            variable._value = before


def _stand_in(variable: Any, read: bool) -> Any:
    """Return values for a variable that has none just now: no zeros where the model reads them."""
    import keras

    shape, dtype = tuple(variable.shape), dtype_of(variable)
    if read and "float" in dtype:
        values = np.random.default_rng(0).uniform(0.05, 0.25, size=shape)
        return keras.ops.cast(backend().tensor(values.astype("float32")), dtype)
    return backend().tensor(np.zeros(shape, dtype))


def _variables(model: Any) -> list[Any]:
    return [*model.variables, *getattr(model, "metrics_variables", [])]
