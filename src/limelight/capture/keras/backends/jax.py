"""Keras on JAX: sees every primitive by standing where JAX would trace it.

Room: capture, Keras. Offers what :class:`~limelight.capture.keras.backends.backend.Backend` lists.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.capture.keras.backends.backend import Scope
from limelight.capture.keras.trace import Call, Trace
from limelight.errors import UnsupportedModelError

TRIES_A_STEP: Final = False

# One compiled call per recurrent layer, for as long as the layer lives.
_compiled: weakref.WeakKeyDictionary[Any, Callable[..., Any]] = weakref.WeakKeyDictionary()


def version() -> str:
    """Return the framework's name and version.

    Returns
    -------
    str
    """
    import jax

    return f"jax {jax.__version__}"


def ready(model: Any) -> None:
    """Make sure that a call has values, and bring back variables that ``fit`` put away.

    Parameters
    ----------
    model : keras.Layer

    Raises
    ------
    UnsupportedModelError
        If JAX is tracing the caller just now.
    """
    from jax._src import core

    if not core.trace_state_clean():
        raise UnsupportedModelError(
            "Got a call from inside a function that JAX is tracing.",
            "Attention has values only when the model runs eagerly.",
            "Call limelight outside jax.jit, such as in a callback.",
        )
    if getattr(model, "_jax_state", None):
        model.jax_state_sync()


def tensor(array: NDArray[Any]) -> Any:
    """Return an array as the tensor the model would be called with.

    Parameters
    ----------
    array : array

    Returns
    -------
    jax.Array
        Text stays an array: JAX has none.
    """
    import keras

    if array.dtype.kind in "UO":
        return array
    dtype = keras.config.floatx() if array.dtype == np.float64 else None
    return keras.ops.convert_to_tensor(array, dtype=dtype)


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
    import jax
    from jax._src import core

    from limelight.capture.keras.backends.jax_tracing import scope_name, traced_afresh, watcher

    with ExitStack() as undo:
        undo.enter_context(traced_afresh())
        # What jax.jit decorates, and loops, run op by op, so that softmaxes inside have values.
        undo.enter_context(jax.disable_jit())
        undo.enter_context(core.set_current_trace(watcher(trace, stack)))
        yield lambda number: jax.named_scope(scope_name(trace, number))


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
    jax.Array or nested arrays
    """
    import jax
    from jax._src import core

    with core.eval_context(), jax.disable_jit(False):
        if layer.stateful:  # assigns its states
            return original(layer, *args, **kwargs)
        function = _compiled.get(layer)
        if function is None:
            itself = weakref.ref(layer)
            function = jax.jit(
                lambda trained, other, inner, named, static: itself().stateless_call(  # type: ignore[union-attr]
                    trained, other, *inner, **named, **dict(static)
                )[0],
                static_argnums=4,
            )
            _compiled[layer] = function
        static = tuple((k, v) for k, v in kwargs.items() if v is None or isinstance(v, bool))
        named = {k: v for k, v in kwargs.items() if not (v is None or isinstance(v, bool))}
        values = [[v.value for v in layer.trainable_variables],
                  [v.value for v in layer.non_trainable_variables]]  # fmt: skip
        return function(*values, args, named, static)


def read(variable: Any) -> NDArray[Any]:
    """Return a variable's present value.

    Parameters
    ----------
    variable : keras.Variable or tensor

    Returns
    -------
    array
        In the variable's own dtype; JAX's own memory where it lies on the CPU. It stays as it is
        when the variable changes. Do not write to it.
    """
    return np.asarray(getattr(variable, "value", variable))


def kept(variable: Any) -> NDArray[Any]:
    """Return a variable's value as it will still be after the variable has changed.

    Parameters
    ----------
    variable : keras.Variable

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
    import jax

    return not isinstance(tensor, jax.core.Tracer)


def is_variable(value: Any) -> bool:  # noqa: ARG001
    """Say whether a value is JAX's own variable: it has none.

    Parameters
    ----------
    value : object

    Returns
    -------
    bool
    """
    return False


@contextmanager
def randomness(model: Any) -> Iterator[list[Any]]:  # noqa: ARG001
    """Do nothing: JAX keeps no random state of its own.

    Parameters
    ----------
    model : keras.Layer

    Yields
    ------
    list
        Empty.
    """
    yield []
