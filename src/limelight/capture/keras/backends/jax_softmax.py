"""Tells softmaxes among JAX's primitives.

Room: capture, Keras on JAX. Comes in: primitives with their values, in the order they ran. Goes
out: every softmax among them, whether it is ``jax.nn.softmax`` or written by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from limelight.capture.keras.trace import Call, Softmax, Trace

# What a value goes through on its way without changing what it is to a softmax.
_PASSED_ON = frozenset(
    {"reshape", "squeeze", "expand_dims", "broadcast_in_dim", "convert_element_type", "copy",
     "copy_p", "stop_gradient", "reduce_precision", "optimization_barrier", "select_n", "max"}
)  # fmt: skip


@dataclass(eq=False)
class _Top:
    """The largest of some logits."""

    logits: Any


@dataclass(eq=False)
class _Shifted:
    """Logits less their largest."""

    logits: Any


@dataclass(eq=False)
class _Raised:
    """Exponentials of logits."""

    logits: Any
    shape: tuple[int, ...]


@dataclass(eq=False)
class _Total:
    """Sums of exponentials."""

    raised: _Raised
    axes: tuple[int, ...]


@dataclass(eq=False)
class _LogTotal:
    """Logarithms of sums of exponentials."""

    total: _Total


class Softmaxes:
    """Finds softmaxes and adds them to a trace.

    Parameters
    ----------
    trace : Trace
        Also keeps every tensor alive whose id is known here.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._roles: dict[int, Any] = {}

    def note(
        self, call: Call | None, name: str, args: Sequence[Any], params: Any, output: Any
    ) -> None:
        """Take in one primitive.

        Parameters
        ----------
        call : Call or None
            Where it ran.
        name : str
        args : sequence
        params : dict
        output : jax.Array
        """
        role = self._role(name, args, params)
        if role is not None:
            self._roles[id(output)] = role
            self._trace.tensors += [*args, output]
        if name == "div":
            raised, total = (self._roles.get(id(arg)) for arg in args)
            if isinstance(total, _Total) and total.raised is raised:
                self._add(call, total, output)
        elif name == "sub":
            shifted, logs = (self._roles.get(id(arg)) for arg in args)
            if isinstance(shifted, _Shifted) and isinstance(logs, _LogTotal) \
                    and logs.total.raised.logits is shifted.logits:  # fmt: skip
                self._add(call, logs.total, output, log=True)

    def _role(self, name: str, args: Sequence[Any], params: Any) -> Any:
        """Say what a primitive's output is on the way to a softmax."""
        roles = [self._roles.get(id(arg)) for arg in args]
        if name == "reduce_max":
            return _Top(args[0])
        if name == "sub":
            top = roles[1]
            return _Shifted(args[0]) if isinstance(top, _Top) and top.logits is args[0] else None
        if name == "exp":
            shifted = roles[0]
            logits = shifted.logits if isinstance(shifted, _Shifted) else args[0]
            return _Raised(logits, tuple(args[0].shape))
        if name == "reduce_sum" and isinstance(roles[0], _Raised):
            return _Total(roles[0], tuple(params["axes"]))
        if name == "log" and isinstance(roles[0], _Total):
            return _LogTotal(roles[0])
        if name in _PASSED_ON:
            first = next((role for role in roles if role is not None), None)
            whole = not isinstance(first, _Raised | _Shifted) or name not in _REFORMED
            return first if whole else None
        return None

    def _add(self, call: Call | None, total: _Total, output: Any, log: bool = False) -> None:
        import jax.numpy as jnp

        rank = len(output.shape)
        axes = range(rank - len(total.axes), rank)
        logits, weights = (
            jnp.moveaxis(tensor, total.axes, axes) for tensor in (total.raised.logits, output)
        )
        self._trace.rearranged([total.raised.logits], logits)
        moved = [*(axis for axis in range(rank) if axis not in total.axes), *total.axes]
        softmax_call = Softmax(call, logits, weights, len(total.axes), log=log)
        self._trace.add(softmax_call, output, moved=moved)


_REFORMED = frozenset({"reshape", "squeeze", "expand_dims", "broadcast_in_dim"})
