"""Listens in on one forward pass of a Keras model on TensorFlow.

Room: capture, Keras. Comes in: nothing but the calls TensorFlow and Keras make while the listener
is on. Goes out: a :class:`Trace` of every layer call and every softmax. Nothing stays patched
afterwards, also after an error, and other threads are passed through unseen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from limelight.capture.keras_loops import call_compiled, is_plain_loop

# Ops that only rearrange values or change their precision: what comes out is still the weights.
_SAME_VALUES = frozenset(
    {"Reshape", "Transpose", "Squeeze", "ExpandDims", "Identity", "Cast", "StopGradient",
     "Select", "SelectV2"}
)  # fmt: skip
# Ops that look at a tensor's form, not at its values.
_FORM_ONLY = frozenset({"Shape", "ShapeN", "Rank", "Size"})

# Two threads that patch and restore crosswise would leave one patch behind.
_one_at_a_time = threading.RLock()


@dataclass(eq=False)
class Call:
    """One call of a layer, or of an operation in a functional graph.

    Attributes
    ----------
    operation : keras.Operation
    parent : Call or None
        The call it was made in.
    args, kwargs : tuple, dict
        As the caller gave them.
    filled : dict
        Keyword arguments after Keras added masks.
    outputs : object
        What it returned; None while it runs, or when it raised.
    """

    operation: Any
    parent: Call | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    filled: dict[str, Any] = field(default_factory=dict)
    outputs: Any = None


@dataclass(eq=False)
class Softmax:
    """One softmax that ran.

    Attributes
    ----------
    call : Call or None
        The innermost call it ran in.
    logits, weights : tensor
        Before and after; the softmax runs over the last ``axes`` axes.
    axes : int
    used : bool
        Whether its values went into another computation.
    partners : list of tuple
        Shapes of what its values were combined with there.
    """

    call: Call | None
    logits: Any
    weights: Any
    axes: int = 1
    used: bool = False
    partners: list[tuple[int, ...]] = field(default_factory=list)


@dataclass(eq=False)
class Trace:
    """What one forward pass did, in order. Holds every tensor, so that ids stay unique.

    Attributes
    ----------
    calls : list of Call
    softmaxes : list of Softmax
    hidden : int
        Calls of compiled functions, and softmaxes inside a graph: neither shows its values.
    aliases : dict of int to Softmax
        ``id`` of each tensor that holds a softmax's values.
    same : dict of int to tensor
        ``id`` of a tensor that only rearranges another's values, to that other.
    muted : bool
        True while something runs that is not to be listened to.
    """

    calls: list[Call] = field(default_factory=list)
    softmaxes: list[Softmax] = field(default_factory=list)
    hidden: int = 0
    aliases: dict[int, Softmax] = field(default_factory=dict)
    same: dict[int, Any] = field(default_factory=dict)
    kept: list[Any] = field(default_factory=list)
    muted: bool = False


@contextmanager
def listening() -> Iterator[Trace]:
    """Record every layer call and softmax of this thread while the context lasts.

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
        undo.enter_context(_eagerly())
        undo.enter_context(_op_callback(_observer(trace, stack)))
        operation, layer, softmax = keras.Operation, keras.layers.Layer, keras.layers.Softmax
        inner, outer, call = operation.__call__, layer.__call__, softmax.call
        patches: list[tuple[type, str, Callable[..., Any]]] = [
            (operation, "__call__", _inside(inner, trace, stack, thread)),
            (layer, "__call__", _around(outer, trace, stack, thread)),
            (softmax, "call", _several_axes(call, trace, stack, thread)),
        ]
        for owner, name, wrapper in patches:
            undo.callback(setattr, owner, name, owner.__dict__[name])
            setattr(owner, name, wrapper)
        yield trace


def _around(
    original: Callable[..., Any], trace: Trace, stack: list[Call], thread: int
) -> Callable[..., Any]:
    """Wrap ``Layer.__call__``: keep the arguments as the caller gave them."""

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        if threading.get_ident() != thread or trace.muted:
            return original(self, *args, **kwargs)
        call = Call(self, stack[-1] if stack else None, args, dict(kwargs))
        trace.calls.append(call)
        stack.append(call)
        try:
            call.outputs = original(self, *args, **kwargs)
            return call.outputs
        finally:
            stack.pop()

    return __call__


def _inside(
    original: Callable[..., Any], trace: Trace, stack: list[Call], thread: int
) -> Callable[..., Any]:
    """Wrap ``Operation.__call__``: a layer's masks are known here, plain operations pass here."""

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        if threading.get_ident() != thread or trace.muted:
            return original(self, *args, **kwargs)
        if stack and stack[-1].operation is self:
            stack[-1].filled = dict(kwargs)
            if is_plain_loop(self):
                trace.muted = True
                try:
                    return call_compiled(self, args, kwargs)
                except Exception:  # noqa: BLE001  # what cannot be compiled still runs op by op
                    return original(self, *args, **kwargs)
                finally:
                    trace.muted = False
            return original(self, *args, **kwargs)
        return _around(original, trace, stack, thread)(self, *args, **kwargs)

    return __call__


def _several_axes(
    original: Callable[..., Any], trace: Trace, stack: list[Call], thread: int
) -> Callable[..., Any]:
    """Wrap ``Softmax.call``: over several axes Keras uses exp and logsumexp, not the Softmax op."""

    def call(self: Any, inputs: Any, mask: Any = None) -> Any:
        outputs = original(self, inputs, mask=mask)
        axes = self.axis if isinstance(self.axis, (tuple, list)) else (self.axis,)
        rank = len(inputs.shape)
        last = sorted(axis % rank for axis in axes) == list(range(rank - len(axes), rank))
        if threading.get_ident() == thread and not trace.muted and len(axes) > 1 and last:
            import tensorflow as tf

            logits = inputs
            if mask is not None:
                allowed = tf.broadcast_to(tf.cast(mask, tf.bool), tf.shape(inputs))
                logits = tf.where(allowed, inputs, tf.fill(tf.shape(inputs), inputs.dtype.min))
            hit = Softmax(stack[-1] if stack else None, logits, outputs, len(axes))
            trace.softmaxes.append(hit)
            trace.aliases[id(outputs)] = hit
        return outputs

    return call


def _observer(trace: Trace, stack: list[Call]) -> Callable[..., Any]:
    """Return the function TensorFlow calls after every op of this thread."""

    def observe(
        op_type: str | bytes,
        inputs: Any,
        attrs: Any,
        outputs: Any,
        op_name: Any = None,
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
        for tensor in inputs:
            hit = trace.aliases.get(id(tensor))
            if hit is None or op_type in _FORM_ONLY:
                continue
            if op_type in _SAME_VALUES:
                trace.aliases[id(outputs[0])] = hit
            else:
                hit.used = True
                hit.partners += [tuple(t.shape) for t in inputs if t is not tensor]
        if op_type in _SAME_VALUES and not op_type.startswith("Select"):
            trace.same[id(outputs[0])] = inputs[0]
            trace.kept.append(outputs[0])
        elif op_type in _SAME_VALUES:
            trace.kept.append(outputs[0])
        if op_type == "Softmax":
            hit = Softmax(stack[-1] if stack else None, inputs[0], outputs[0])
            trace.softmaxes.append(hit)
            trace.aliases[id(outputs[0])] = hit
        return outputs

    return observe


@contextmanager
def _op_callback(observe: Callable[..., Any]) -> Iterator[None]:
    # Not public, but the only door that sees a softmax however it was bound: keras.ops, tf.nn,
    # a name imported early, a Lambda.
    from tensorflow.python.framework import op_callbacks

    op_callbacks.add_op_callback(observe)
    try:
        yield
    finally:
        op_callbacks.remove_op_callback(observe)


@contextmanager
def _eagerly() -> Iterator[None]:
    """Run what ``tf.function`` decorates op by op, so that its softmaxes have values."""
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)
