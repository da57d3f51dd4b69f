"""Listens in on one forward pass of a Keras model.

Room: capture, Keras. Comes in: nothing but the calls Keras and its backend make while the listener
is on. Goes out: a :class:`~limelight.capture.keras.trace.Trace` of every layer call and every
softmax. Nothing stays patched afterwards, also after an error, and other threads are passed through
unseen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from limelight.capture.keras.backends.backend import Scope, backend
from limelight.capture.keras.backends.kernels import kernels_watched
from limelight.capture.keras.listen.arguments import tensors
from limelight.capture.keras.trace import Call, Softmax, Trace
from limelight.capture.turns import Turn

_one_at_a_time = Turn()


@contextmanager
def listening(model: Any) -> Iterator[Trace]:
    """Record every layer call and softmax of this thread while the context lasts.

    Parameters
    ----------
    model : keras.Layer

    Yields
    ------
    Trace
        Filled while the model runs.
    """
    import keras

    trace = Trace()
    stack: list[Call] = []
    thread = threading.get_ident()
    with _one_at_a_time, ExitStack() as undo:
        inside = undo.enter_context(backend().observed(model, trace, stack))
        undo.enter_context(kernels_watched(trace, stack))
        operation, layer, softmax = keras.Operation, keras.layers.Layer, keras.layers.Softmax
        inner, outer, call = operation.__call__, layer.__call__, softmax.call
        patches: list[tuple[type, str, Callable[..., Any]]] = [
            (operation, "__call__", _inside(inner, trace, stack, thread, inside)),
            (layer, "__call__", _around(outer, trace, stack, thread, inside)),
            (softmax, "call", _several_axes(call, trace, stack, thread)),
        ]
        for owner, name, wrapper in patches:
            undo.callback(setattr, owner, name, owner.__dict__[name])
            setattr(owner, name, wrapper)
        undo.enter_context(_forms_unseen(trace, thread))
        yield trace
        trace.drop_logarithms()


@contextmanager
def _forms_unseen(trace: Trace, thread: int) -> Iterator[None]:
    """Close the eyes while Keras only asks what form an output will have."""
    from keras.src import backend as keras_backend

    original = keras_backend.compute_output_spec

    def compute_output_spec(*args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != thread or trace.muted:
            return original(*args, **kwargs)
        trace.muted = True
        try:
            return original(*args, **kwargs)
        finally:
            trace.muted = False

    keras_backend.compute_output_spec = compute_output_spec
    try:
        yield
    finally:
        keras_backend.compute_output_spec = original


def _around(
    original: Callable[..., Any], trace: Trace, stack: list[Call], thread: int, inside: Scope
) -> Callable[..., Any]:
    """Wrap ``Layer.__call__``: keep the arguments as the caller gave them."""

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        if threading.get_ident() != thread or trace.muted:
            return original(self, *args, **kwargs)
        call = Call(self, stack[-1] if stack else None, args, dict(kwargs))
        number = len(trace.calls)
        trace.calls.append(call)
        stack.append(call)
        try:
            with inside(number):
                call.outputs = original(self, *args, **kwargs)
            if isinstance(self, _loops()):
                _time_kept(trace, args, call.outputs)
            return call.outputs
        finally:
            stack.pop()

    return __call__


def _inside(
    original: Callable[..., Any], trace: Trace, stack: list[Call], thread: int, inside: Scope
) -> Callable[..., Any]:
    """Wrap ``Operation.__call__``: a layer's masks are known here, plain operations pass here."""

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        if threading.get_ident() != thread or trace.muted:
            return original(self, *args, **kwargs)
        if stack and stack[-1].operation is self:
            stack[-1].filled = dict(kwargs)
            if _is_plain_loop(self):
                trace.muted = True
                try:
                    return backend().loop(self, original, args, kwargs)
                finally:
                    trace.muted = False
            return original(self, *args, **kwargs)
        return _around(original, trace, stack, thread, inside)(self, *args, **kwargs)

    return __call__


def _several_axes(
    original: Callable[..., Any], trace: Trace, stack: list[Call], thread: int
) -> Callable[..., Any]:
    """Wrap ``Softmax.call``: over several axes Keras uses exp and logsumexp, no softmax."""

    def call(self: Any, inputs: Any, mask: Any = None) -> Any:
        outputs = original(self, inputs, mask=mask)
        axes = self.axis if isinstance(self.axis, (tuple, list)) else (self.axis,)
        rank = len(inputs.shape)
        last = sorted(axis % rank for axis in axes) == list(range(rank - len(axes), rank))
        if threading.get_ident() == thread and not trace.muted and len(axes) > 1 and last:
            trace.muted = True
            try:
                logits = inputs if mask is None else _forbidden(inputs, mask)
            finally:
                trace.muted = False
            trace.add(Softmax(stack[-1] if stack else None, logits, outputs, len(axes)))
        return outputs

    return call


def _forbidden(logits: Any, mask: Any) -> Any:
    """Return logits as they are where the mask is true, else far below any that count."""
    from keras import ops

    return ops.where(ops.cast(mask, "bool"), logits, ops.cast(-np.inf, logits.dtype))


def _loops() -> tuple[type, ...]:
    import keras

    return (keras.layers.RNN, keras.layers.Bidirectional)


def _time_kept(trace: Trace, args: tuple[Any, ...], outputs: Any) -> None:
    """Say what the axes of a recurrent layer's outputs are: much of it runs unseen."""
    inputs = tensors(args)
    if inputs and not trace.muted:
        trace.flow.recurrent(inputs[0], tensors(outputs))


def _is_plain_loop(operation: Any) -> bool:
    """Say whether a layer is one of Keras' own recurrent layers, not a subclass.

    No attention hides inside them; one around somebody's own cell is left as it is.
    """
    import keras

    return type(operation) in (keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN)
