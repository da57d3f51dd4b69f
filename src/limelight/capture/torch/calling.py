"""Calls a torch model on a probe the way its owner would.

Room: capture, torch. Comes in: a model and a probe. Goes out: the tensors it is called with, on
its device and in the precision they came in, and a function that calls it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from limelight.capture.probe import Probe
from limelight.capture.probe.refused import advice, described
from limelight.capture.torch.names import unwrapped
from limelight.errors import LimelightError, ProbeError

Way = Callable[[Any, Any], Any]
Result = TypeVar("Result")

#: How torch words that two tensors, or a tensor and a parameter, differ in precision.
_PRECISION = re.compile(r"dtype|scalar type|[Ii]nput type|torch\.\w*float|Double|BFloat16|Half")


def accepted(model: Any, probe: Probe, act: Callable[[Any], Result]) -> Result:
    """Do something with a probe's inputs in the precision they came in.

    Only if the model refuses them there, it gets them in its own.

    Parameters
    ----------
    model : torch.nn.Module
    probe : Probe
    act : callable
        Takes the inputs as tensors; runs the model by :func:`forward`, and leaves it as it was.

    Returns
    -------
    object
        What ``act`` returns.

    Raises
    ------
    ProbeError
        If the model refuses the inputs in either precision.
    """
    inputs = prepared(model, probe)
    try:
        return act(inputs)
    except ProbeError as error:
        dtype = _dtype_of(model)
        refused = error.__cause__
        fits = all(not t.is_floating_point() or t.dtype == dtype for t in _tensors(inputs))
        if fits or refused is None or not _PRECISION.search(str(refused)):
            raise
    return act(prepared(model, probe, dtype))


def prepared(model: Any, probe: Probe, dtype: Any = None) -> Any:
    """Turn a probe's arrays into tensors.

    Parameters
    ----------
    model : torch.nn.Module
    probe : Probe
    dtype : torch.dtype, optional
        Of floats; by default as they came.

    Returns
    -------
    tensor, tuple of tensor, or dict of str to tensor
        As the probe holds its arrays; what is no array stays as it came.
    """
    import torch

    parameters = [*model.parameters(), *model.buffers()]
    device = next((p.device for p in parameters), torch.device("cpu"))

    def tensor(array: Any, precision: str | None) -> Any:
        if array.dtype.kind in "USO":
            return array.tolist()
        made = torch.from_numpy(array.copy())
        came = made.dtype if precision is None else getattr(torch, precision)
        return made.to(device, (dtype or came) if made.is_floating_point() else None)

    pairs = zip(probe.arrays, probe.precisions, strict=True)
    made = {id(array): tensor(array, precision) for array, precision in pairs}
    return probe.filled([made[id(array)] for array in probe.arrays])


def example_axes(probe: Probe) -> list[int | None]:
    """Return where the examples lie in each tensor that a model is called with.

    Parameters
    ----------
    probe : Probe

    Returns
    -------
    list of (int or None)
        Texts are no tensors. The first, where an input has rows of its own beside one example.
    """
    parts = zip(probe.arrays, probe.example_axes, probe.own_rows, strict=True)
    return [0 if rows else axis for array, axis, rows in parts if array.dtype.kind not in "USO"]


def _dtype_of(model: Any) -> Any:
    """Return the precision of a model's first parameter that has one to speak of."""
    import torch

    parameters = [*model.parameters(), *model.buffers()]
    floats = (p.dtype for p in parameters if p.is_floating_point() and p.itemsize > 1)
    return next(floats, torch.get_default_dtype())


def _tensors(inputs: Any) -> list[Any]:
    leaves = inputs.values() if isinstance(inputs, dict) else _listed(inputs)
    return [leaf for leaf in leaves if hasattr(leaf, "is_floating_point")]


def forward(model: Any, inputs: Any, call: Way | None) -> Callable[[], Any]:
    """Return a function that runs the model.

    Parameters
    ----------
    model : torch.nn.Module
    inputs : tensor, tuple of tensor, or dict of str to tensor
    call : callable, optional
        Given by the user.

    Returns
    -------
    callable
        Of no arguments. It raises a ProbeError if the model refuses the inputs.
    """

    def go() -> Any:
        if call is not None:
            return call(model, inputs)
        plain = unwrapped(model)
        if isinstance(inputs, dict):
            return plain(**inputs)
        return plain(*inputs) if isinstance(inputs, tuple) else plain(inputs)

    def checked() -> Any:
        try:
            return go()
        except LimelightError:
            raise
        except Exception as error:
            raise ProbeError(
                f"The model {type(unwrapped(model)).__name__} refused {described(inputs)}: "
                f"{_first_line(error)}",
                "Wanted what its forward() takes: a tuple holds positional arguments, a mapping "
                "keyword arguments.",
                f"{advice(inputs)}Pass a few examples prepared as for the model itself, or say how "
                "to call it: call=lambda model, inputs: …",
            ) from error

    return checked


def _listed(inputs: Any) -> tuple[Any, ...]:
    return inputs if isinstance(inputs, tuple) else (inputs,)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[0] if lines else type(error).__name__
    return said[:300].rstrip(".") + "."
