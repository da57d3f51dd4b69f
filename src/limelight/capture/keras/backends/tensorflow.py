"""Keras on TensorFlow: sees every op through TensorFlow's own callback.

Room: capture, Keras. Offers what :class:`~limelight.capture.keras.backends.backend.Backend` lists.
"""

from __future__ import annotations

import random
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.capture.keras.backends.backend import Scope
from limelight.capture.keras.trace import Call, Softmax, Trace
from limelight.errors import UnsupportedModelError

TRIES_A_STEP: Final = True

# Ops that only rearrange values or change their precision: what comes out is still the weights.
_SAME_VALUES = frozenset(
    {"Reshape", "Transpose", "Squeeze", "ExpandDims", "Identity", "Cast", "StopGradient"}
)
_CHOICE = frozenset({"Select", "SelectV2"})
# Ops that look at a tensor's form, not at its values.
_FORM_ONLY = frozenset({"Shape", "ShapeN", "Rank", "Size"})

# One compiled call per recurrent layer, for as long as the layer lives.
_compiled: weakref.WeakKeyDictionary[Any, Callable[..., Any]] = weakref.WeakKeyDictionary()


def version() -> str:
    """Return the framework's name and version.

    Returns
    -------
    str
    """
    import tensorflow as tf

    return f"tensorflow {tf.__version__}"


def ready(model: Any) -> None:  # noqa: ARG001  # other frameworks need the model
    """Make sure that a call has values.

    Parameters
    ----------
    model : keras.Layer

    Raises
    ------
    UnsupportedModelError
        If TensorFlow is tracing a graph just now.
    """
    import tensorflow as tf

    if not tf.executing_eagerly():
        raise UnsupportedModelError(
            "Got a call from inside a function that TensorFlow is tracing.",
            "Attention has values only when the model runs eagerly.",
            "Call limelight outside tf.function, such as in a callback.",
        )


def tensor(array: NDArray[Any]) -> Any:
    """Return an array as the tensor the model would be called with.

    Parameters
    ----------
    array : array

    Returns
    -------
    tf.Tensor
    """
    import tensorflow as tf

    if array.dtype.kind in "UO":
        return tf.constant(array.tolist(), dtype=tf.string)
    if array.dtype == np.float64:
        # Keras itself reads plain Python and NumPy numbers in its default precision.
        import keras

        return tf.convert_to_tensor(array, dtype=keras.config.floatx())
    return tf.convert_to_tensor(array)


@contextmanager
def observed(model: Any, trace: Trace, stack: list[Call]) -> Iterator[Scope]:  # noqa: ARG001
    """Add every softmax to a trace and follow its values, while the context lasts.

    Parameters
    ----------
    model : keras.Layer
    trace : Trace
    stack : list of Call
        The calls that are running, innermost last.

    Yields
    ------
    callable
        Takes the place of a call in the trace; returns a context to run it in.
    """
    import tensorflow as tf

    # Not public, but the only interceptor that sees a softmax however it was bound: keras.ops,
    # tf.nn, a name imported early, a Lambda.
    from tensorflow.python.framework import op_callbacks

    observe = _observer(trace, stack)
    # What tf.function decorates runs op by op, so that its softmaxes have values.
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        op_callbacks.add_op_callback(observe)
        try:
            yield lambda _: nullcontext()
        finally:
            op_callbacks.remove_op_callback(observe)
    finally:
        tf.config.run_functions_eagerly(before)


def loop(layer: Any, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a recurrent layer of Keras' own, compiled once per layer and shape.

    A loop over time steps, op by op, costs a hundred times what it costs compiled.

    Parameters
    ----------
    layer : keras.layers.RNN
    original : callable
        Runs it op by op.
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
    except Exception:  # noqa: BLE001  # what cannot be compiled still runs op by op
        return original(layer, *args, **kwargs)
    finally:
        tf.config.run_functions_eagerly(eagerly)


def read(variable: Any) -> NDArray[Any]:
    """Return a variable's present value.

    The array shares TensorFlow's memory: a later assignment leaves it as it is, because
    TensorFlow then writes elsewhere. Do not write to it.

    Parameters
    ----------
    variable : keras.Variable, tf.Variable or tensor

    Returns
    -------
    array
        In the variable's own dtype.
    """
    import tensorflow as tf

    value = tf.convert_to_tensor(getattr(variable, "value", variable))
    try:
        return np.asarray(memoryview(value))
    except (TypeError, ValueError, BufferError, RuntimeError):
        # Memory on another device, or a dtype Python's buffers do not know, such as bfloat16.
        return np.asarray(value.numpy())


def kept(variable: Any) -> NDArray[Any]:
    """Return a variable's value as it will still be after the variable has changed.

    Parameters
    ----------
    variable : keras.Variable or tf.Variable

    Returns
    -------
    array
    """
    return read(variable)


def has_values(tensor: Any) -> bool:
    """Say whether a tensor has values, and is no stand-in for one while a part is traced.

    Parameters
    ----------
    tensor : tensor

    Returns
    -------
    bool
    """
    return hasattr(tensor, "numpy")


def is_variable(value: Any) -> bool:
    """Say whether a value is TensorFlow's own variable.

    Parameters
    ----------
    value : object

    Returns
    -------
    bool
    """
    import tensorflow as tf

    return isinstance(value, tf.Variable)


@contextmanager
def randomness(model: Any) -> Iterator[list[Any]]:  # noqa: ARG001
    """Put TensorFlow's random state back at the end.

    Parameters
    ----------
    model : keras.Layer

    Yields
    ------
    list of tf.Variable
        The state of generators that belong to no model.
    """
    from tensorflow.python.eager import context
    from tensorflow.python.ops import stateful_random_ops

    found = getattr(context.context(), "_rng", None)  # seeds ops after ``tf.random.set_seed``
    eager = found if isinstance(found, random.Random) else None
    drawn = None if eager is None else eager.getstate()
    shared = stateful_random_ops.global_generator
    try:
        yield [] if shared is None else [shared.state]
    finally:
        if eager is not None and drawn is not None:
            eager.setstate(drawn)


def _observer(trace: Trace, stack: list[Call]) -> Callable[..., Any]:
    """Return the function TensorFlow calls after every op of this thread."""

    def observe(
        op_type: str | bytes,
        inputs: Any,
        attrs: Any,  # noqa: ARG001  # TensorFlow calls it with more than it reads
        outputs: Any,
        op_name: Any = None,  # noqa: ARG001
        graph: Any = None,
    ) -> Any:
        if trace.muted:
            return outputs
        if isinstance(op_type, bytes):  # TensorFlow's slower way to run an op spells it so
            op_type = op_type.decode()
        if graph is not None:
            trace.hidden += op_type == "Softmax"
            return outputs
        trace.hidden += op_type.startswith("__") or op_type.endswith("PartitionedCall")
        if op_type in _SAME_VALUES:
            trace.rearranged(inputs, outputs[0])
        elif op_type in _CHOICE:
            trace.chosen(inputs, outputs[0])
        elif op_type not in _FORM_ONLY:
            trace.computed(inputs)
        if op_type == "Softmax":
            trace.add(Softmax(stack[-1] if stack else None, inputs[0], outputs[0]))
        return outputs

    return observe
