"""Keras on JAX: sees every primitive by standing where JAX would trace it.

Room: capture, Keras. Offers what :class:`~limelight.capture.keras.backends.backend.Backend` lists.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from limelight.capture.keras.backends.backend import Backend, Passage, Scope, Tap
from limelight.capture.keras.trace import Call, Trace
from limelight.errors import UnsupportedModelError

# One compiled call per recurrent layer, for as long as the layer lives.
_compiled: weakref.WeakKeyDictionary[Any, Callable[..., Any]] = weakref.WeakKeyDictionary()


class Jax(Backend):
    """Sees every primitive by standing where JAX would trace it."""

    TRIES_A_STEP: ClassVar = False
    COMPILES: ClassVar = True

    def version(self) -> str:
        import jax

        return f"jax {jax.__version__}"

    def ready(self, model: Any) -> None:
        from jax._src import core

        if not core.trace_state_clean():
            raise UnsupportedModelError(
                "Got a call from inside a function that JAX is tracing.",
                "Attention has values only when the model runs eagerly.",
                "Call limelight outside jax.jit, such as in a callback.",
            )
        if getattr(model, "_jax_state", None):
            model.jax_state_sync()

    def tensor(self, array: NDArray[Any]) -> Any:
        import keras

        if array.dtype.kind in "UO":
            return array
        dtype = keras.config.floatx() if array.dtype == np.float64 else None
        return keras.ops.convert_to_tensor(array, dtype=dtype)

    @contextmanager
    def observed(self, model: Any, trace: Trace, stack: list[Call]) -> Iterator[Scope]:
        import jax
        from jax._src import core

        from limelight.capture.keras.backends.jax_tracing import scope_name, watcher

        # What jax.jit decorates, and loops, run op by op, so that softmaxes inside have values.
        for variable in model.variables:
            trace.flow.parameter(variable.value, id(variable))
        with self.uncompiled(), core.set_current_trace(watcher(trace, stack)):
            yield lambda number: jax.named_scope(scope_name(trace, number))

    def loop(self, layer: Any, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
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

    def read(self, variable: Any) -> NDArray[Any]:
        return np.asarray(getattr(variable, "value", variable))

    def snapshot(self, variable: Any) -> NDArray[Any]:
        return self.read(variable)

    def has_values(self, tensor: Any) -> bool:
        import jax

        return not isinstance(tensor, jax.core.Tracer)

    def is_variable(self, value: Any) -> bool:
        return False  # JAX has none

    def remembered(self, value: Any, path: Any) -> Callable[[], object] | None:
        return None  # arrays of JAX do not change

    @contextmanager
    def randomness(self, model: Any) -> Iterator[list[Any]]:
        yield []  # JAX keeps no random state of its own

    def stir(self) -> None:
        """JAX keeps no random state of its own."""

    def tap(self, variables: Sequence[Any]) -> Tap:
        from limelight.capture.keras.backends.jax_tap import JaxTap

        return JaxTap()

    @contextmanager
    def uncompiled(self) -> Iterator[None]:
        import jax

        from limelight.capture.keras.backends.jax_tracing import traced_afresh

        with traced_afresh(), jax.disable_jit():
            yield

    def slopes(self, act: Callable[[list[Any]], Any], at: list[Any]) -> tuple[Any, list[Any]]:
        import jax

        values, back = jax.vjp(act, at)
        (slopes,) = back(jax.numpy.ones_like(values))
        return values, list(slopes)

    def softmaxes(self) -> list[tuple[Any, str]]:
        import jax

        return [(jax.nn, "softmax")]

    def passages(self) -> list[Passage]:
        from jax import numpy as jnp

        return [Passage(jnp, "matmul", "matmul"), Passage(jnp, "einsum", "einsum")]


BACKEND: Final = Jax()
