"""Keeps values from within a training step that JAX compiles.

Room: capture, Keras. Comes in: tracers. Goes out: arrays, which compiled code hands to a function
of ours at due steps only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.keras.backends.backend import Taken, Tap


class JaxTap(Tap):
    """Is called back by compiled code."""

    def __init__(self) -> None:
        self._taken: Taken | None = None
        self._squares: dict[str, Any] = {}

    def hold(self, due: Any, done: Any, entries: Sequence[tuple[int, Any, Any]]) -> None:
        """As :class:`Tap` says."""
        import jax
        import jax.numpy as jnp

        numbers = [number for number, *_ in entries]
        before = [variable.value for _, variable, _ in entries]
        gradients = [gradient for *_, gradient in entries]

        def keep(operands: Any) -> None:
            jax.debug.callback(store, *operands)

        def store(done: Any, gradients: Any, before: Any) -> None:
            copies = [[np.array(part) for part in parts] for parts in (gradients, before)]
            by_number = (dict(zip(numbers, parts, strict=True)) for parts in copies)
            self._taken = Taken(int(done), *by_number)

        operands = (jnp.asarray(done), gradients, before)
        jax.lax.cond(jnp.asarray(due), keep, lambda _: None, operands)

    def taken(self) -> Taken | None:
        """As :class:`Tap` says."""
        import jax

        jax.effects_barrier()
        taken, self._taken = self._taken, None
        return taken

    def through(self, name: str, values: Any, anchor: Any) -> Any:
        """As :class:`Tap` says."""
        import jax
        import jax.numpy as jnp

        def store(squares: Any) -> None:
            self._squares[name] = np.array(squares)

        @jax.custom_vjp  # type: ignore[untyped-decorator]  # of no type here
        def identity(values: Any, _anchor: Any) -> Any:
            return values

        def backward(anchor: Any, gradient: Any) -> Any:
            axes = (0, *range(2, gradient.ndim))
            # Which step it is, the loss does not know: kept is what came last.
            jax.debug.callback(store, jnp.square(gradient.astype("float32")).sum(axes))
            return gradient, jnp.zeros_like(anchor)

        identity.defvjp(lambda values, anchor: (values, anchor), backward)
        return identity(values, anchor)

    def squares(self) -> dict[str, NDArray[Any]]:
        """As :class:`Tap` says."""
        import jax

        jax.effects_barrier()
        squares, self._squares = self._squares, {}
        return squares
