"""Calls a torch model on a probe the way its owner would.

Room: capture, torch. Comes in: a model and a probe. Goes out: the tensors it is called with, on
its device and in its precision, and a function that calls it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from limelight.capture.probe import Probe
from limelight.capture.torch.names import unwrapped
from limelight.errors import LimelightError, ProbeError

Way = Callable[[Any, Any], Any]


def prepared(model: Any, probe: Probe) -> Any:
    """Turn a probe's arrays into tensors.

    Parameters
    ----------
    model : torch.nn.Module
    probe : Probe

    Returns
    -------
    tensor, tuple of tensor, or dict of str to tensor
        As the probe holds its arrays; floats in the model's own precision.
    """
    import torch

    parameters = [*model.parameters(), *model.buffers()]
    device = next((p.device for p in parameters), torch.device("cpu"))
    floats = (p.dtype for p in parameters if p.is_floating_point() and p.itemsize > 1)
    dtype = next(floats, torch.get_default_dtype())

    def tensor(array: Any) -> Any:
        if array.dtype.kind in "USO":
            return array.tolist()
        made = torch.from_numpy(array.copy())
        return made.to(device, dtype if made.is_floating_point() else None)

    if isinstance(probe.inputs, dict):
        return {name: tensor(array) for name, array in probe.inputs.items()}
    if isinstance(probe.inputs, tuple):
        return tuple(tensor(array) for array in probe.inputs)
    return tensor(probe.inputs)


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
            named = inputs.items() if isinstance(inputs, dict) else enumerate(_listed(inputs))
            shapes = " and ".join(
                f"{name}={list(t.shape)}" if isinstance(inputs, dict) else str(list(t.shape))
                for name, t in named
                if hasattr(t, "shape")
            )
            raise ProbeError(
                f"The model {type(unwrapped(model)).__name__} refused inputs of shape {shapes}: "
                f"{_first_line(error)}",
                "Wanted what its forward() takes: a tuple holds positional arguments, a mapping "
                "keyword arguments.",
                "Pass a few examples prepared as for the model itself, or say how to call it: "
                "call=lambda model, inputs: …",
            ) from error

    return checked


def _listed(inputs: Any) -> tuple[Any, ...]:
    return inputs if isinstance(inputs, tuple) else (inputs,)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[0] if lines else type(error).__name__
    return said[:300].rstrip(".") + "."
