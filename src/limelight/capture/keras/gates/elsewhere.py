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
            results.append(act())
        except BaseException as error:  # noqa: BLE001  # raised again below
            errors.append(error)

    with _lent(model):
        thread = threading.Thread(target=awaited(run))
        thread.start()
        thread.join()
    if errors:
        raise errors[0]
    return results[0]


@contextmanager
def _lent(model: Any) -> Iterator[None]:
    """Give variables without a value, for a while, the one this thread's scope has for them.

    On JAX ``fit`` and ``predict`` take the values out of the variables and pass them along; what
    they do not pass (sums of metrics) no inference reads.
    """
    import keras
    from keras.src.backend.common import stateless_scope

    scope = stateless_scope.get_stateless_scope()
    away = [
        variable
        for variable in {id(v): v for v in _variables(model)}.values()
        if getattr(variable, "_value", 0) is None
    ]
    try:
        for variable in away:
            value = scope.get_current_value(variable) if scope is not None else None
            if value is None:
                value = keras.ops.convert_to_tensor(np.zeros(variable.shape, variable.dtype))
            variable._value = value
        yield
    finally:
        for variable in away:
            variable._value = None


def _variables(model: Any) -> list[Any]:
    return [*model.variables, *getattr(model, "metrics_variables", [])]
