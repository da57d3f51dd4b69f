"""Sees gradients of what Keras' recurrent layers are handed, by time step, compiled or not.

Room: capture, Keras. Comes in: a model that is about to be fitted. Goes out: sums for a table. What
a layer is handed passes through an identity of ours, whose backward pass, which training makes
anyhow, keeps the gradient's squares.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from limelight.capture.by_time import ByTime
from limelight.capture.keras import names
from limelight.capture.keras.backends.backend import Tap


class Watch:
    """Sees gradients by time step until it is closed.

    Parameters
    ----------
    model : keras.Model
    tap : Tap
    """

    def __init__(self, model: Any, tap: Tap) -> None:
        import keras

        self._tap, self._patches = tap, list[tuple[Any, Callable[..., Any]]]()
        paths = names.paths(model)
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.RNN) and id(layer) in paths:
                call = self._passing(layer, paths[id(layer)] or names.name_of(model))
                vars(layer)["call"] = call  # not by setattr: Keras would take note of it
                self._patches.append((layer, call))

    def taken(self) -> ByTime | None:
        """Return what was seen of the newest step; None where there was nothing."""
        sums = ByTime()
        for path, squares in self._tap.squares().items():
            sums.add(path, squares.tolist())
        return sums or None

    def close(self) -> None:
        """See nothing any more."""
        for layer, call in self._patches:
            if vars(layer).get("call") is call:
                del vars(layer)["call"]
        self._patches.clear()

    def _passing(self, layer: Any, path: str) -> Callable[..., Any]:
        original, tap = layer.call, self._tap

        def call(sequences: Any, *args: Any, **kwargs: Any) -> Any:
            if kwargs.get("training"):
                sequences = _through(tap, layer, path, sequences)
            return original(sequences, *args, **kwargs)

        return call


def _through(tap: Tap, layer: Any, path: str, sequences: Any) -> Any:
    """Pass what a layer is handed through; as it is where that fails."""
    import keras

    trained = layer.trainable_variables
    if not trained or keras.utils.is_keras_tensor(sequences):
        return sequences
    try:
        if "float" not in keras.backend.standardize_dtype(sequences.dtype):
            return sequences
        return tap.through(path, sequences, trained[0].value)
    except Exception:  # noqa: BLE001  # a promise: training goes on
        return sequences
