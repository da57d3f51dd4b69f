"""Runs Keras' own recurrent layers as compiled loops during a probe pass.

Room: capture, Keras. A loop over time steps, op by op, costs a hundred times what it costs
compiled, and no attention hides inside ``LSTM``, ``GRU`` or ``SimpleRNN``. A recurrent layer around
somebody's own cell is left as it is.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

# One compiled call per layer, for as long as the layer lives.
_compiled: weakref.WeakKeyDictionary[Any, Callable[..., Any]] = weakref.WeakKeyDictionary()


def is_plain_loop(operation: Any) -> bool:
    """Say whether a layer is one of Keras' own recurrent layers, not a subclass.

    Parameters
    ----------
    operation : keras.Operation

    Returns
    -------
    bool
    """
    import keras

    return type(operation) in (keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN)


def call_compiled(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Do what ``layer.call`` does, compiled once per layer and shape.

    Parameters
    ----------
    layer : keras.layers.RNN
    args, kwargs : tuple, dict
        What Keras hands to ``call``.

    Returns
    -------
    tensor or nested tensors
    """
    import tensorflow as tf

    function = _compiled.get(layer)
    if function is None:
        # A strong reference would keep the layer alive through its own entry.
        itself = weakref.ref(layer)
        function = tf.function(
            lambda *inner, **named: itself().call(*inner, **named),  # type: ignore[union-attr]
            reduce_retracing=True,
            autograph=False,
        )
        _compiled[layer] = function
    eagerly = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(False)
    try:
        return function(*args, **kwargs)
    finally:
        tf.config.run_functions_eagerly(eagerly)
