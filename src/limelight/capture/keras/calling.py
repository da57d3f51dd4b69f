"""Calls a Keras model on a probe the way its owner would.

Room: capture, Keras. Comes in: a model and a probe. Goes out: the tensors it was called with.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

from limelight.capture.keras.backends.backend import backend
from limelight.capture.probe import Probe
from limelight.capture.probe.refused import advice, described
from limelight.errors import LimelightError, ProbeError

_CONTEXT = {"training", "mask", "return_attention_scores", "use_causal_mask"}


def run(model: Any, probe: Probe, ready: Callable[[list[Any]], None] | None = None) -> list[Any]:
    """Run one eager forward pass for inference.

    Parameters
    ----------
    model : keras.Layer
    probe : Probe
    ready : callable, optional
        Given the inputs before the model gets them.

    Returns
    -------
    list of tensor
        The inputs, in the probe's order.

    Raises
    ------
    ProbeError
        If the model refuses them.
    """
    inputs = tensors(probe)
    if ready is not None:
        ready(inputs)
    try:
        outputs(model, probe, inputs)
    except LimelightError:
        raise
    except Exception as error:
        raise ProbeError(
            f"The model {model.name!r} refused {described(list(probe.arrays))}: "
            f"{_first_line(error)}",
            f"Wanted {_wanted(model)}.",
            f"{advice(probe.inputs)}Pass a few examples prepared as for model.predict, "
            "such as x[:8].",
        ) from error
    return inputs


def tensors(probe: Probe) -> list[Any]:
    """Return a probe's arrays as tensors of the backend.

    Parameters
    ----------
    probe : Probe

    Returns
    -------
    list of tensor
    """
    knows = backend()
    # One array given twice is one sequence; ids given twice are a source and a target of the same
    # words, which are read apart.
    made = {id(array): knows.tensor(array) for array in probe.arrays if array.dtype.kind == "f"}
    return [made[id(a)] if id(a) in made else knows.tensor(a) for a in probe.arrays]


def outputs(model: Any, probe: Probe, inputs: list[Any]) -> Any:
    """Call a model for inference and return what it returns.

    Parameters
    ----------
    model : keras.Layer
    probe : Probe
        Says how the inputs are laid out.
    inputs : list of tensor
        In the probe's order.

    Returns
    -------
    object
    """
    training = {"training": False} if getattr(model, "_call_has_training_arg", True) else {}
    return model(*_positional(model, probe, inputs), **training)


def _positional(model: Any, probe: Probe, inputs: list[Any]) -> tuple[Any, ...]:
    """Lay the inputs out as ``call`` takes them."""
    laid = probe.filled(inputs)
    if not isinstance(laid, tuple):
        return (laid,)
    inputs = list(laid)
    names = list(inspect.signature(model.call).parameters.values())
    positional = [p for p in names if p.kind <= p.POSITIONAL_OR_KEYWORD and p.name not in _CONTEXT]
    # ``fit`` hands several inputs on as one list; only a layer of its own takes them apart.
    if len(inputs) > 1 and len(positional) >= len(inputs):
        return tuple(inputs)
    return (inputs,)


def _wanted(model: Any) -> str:
    """Describe the inputs a model was built for, as far as it says."""
    specs = getattr(model, "inputs", None)
    if not specs:
        return "what its call() takes"
    shapes = " and ".join(str(tuple(spec.shape)) for spec in specs)
    return f"{len(specs)} input(s) of shape {shapes}"


def _first_line(error: Exception) -> str:
    """Return what an error says, without what Keras puts around it and without colours."""
    plain = re.sub(r"\x1b\[\d+m", "", str(error))
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith("Exception encountered when calling")]
    return (said[0] if said else type(error).__name__)[:300].rstrip(".") + "."
