"""Stands where JAX traces, and runs each primitive instead.

Room: capture, Keras on JAX. JAX hands every primitive to the trace that is current; jit, vmap and
grad are such traces. The one here computes the primitive's value at once and writes down what it
did. A primitive that holds a program of its own (remat, cond, scan) is run step by step.

JAX has no softmax primitive. One is ``exp(a - max a)`` divided by the sum of it, however it is
written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from limelight.capture.keras.backends import jax_flow
from limelight.capture.keras.backends.jax_softmax import Softmaxes
from limelight.capture.keras.trace import Call, Trace

# Primitives that run a program handed to them, under its name among their parameters.
_PROGRAMS = {
    "jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr",
    "checkpoint": "jaxpr", "remat2": "jaxpr", "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr", "custom_vjp_call_jaxpr": "fun_jaxpr",
}  # fmt: skip
# Primitives that only rearrange values or change their precision.
_SAME_VALUES = frozenset(
    {"reshape", "transpose", "squeeze", "expand_dims", "broadcast_in_dim", "convert_element_type",
     "copy", "copy_p", "stop_gradient", "reduce_precision", "optimization_barrier",
     "sharding_constraint", "device_put", "name"}
)  # fmt: skip
# Primitives whose insides nobody sees.
_HIDDEN = frozenset(
    {"call_exported", "call_tf", "pallas_call", "pure_callback", "io_callback", "ffi_call",
     "xla_call", "custom_call"}
)  # fmt: skip


def scope_name(trace: Trace, number: int) -> str:
    """Return the name under which the operations of a call are known while JAX traces them.

    Parameters
    ----------
    trace : Trace
    number : int
        The call's ordinal in the trace.

    Returns
    -------
    str
    """
    return f"limelight:{id(trace)}:{number}:"


@contextmanager
def traced_afresh() -> Iterator[None]:
    """Trace functions under ``jax.checkpoint`` again, whatever JAX remembers of them.

    JAX remembers a program by its function alone, and with it the weights the function closed over:
    after a step of training they are old, and so are the names of our calls.

    Yields
    ------
    None
    """
    from jax._src import ad_checkpoint
    from jax._src.interpreters import partial_eval

    original = ad_checkpoint._trace_to_jaxpr
    memories = [original, getattr(partial_eval, "trace_to_jaxpr", None)]

    def forget(function: Any) -> None:
        for memory in memories:
            if hasattr(memory, "evict_weakref"):
                memory.evict_weakref(function)

    def afresh(function: Any, *args: Any) -> Any:
        forget(function)
        try:
            return original(function, *args)
        finally:
            forget(function)

    ad_checkpoint._trace_to_jaxpr = afresh
    try:
        yield
    finally:
        ad_checkpoint._trace_to_jaxpr = original


def watcher(trace: Trace, stack: list[Call]) -> Any:
    """Return a trace for JAX that runs primitives and writes down what they did.

    Parameters
    ----------
    trace : Trace
        Where it is written down.
    stack : list of Call
        The calls that are running, innermost last.

    Returns
    -------
    jax.core.Trace
    """
    from jax._src import core

    run = _Runner(trace, stack)

    class Watcher(core.Trace):  # type: ignore[misc]  # JAX's own class has no types for us
        def process_primitive(self, primitive: Any, args: Any, params: Any, /) -> Any:
            return run(primitive, args, params)

        def process_call(self, primitive: Any, f: Any, args: Any, params: Any, /) -> Any:
            with core.set_current_trace(self):
                return f.call_wrapped(*args)

        def process_custom_jvp_call(
            self, primitive: Any, fun: Any, jvp: Any, args: Any, /, **_: Any
        ) -> Any:
            with core.set_current_trace(self):
                return fun.call_wrapped(*args)

        def process_custom_vjp_call(
            self, primitive: Any, fun: Any, fwd: Any, bwd: Any, args: Any, /, **_: Any
        ) -> Any:
            with core.set_current_trace(self):
                return fun.call_wrapped(*args)

        def stage_value(self, value: Any) -> Any:
            return core.eval_trace.stage_value(value)

        def cur_qdd(self, value: Any) -> Any:
            return value.cur_qdd()

    return Watcher()


class _Runner:
    """Runs primitives."""

    def __init__(self, trace: Trace, stack: list[Call]) -> None:
        self._trace = trace
        self._stack = stack
        self._softmaxes = Softmaxes(trace)

    def __call__(self, primitive: Any, args: Sequence[Any], params: dict[str, Any]) -> Any:
        outputs = self._inner(primitive.name, args, params)
        if outputs is not None:
            return outputs if primitive.multiple_results else outputs[0]
        output = primitive.bind(*args, **params)
        if not self._trace.muted:
            outputs = list(output) if primitive.multiple_results else [output]
            flow = self._trace.flow
            follow = partial(jax_flow.note, flow, primitive.name, args, params, outputs)
            shaped = [[t for t in tensors if hasattr(t, "shape")] for tensors in (args, outputs)]
            flow.attempt(follow, *shaped)
            single = outputs[0] if outputs else None
            self._note(primitive.name, args, params, single)
        return output

    def _note(self, name: str, args: Sequence[Any], params: dict[str, Any], output: Any) -> None:
        tensors = [arg for arg in args if hasattr(arg, "shape")]
        self._trace.hidden += name in _HIDDEN
        if name in _SAME_VALUES and tensors:
            self._trace.rearranged(tensors, output)
        elif name == "select_n":
            self._trace.chosen(tensors[1:], output)
        else:
            self._trace.computed(tensors, output)
        call = self._stack[-1] if self._stack else None
        self._softmaxes.note(call, name, args, params, output)

    def _inner(
        self, name: str, args: Sequence[Any], params: dict[str, Any]
    ) -> Sequence[Any] | None:
        """Run a primitive's own program, if it has one."""
        if name in _PROGRAMS:
            program = params[_PROGRAMS[name]]
            return self._evaluate(getattr(program, "jaxpr", program), _constants(program), args)
        if name == "cond":
            chosen = params["branches"][int(args[0])]
            return self._evaluate(chosen.jaxpr, chosen.consts, args[1:])
        if name == "scan":
            return self._scan(args, params)
        if name == "while":
            return self._while(args, params)
        return None

    def _scan(self, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
        import jax.numpy as jnp

        body, fixed, carried = params["jaxpr"], params["num_consts"], params["num_carry"]
        constants, carry = list(args[:fixed]), list(args[fixed : fixed + carried])
        scanned, ordinals = args[fixed + carried :], range(params["length"])
        rows = []
        for ordinal in reversed(ordinals) if params["reverse"] else ordinals:
            step = [*constants, *carry, *(self._row(array, ordinal) for array in scanned)]
            outputs = self._evaluate(body.jaxpr, body.consts, step)
            carry = list(outputs[:carried])
            rows.append(outputs[carried:])
        if params["reverse"]:
            rows.reverse()
        stacked = [jnp.stack(column) for column in zip(*rows, strict=True)]
        if not self._trace.muted:
            for output, column in zip(stacked, zip(*rows, strict=True), strict=True):
                self._trace.flow.join(column, output, 0, new=True)
        return [*carry, *stacked]

    def _row(self, array: Any, ordinal: int) -> Any:
        """Return one step's part of what a loop goes over."""
        row = array[ordinal]
        if not self._trace.muted:
            rest = list(range(1, len(array.shape)))
            self._trace.flow.cut(array, row, rest, {0: ordinal})
        return row

    def _while(self, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
        test, body = params["cond_jaxpr"], params["body_jaxpr"]
        first, second = params["cond_nconsts"], params["body_nconsts"]
        asked, done = list(args[:first]), list(args[first : first + second])
        carry = list(args[first + second :])
        while bool(self._evaluate(test.jaxpr, test.consts, [*asked, *carry])[0]):
            carry = list(self._evaluate(body.jaxpr, body.consts, [*done, *carry]))
        return carry

    def _evaluate(self, program: Any, constants: Sequence[Any], args: Sequence[Any]) -> list[Any]:
        """Run a program's equations one by one, each in the layer that wrote it."""
        known: dict[Any, Any] = dict(zip(program.constvars, constants, strict=True))
        known |= zip(program.invars, args, strict=True)

        def value(atom: Any) -> Any:
            return atom.val if hasattr(atom, "val") else known[atom]

        for equation in program.eqns:
            args = [value(atom) for atom in equation.invars]
            self._trace.equations.append(id(equation))
            try:
                with self._within(str(equation.source_info.name_stack)):
                    outputs = self(equation.primitive, args, equation.params)
            finally:
                self._trace.equations.pop()
            outputs = outputs if equation.primitive.multiple_results else [outputs]
            known |= zip(equation.outvars, outputs, strict=True)
        return [value(atom) for atom in program.outvars]

    @contextmanager
    def _within(self, scopes: str) -> Iterator[None]:
        """Take the innermost layer call that a program's equation names as the running one."""
        numbers = re.findall(rf"limelight:{id(self._trace)}:(\d+):", scopes)
        call = self._trace.calls[int(numbers[-1])] if numbers else None
        if call is None or (self._stack and self._stack[-1] is call):
            yield
            return
        self._stack.append(call)
        try:
            yield
        finally:
            self._stack.pop()


def _constants(program: Any) -> Sequence[Any]:
    return getattr(program, "consts", ())
