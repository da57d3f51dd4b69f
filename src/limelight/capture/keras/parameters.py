"""The parameters of a Keras model, by names that stay the same from run to run.

Room: capture, Keras. Comes in: a live model. Goes out: NumPy arrays, the model's own memory where
possible.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.adapter import Parameter
from limelight.capture.keras import names
from limelight.capture.keras.backends.backend import Backend, backend
from limelight.capture.marks import mark_of
from limelight.errors import UnbuiltModelError


def named_parameters(model: Any) -> dict[str, NDArray[Any]]:
    """Return every trainable parameter under a name that stays the same from run to run.

    Parameters
    ----------
    model : keras.Model
        Built.

    Returns
    -------
    dict of str to array
        The model's own memory where possible; do not write to it.

    Raises
    ------
    UnsupportedModelError
        If the model has no parameters yet, or Keras runs on a backend that limelight does not know.
    """
    knows = _ready(model)
    named = dict(names.parameters(model))
    values = knows.read_all(model, list(named.values()))
    return {name: np.asarray(value) for name, value in zip(named, values, strict=True)}


def every_parameter(model: Any) -> dict[str, Parameter]:
    """Return every parameter, frozen or not, with what is to be said of it.

    Parameters
    ----------
    model : keras.Model
        Built.

    Returns
    -------
    dict of str to Parameter
        One that cannot be read has no values, and a note that says why.

    Raises
    ------
    UnbuiltModelError
        If the model has no parameters yet.
    UnsupportedModelError
        If Keras runs on a backend that limelight does not know.
    """
    knows = _ready(model)
    every = list(names.every_parameter(model))
    try:
        values: list[Any] = list(knows.read_all(model, [variable for _, variable, _ in every]))
    except Exception:  # noqa: BLE001  # one odd parameter costs only itself
        values = [None] * len(every)
    return {
        name: _described(knows, variable, trains, value)
        for (name, variable, trains), value in zip(every, values, strict=True)
    }


def _ready(model: Any) -> Backend:
    knows = backend()
    knows.ready(model)
    if not model.built:
        raise UnbuiltModelError(
            f"Got the model {model.name!r}, which has no parameters yet.",
            "Wanted a built model.",
            "Call it once on a batch, or give it a keras.Input.",
        )
    return knows


def _described(knows: Backend, variable: Any, trainable: bool, value: Any) -> Parameter:
    try:
        values = np.asarray(knows.read(variable) if value is None else value)
        return Parameter(
            values.shape, values, trainable, "", None if trainable else mark_of(values)
        )
    except Exception as error:  # noqa: BLE001  # one odd parameter costs only itself
        shape = tuple(map(int, variable.shape))
        return Parameter(shape, None, trainable, f"cannot be read: {error}"[:200])
