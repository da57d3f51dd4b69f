"""What a Keras model's activations and normalisations give for a probe, on every backend.

Room: capture, Keras. Comes in: a live model and a probe. Goes out: a table. A layer that has an
activation of its own, such as ``Dense(…, activation="relu")``, counts by that.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from limelight.capture.activating import Outputs, wanted
from limelight.capture.keras import calling, names
from limelight.capture.keras.backends.backend import backend, dtype_of
from limelight.capture.keras.state import untouched
from limelight.capture.probe import Probe
from limelight.distribution import TensorTable

_one_at_a_time = threading.RLock()


def activations(model: Any, probe: Probe) -> TensorTable:
    """Run a model once on a probe, and sum up what its activation and normalisation layers give.

    Parameters
    ----------
    model : keras.Model
        Stays as it is.
    probe : Probe

    Returns
    -------
    TensorTable
        As :meth:`limelight.capture.activating.Outputs.table` returns it.
    """
    backend().ready(model)
    outputs = Outputs()
    with untouched(model), _listening(model, outputs):
        calling.run(model, probe)
    return outputs.table()


@contextmanager
def _listening(model: Any, outputs: Outputs) -> Iterator[None]:
    """Hear what every layer returns to this thread while the context lasts."""
    import keras

    paths, thread = names.paths(model), threading.get_ident()
    layer = keras.layers.Layer
    original = layer.__dict__["__call__"]

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807  # shown in traces
        output = original(self, *args, **kwargs)
        if threading.get_ident() == thread and id(self) in paths:
            kind = _kind(self)
            if wanted(kind):
                _add(outputs, paths[id(self)], kind, output)
        return output

    with _one_at_a_time:
        layer.__call__ = __call__
        try:
            yield
        finally:
            layer.__call__ = original


def _kind(layer: Any) -> str:
    """Return the name of a layer's activation, or of its class."""
    activation = getattr(layer, "activation", None)
    if activation is not None:
        return str(getattr(activation, "__name__", type(activation).__name__))
    return type(layer).__name__


def _add(outputs: Outputs, path: str, kind: str, output: Any) -> None:
    knows = backend()
    if isinstance(output, (list, tuple)):
        output = output[0]
    if not hasattr(output, "shape") or not knows.has_values(output):
        return
    dtype = dtype_of(output)
    values = np.asarray(knows.read(output))
    if dtype in ("float16", "bfloat16"):
        values = values.astype(np.float32)
    outputs.add(path, kind, values, -1, dtype)
