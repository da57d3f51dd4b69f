"""What a torch model's activations and normalisations give for a probe.

Room: capture, torch. Comes in: a live model and a probe. Goes out: a table. Modules are heard by
hooks that are gone afterwards, functions by a mode that lasts as long as the run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from limelight.capture.activating import NORMALISATIONS, Outputs, wanted
from limelight.capture.probe import Probe
from limelight.capture.torch import names
from limelight.capture.torch.calling import accepted, forward
from limelight.capture.torch.state import untouched
from limelight.distribution import TensorTable


def activations(model: Any, probe: Probe) -> TensorTable:
    """Run a model once on a probe, and sum up what its activation and normalisation layers give.

    Parameters
    ----------
    model : torch.nn.Module
        Stays as it is.
    probe : Probe

    Returns
    -------
    TensorTable
        As :meth:`limelight.capture.activating.Outputs.table` returns it. Of a function that a
        module calls, such as ``F.relu``, by the module's path, a colon and the function's name.
    """

    def observed(inputs: Any) -> TensorTable:
        with untouched(model):
            return _heard(model, forward(model, inputs, probe.call))

    return accepted(model, probe, observed)


def _heard(model: Any, run: Any) -> TensorTable:
    outputs, stack, handles = Outputs(), [("", False)], []
    try:
        for module, path in names.paths(model):
            kind = type(module).__name__
            known = wanted(kind) and not any(module.children())
            enter, leave = _hooks(outputs, stack, path or names.name_of(model), kind, known)
            handles += [
                module.register_forward_pre_hook(enter),
                module.register_forward_hook(leave, always_call=True),
            ]
        with _mode(outputs, stack):
            run()
    finally:
        for handle in handles:
            handle.remove()
    return outputs.table()


def _hooks(outputs: Outputs, stack: list[Any], path: str, kind: str, known: bool) -> Any:
    def enter(_module: Any, _inputs: Any) -> None:
        stack.append((path, known or stack[-1][1]))

    def leave(_module: Any, _inputs: Any, output: Any) -> None:
        stack.pop()
        if known and hasattr(output, "detach"):
            last = NORMALISATIONS.search(kind) and not kind.startswith(("Batch", "Group", "Inst"))
            _add(outputs, path, kind, output, -1 if last else None)

    return enter, leave


def _add(outputs: Outputs, name: str, kind: str, output: Any, axis: int | None) -> None:
    dtype = str(output.dtype).removeprefix("torch.")
    values = output.detach()
    if not values.is_floating_point() or values.is_sparse:
        return
    array = np.asarray((values.float() if values.itemsize < 4 else values).cpu().numpy())
    if axis is None:  # pictures have their channels first
        axis = 1 if array.ndim >= 4 or (array.ndim == 3 and kind.startswith("Batch")) else -1
    outputs.add(name, kind, array, axis, dtype)


def _mode(outputs: Outputs, stack: list[Any]) -> Any:
    """Return a mode that hears activations which modules call as functions."""
    from torch.overrides import TorchFunctionMode

    class Listening(TorchFunctionMode):  # type: ignore[misc]  # of no type here
        def __torch_function__(
            self, func: Any, _types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            output = func(*args, **(kwargs or {}))
            kind = getattr(func, "__name__", "")
            path, inside = stack[-1]
            if not inside and wanted(kind) and hasattr(output, "detach"):
                _add(outputs, f"{path}:{kind.strip('_')}", kind, output, None)
            return output

    return Listening()
