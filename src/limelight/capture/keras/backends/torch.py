"""Keras on torch: sees every function through a mode of torch's own.

Room: capture, Keras. Offers what :class:`~limelight.capture.keras.backends.backend.Backend` lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.capture.keras.backends.backend import Scope
from limelight.capture.keras.backends.kernels import attention
from limelight.capture.keras.trace import Call, Softmax, Trace
from limelight.capture.torch.intercept.modes import Attend, Event, intercepted
from limelight.capture.torch.intercept.modes import Softmax as SoftmaxEvent
from limelight.errors import UnsupportedModelError

TRIES_A_STEP: Final = True

# Functions that only rearrange values or change their precision: what comes out is still the
# weights. Named, because torch spells each of them twice.
_SAME_VALUES = frozenset(
    {"reshape", "view", "view_as", "reshape_as", "flatten", "unflatten", "transpose", "permute",
     "swapaxes", "swapdims", "moveaxis", "movedim", "t", "squeeze", "unsqueeze", "to", "type",
     "type_as", "float", "half", "bfloat16", "double", "contiguous", "clone", "detach", "cpu",
     "cuda", "ravel"}
)  # fmt: skip


def version() -> str:
    """Return the framework's name and version.

    Returns
    -------
    str
    """
    import torch

    return f"torch {torch.__version__}"


def ready(model: Any) -> None:  # noqa: ARG001  # other frameworks need the model
    """Make sure that a call has values.

    Parameters
    ----------
    model : keras.Layer

    Raises
    ------
    UnsupportedModelError
        If torch is compiling or exporting the caller just now.
    """
    import torch

    if torch.compiler.is_compiling():
        raise UnsupportedModelError(
            "Got a call from inside a function that torch is compiling.",
            "Attention has values only when the model runs eagerly.",
            "Call limelight outside torch.compile, such as in a callback.",
        )


def tensor(array: NDArray[Any]) -> Any:
    """Return an array as the tensor the model would be called with.

    Parameters
    ----------
    array : array

    Returns
    -------
    torch.Tensor
        Text stays an array: torch has none.
    """
    import keras

    if array.dtype.kind in "UO":
        return array
    dtype = keras.config.floatx() if array.dtype == np.float64 else None
    return keras.ops.convert_to_tensor(array, dtype=dtype)


@contextmanager
def observed(model: Any, trace: Trace, stack: list[Call]) -> Iterator[Scope]:
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
    import torch

    def interceptor(event: Event, run: Any) -> Any:
        output = run()
        if not trace.muted:
            _note(trace, stack[-1] if stack else None, event, output)
        return output

    with ExitStack() as undo:
        undo.enter_context(torch.no_grad())
        undo.enter_context(intercepted(model, interceptor))
        yield lambda _: nullcontext()


def loop(layer: Any, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a recurrent layer of Keras' own.

    Parameters
    ----------
    layer : keras.layers.RNN
    original : callable
        Runs it.
    args, kwargs : tuple, dict
        What Keras hands to ``call``.

    Returns
    -------
    tensor or nested tensors
    """
    import torch

    with torch._C.DisableTorchFunction():  # a step costs several times as much under a mode
        return original(layer, *args, **kwargs)


def read(variable: Any) -> NDArray[Any]:
    """Return a variable's present value.

    Parameters
    ----------
    variable : keras.Variable or tensor

    Returns
    -------
    array
        In the variable's own dtype; the model's own memory where it lies on the CPU. Do not write
        to it.
    """
    import torch

    value = getattr(variable, "value", variable)
    if not isinstance(value, torch.Tensor):
        return np.asarray(value)
    value = value.detach().cpu()
    if value.dtype is torch.bfloat16:
        import ml_dtypes  # Keras brings it

        return np.asarray(value.view(torch.int16).numpy().view(ml_dtypes.bfloat16))
    return np.asarray(value.numpy())


def kept(variable: Any) -> NDArray[Any]:
    """Return a variable's value as it will still be after the variable has changed.

    Parameters
    ----------
    variable : keras.Variable

    Returns
    -------
    array
        A copy: torch assigns in place.
    """
    return read(variable).copy()


def has_values(tensor: Any) -> bool:
    """Say whether a tensor has values, and is no stand-in for one while a part is traced.

    Parameters
    ----------
    tensor : tensor

    Returns
    -------
    bool
    """
    return not getattr(tensor, "is_meta", False)


def is_variable(value: Any) -> bool:
    """Say whether a value is torch's own variable.

    Parameters
    ----------
    value : object

    Returns
    -------
    bool
    """
    import torch

    return isinstance(value, torch.nn.Parameter)


@contextmanager
def randomness(model: Any) -> Iterator[list[Any]]:
    """Put torch's random state back at the end, and which modules are in training.

    Parameters
    ----------
    model : keras.Layer

    Yields
    ------
    list of tensor
        Buffers, such as running averages, of torch modules inside the model.
    """
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


def _note(trace: Trace, call: Call | None, event: Event, output: Any) -> None:
    """Write into a trace what a function did."""
    if isinstance(event, SoftmaxEvent):
        trace.computed([event.logits])
        if event.logits.dim():
            logits, weights = (t.movedim(event.axis, -1) for t in (event.logits, output))
            trace.rearranged([event.logits], logits)
            trace.add(Softmax(call, logits, weights), output)
    elif isinstance(event, Attend):
        trace.computed([event.query, event.key, event.value])
        trace.softmaxes.append(_attention(call, event))
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
            trace.computed(inputs)


def _attention(call: Call | None, event: Attend) -> Softmax:
    """Return the softmax inside ``scaled_dot_product_attention``."""
    bias = None if event.bias is None else read(event.bias)
    found = attention(
        call,
        np.array(read(event.query), np.float32),
        np.array(read(event.key), np.float32),
        dtype=str(event.query.dtype).removeprefix("torch."),
        scale=event.scale,
        bias=bias,
        causal=event.causal,
    )
    found.partners.append(tuple(event.value.shape))
    return found


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
