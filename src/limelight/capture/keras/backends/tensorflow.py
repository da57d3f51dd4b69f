"""Keras on TensorFlow: sees every op through TensorFlow's own callback.

Room: capture, Keras. Offers what :class:`~limelight.capture.keras.backends.backend.Backend` lists.
"""

from __future__ import annotations

import operator
import random
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from limelight.capture.keras.backends import tensorflow_flow
from limelight.capture.keras.backends.backend import Backend, Passage, Scope, Tap
from limelight.capture.keras.trace import Call, Softmax, Trace
from limelight.errors import UnsupportedModelError

# Ops that only rearrange values or change their precision: what comes out is still the weights.
_SAME_VALUES = frozenset(
    {"Reshape", "Transpose", "Squeeze", "ExpandDims", "Identity", "Cast", "StopGradient"}
)
_CHOICE = frozenset({"Select", "SelectV2"})
# Ops that look at a tensor's form, not at its values.
_FORM_ONLY = frozenset({"Shape", "ShapeN", "Rank", "Size"})

# One compiled call per recurrent layer, for as long as the layer lives.
_compiled: weakref.WeakKeyDictionary[Any, Callable[..., Any]] = weakref.WeakKeyDictionary()

#: How often one after the other is read before it is worth a function that reads all at once.
_OFTEN: Final = 3
#: What was read of a model, how often, and the function, for as long as the model lives.
_readings: weakref.WeakKeyDictionary[Any, tuple[list[Any], int, Any]] = weakref.WeakKeyDictionary()


class TensorFlow(Backend):
    """Sees every op through TensorFlow's own callback."""

    TRIES_A_STEP: ClassVar = True
    COMPILES: ClassVar = True

    def version(self) -> str:
        import tensorflow as tf

        return f"tensorflow {tf.__version__}"

    def ready(self, model: Any) -> None:
        import tensorflow as tf

        if not tf.executing_eagerly():
            raise UnsupportedModelError(
                "Got a call from inside a function that TensorFlow is tracing.",
                "Attention has values only when the model runs eagerly.",
                "Call limelight outside tf.function, such as in a callback.",
            )

    def tensor(self, array: NDArray[Any]) -> Any:
        import tensorflow as tf

        if array.dtype.kind in "UO":
            return tf.constant(array.tolist(), dtype=tf.string)
        if array.dtype == np.float64:
            # Keras itself reads plain Python and NumPy numbers in its default precision.
            import keras

            return tf.convert_to_tensor(array, dtype=keras.config.floatx())
        return tf.convert_to_tensor(array)

    @contextmanager
    def observed(self, model: Any, trace: Trace, stack: list[Call]) -> Iterator[Scope]:
        # Not public, but the only interceptor that sees a softmax however it was bound: keras.ops,
        # tf.nn, a name imported early, a Lambda.
        from tensorflow.python.eager import execute
        from tensorflow.python.framework import op_callbacks

        observe = _observer(trace, stack)
        # What tf.function decorates runs op by op, so that its softmaxes have values.
        with self.uncompiled(), self._whole(trace):
            running = execute.execute
            op_callbacks.add_op_callback(observe)
            try:
                yield lambda _: nullcontext()
            finally:
                op_callbacks.remove_op_callback(observe)
                execute.execute = running  # TensorFlow forgets callbacks of a thread that waits

    @contextmanager
    def _whole(self, trace: Trace) -> Iterator[None]:
        """Meet softmaxes as models call them: the op itself takes the last axis only."""
        import keras
        from keras.src import backend as keras_backend

        owners = [(keras_backend.nn, "softmax"), (keras.layers.Softmax, "call"), *self.softmaxes()]
        with ExitStack() as undo:
            for owner, name in owners:
                function = getattr(owner, name)
                undo.callback(setattr, owner, name, function)
                setattr(owner, name, _returned(function, trace))
            yield

    def loop(self, layer: Any, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
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

    def read(self, variable: Any) -> NDArray[Any]:
        # A later assignment leaves what was read as it is: TensorFlow then writes elsewhere.
        import tensorflow as tf

        raw: Any = getattr(variable, "_value", None)
        if type(raw).__name__ == "ResourceVariable":  # a fifth of the time of what follows
            value = tf.raw_ops.ReadVariableOp(resource=raw.handle, dtype=raw.dtype)
        else:
            value = getattr(variable, "value", variable)
            value = tf.convert_to_tensor(variable if callable(value) else value)  # TensorFlow's own
        return _array(value)

    def read_all(self, model: Any, variables: Sequence[Any]) -> list[NDArray[Any]]:
        raw = [getattr(variable, "_value", None) for variable in variables]
        plain = all(type(variable).__name__ == "ResourceVariable" for variable in raw)
        before, times, reading = _readings.get(model, ([], 0, None))
        if not plain or len(before) != len(raw) or any(map(operator.is_not, before, raw)):
            _readings[model] = (raw, 1, None) if plain else ([], 0, None)
            return super().read_all(model, variables)
        if reading is None and times >= _OFTEN:
            reading = _reading(raw)
        _readings[model] = raw, times + 1, reading
        if reading is None:
            return super().read_all(model, variables)
        return [_array(value) for value in reading()]

    def snapshot(self, variable: Any) -> NDArray[Any]:
        return self.read(variable)

    def has_values(self, tensor: Any) -> bool:
        return hasattr(tensor, "numpy")

    def is_variable(self, value: Any) -> bool:
        import tensorflow as tf

        return isinstance(value, tf.Variable)

    def remembered(self, value: Any, path: Any) -> Callable[[], object] | None:
        import tensorflow as tf

        if not isinstance(value, tf.random.Generator):
            return None
        before = self.snapshot(value.state)
        return lambda: value.state.assign(before)

    @contextmanager
    def randomness(self, model: Any) -> Iterator[list[Any]]:
        from tensorflow.python.eager import context
        from tensorflow.python.ops import stateful_random_ops

        seeded = getattr(context.context(), "_rng", None)  # of ops, after ``tf.random.set_seed``
        eager = seeded if isinstance(seeded, random.Random) else None
        drawn = None if eager is None else eager.getstate()
        shared = stateful_random_ops.global_generator
        try:
            yield [] if shared is None else [shared.state]
        finally:
            if eager is not None and drawn is not None:
                eager.setstate(drawn)
            stateful_random_ops.global_generator = shared

    def stir(self) -> None:
        import tensorflow as tf

        tf.random.uniform(())

    def tap(self, variables: Sequence[Any]) -> Tap:
        from limelight.capture.keras.backends.tensorflow_tap import TensorFlowTap

        return TensorFlowTap(list(variables))

    @contextmanager
    def uncompiled(self) -> Iterator[None]:
        import tensorflow as tf

        before = tf.config.functions_run_eagerly()
        tf.config.run_functions_eagerly(True)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(before)

    def slopes(self, act: Callable[[list[Any]], Any], at: list[Any]) -> tuple[Any, list[Any]]:
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(at)
            values = act(at)
            total = tf.reduce_sum(values)
        return values, list(tape.gradient(total, at))

    def softmaxes(self) -> list[tuple[Any, str]]:
        import tensorflow as tf

        return [(tf.nn, "softmax")]

    def passages(self) -> list[Passage]:
        import tensorflow as tf

        return [
            Passage(tf, "matmul", "matmul"),
            Passage(tf.linalg, "matmul", "matmul"),
            Passage(tf, "einsum", "einsum"),
            Passage(tf.nn, "dropout", "same"),
            Passage(tf, "cast", "same"),
        ]


def _reading(variables: list[Any]) -> Callable[[], list[Any]]:
    """Return what reads variables in one call: no memory is copied, as in reading each."""
    import tensorflow as tf

    def values() -> list[Any]:
        return [
            tf.raw_ops.ReadVariableOp(resource=variable.handle, dtype=variable.dtype)
            for variable in variables
        ]

    made: Callable[[], list[Any]] = tf.function(values, autograph=False).get_concrete_function()
    return made


def _array(value: Any) -> NDArray[Any]:
    """Return a tensor's values."""
    try:
        return np.asarray(memoryview(value))
    except (TypeError, ValueError, BufferError, RuntimeError):
        # Memory on another device, or a dtype Python's buffers do not know, such as bfloat16.
        return np.asarray(value.numpy())


def _returned(original: Callable[..., Any], trace: Trace) -> Callable[..., Any]:
    """Wrap a softmax, to say how the axes lie in what comes out of it."""
    thread = threading.get_ident()

    def softmax(*args: Any, **kwargs: Any) -> Any:
        before = len(trace.softmaxes)
        output = original(*args, **kwargs)
        if threading.get_ident() == thread and not trace.muted:
            made = [s.course for s in trace.softmaxes[before:] if s.course is not None]
            if len(made) == 1 and hasattr(output, "shape"):
                trace.flow.returned(made[0], output)
        return output

    return softmax


def _observer(trace: Trace, stack: list[Call]) -> Callable[..., Any]:
    """Return the function TensorFlow calls after every op of this thread."""

    def observe(
        op_type: str | bytes,
        inputs: Any,
        attrs: Any,
        outputs: Any,
        op_name: Any = None,  # noqa: ARG001  # TensorFlow calls it with more than it reads
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
            trace.computed(inputs, outputs[0] if outputs else None)
        tensorflow_flow.attempt(trace.flow, op_type, inputs, attrs, outputs)
        if op_type == "Softmax":
            trace.add(Softmax(stack[-1] if stack else None, inputs[0], outputs[0]))
        elif op_type == "LogSoftmax":
            trace.add(Softmax(stack[-1] if stack else None, inputs[0], outputs[0], log=True))
        return outputs

    return observe


BACKEND: Final = TensorFlow()
