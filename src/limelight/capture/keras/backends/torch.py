"""Keras on torch: sees every function through a mode of torch's own.

Room: capture, Keras. Offers what :class:`~limelight.capture.keras.backends.backend.Backend` lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from limelight.capture.keras.backends.backend import Backend, Passage, Scope, Tap
from limelight.capture.keras.backends.kernels import attention
from limelight.capture.keras.backends.torch_flow import followed
from limelight.capture.keras.trace import Call, Softmax, Trace
from limelight.capture.torch.intercept.modes import Attend, Event, intercepted
from limelight.capture.torch.intercept.modes import Softmax as SoftmaxEvent
from limelight.capture.torch.tensors import Tensors
from limelight.errors import UnsupportedModelError

# Functions that only rearrange values or change their precision: what comes out is still the
# weights. Named, because torch spells each of them twice.
_SAME_VALUES = frozenset(
    {"reshape", "view", "view_as", "reshape_as", "flatten", "unflatten", "transpose", "permute",
     "swapaxes", "swapdims", "moveaxis", "movedim", "t", "squeeze", "unsqueeze", "to", "type",
     "type_as", "float", "half", "bfloat16", "double", "contiguous", "clone", "detach", "cpu",
     "cuda", "ravel"}
)  # fmt: skip


class Torch(Backend):
    """Sees every function through a mode of torch's own."""

    TRIES_A_STEP: ClassVar = True
    COMPILES: ClassVar = False

    def version(self) -> str:
        import torch

        return f"torch {torch.__version__}"

    def ready(self, model: Any) -> None:
        import torch

        if torch.compiler.is_compiling():
            raise UnsupportedModelError(
                "Got a call from inside a function that torch is compiling.",
                "Attention has values only when the model runs eagerly.",
                "Call limelight outside torch.compile, such as in a callback.",
            )

    def tensor(self, array: NDArray[Any]) -> Any:
        import keras

        if array.dtype.kind in "UO":
            return array
        dtype = keras.config.floatx() if array.dtype == np.float64 else None
        return keras.ops.convert_to_tensor(array, dtype=dtype)

    @contextmanager
    def observed(self, model: Any, trace: Trace, stack: list[Call]) -> Iterator[Scope]:
        import torch

        def interceptor(event: Event, run: Any) -> Any:
            output = run()
            if not trace.muted:
                _note(trace, stack[-1] if stack else None, event, output)
            return output

        with ExitStack() as undo:
            undo.enter_context(torch.no_grad())
            undo.enter_context(intercepted(model, interceptor))
            names = {id(getattr(v, "value", v)): id(v) for v in _variables(model)}
            undo.enter_context(followed(trace.flow, names, lambda: trace.muted))
            yield lambda _: nullcontext()

    def loop(self, layer: Any, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        import torch

        with torch._C.DisableTorchFunction():  # a step costs several times as much under a mode
            return original(layer, *args, **kwargs)

    def read(self, variable: Any) -> NDArray[Any]:
        import torch

        value = getattr(variable, "value", variable)
        if not isinstance(value, torch.Tensor):
            return np.asarray(value)
        value = value.detach().cpu()
        if value.dtype is torch.bfloat16:
            import ml_dtypes  # Keras brings it

            return np.asarray(value.view(torch.int16).numpy().view(ml_dtypes.bfloat16))
        return np.asarray(value.numpy())

    def snapshot(self, variable: Any) -> NDArray[Any]:
        return self.read(variable).copy()  # torch assigns in place

    def has_values(self, tensor: Any) -> bool:
        return not getattr(tensor, "is_meta", False)

    def is_variable(self, value: Any) -> bool:
        import torch

        return isinstance(value, torch.nn.Parameter)

    def remembered(self, value: Any, path: Any) -> Callable[[], object] | None:
        return Tensors().leaf(value, path)

    @contextmanager
    def randomness(self, model: Any) -> Iterator[list[Any]]:
        import torch

        modules = [(module, module.training) for module in model.modules()]
        drawn = torch.get_rng_state()
        devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
        try:
            yield []
        finally:
            torch.set_rng_state(drawn)
            if devices:
                torch.cuda.set_rng_state_all(devices)
            with torch.no_grad():
                for buffer, value in buffers:
                    buffer.copy_(value)
            for module, training in modules:
                module.training = training

    def stir(self) -> None:
        import torch

        torch.rand(())

    def tap(self, variables: Sequence[Any]) -> Tap:
        from limelight.capture.keras.backends.torch_tap import TorchTap

        return TorchTap()

    def uncompiled(self) -> AbstractContextManager[None]:
        return nullcontext()  # Keras compiles nothing for torch

    def slopes(self, act: Callable[[list[Any]], Any], at: list[Any]) -> tuple[Any, list[Any]]:
        import torch

        with torch.enable_grad():
            leaves = [tensor.detach().requires_grad_() for tensor in at]
            values = act(leaves)
            if not values.requires_grad:
                return values, [None] * len(leaves)
            return values, list(torch.autograd.grad(values.sum(), leaves, allow_unused=True))

    def softmaxes(self) -> list[tuple[Any, str]]:
        import torch
        from torch.nn import functional

        return [(torch, "softmax"), (torch.Tensor, "softmax"), (functional, "softmax")]

    def passages(self) -> list[Passage]:
        import torch
        from torch.nn import functional

        return [
            Passage(torch, "matmul", "matmul"),
            Passage(torch, "bmm", "matmul"),
            Passage(torch.Tensor, "matmul", "matmul"),
            Passage(torch.Tensor, "__matmul__", "matmul"),
            Passage(torch, "einsum", "einsum"),
            Passage(functional, "dropout", "same"),
        ]


def _variables(model: Any) -> list[Any]:
    """Return a model's variables, and parameters of torch modules inside."""
    return [*getattr(model, "variables", ()), *model.parameters()]


def _note(trace: Trace, call: Call | None, event: Event, output: Any) -> None:
    """Write into a trace what a function did."""
    if isinstance(event, SoftmaxEvent):
        trace.computed([event.logits])
        if event.logits.dim():
            axis = event.axis % output.dim()
            _note_softmax(trace, call, event.logits, output, axis, event.log)
    elif isinstance(event, Attend):
        trace.computed([event.query, event.key, event.value])
        softmax_call = _attention(call, event)
        if trace.examined:
            softmax_call.products += [(event.value, out) for out in _tensors(output)[:1]]
        softmax_call.course = trace.flow.kernel(event.query, event.key, event.value)
        softmax_call.values = event.value
        trace.note(softmax_call)
    else:
        inputs, outputs = _tensors((event.args, event.kwargs)), _tensors(output)
        if not inputs or not outputs:
            return  # a form: a shape, a dtype, a number of axes
        name = str(getattr(event.function, "__name__", ""))
        if name in _SAME_VALUES:
            trace.rearranged(inputs, outputs[0])
        elif name == "where":
            trace.chosen(inputs, outputs[0])
        else:
            trace.computed(inputs, outputs[0])


def _note_softmax(
    trace: Trace, call: Call | None, logits: Any, output: Any, axis: int, log: bool = False
) -> None:
    """Write a softmax over any axis into a trace."""
    muted, trace.muted = trace.muted, True
    try:
        last, weights = (tensor.movedim(axis, -1) for tensor in (logits, output))
    finally:
        trace.muted = muted
    trace.rearranged([logits], last)
    moved = [*(a for a in range(output.dim()) if a != axis), axis]
    trace.add(Softmax(call, last, weights, log=log), output, moved=moved)


def _attention(call: Call | None, event: Attend) -> Softmax:
    """Return the softmax inside ``scaled_dot_product_attention``."""
    bias = None if event.bias is None else BACKEND.read(event.bias)
    softmax_call = attention(
        call,
        np.array(BACKEND.read(event.query), np.float32),
        np.array(BACKEND.read(event.key), np.float32),
        dtype=str(event.query.dtype).removeprefix("torch."),
        scale=event.scale,
        bias=bias,
        causal=event.causal,
    )
    softmax_call.partners.append(tuple(event.value.shape))
    return softmax_call


def _tensors(value: Any) -> list[Any]:
    """Return the tensors in nested lists, tuples and dicts."""
    import torch

    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [tensor for item in value for tensor in _tensors(item)]
    return []


BACKEND: Final = Torch()
