"""What of a Keras model's settings is looked at before it is trained.

Room: capture, Keras. Comes in: a live model. Goes out: settings. Nothing is run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from limelight.capture.keras import names
from limelight.capture.settings import INFERENCE, LOGITS, Setting

#: Losses by name take no logits.
_PROBABILITIES = ("sigmoid", "softmax", "hard_sigmoid")


def settings(model: Any) -> list[Setting]:
    """Look at a model's losses with its outputs, and at how its attention layers are called.

    Parameters
    ----------
    model : keras.Model

    Returns
    -------
    list of Setting
    """
    return [*_logits(model), *_modes(model)]


def _logits(model: Any) -> Iterator[Setting]:
    losses, outputs = _losses(model), list(_outputs(model))
    if len(losses) == 1:
        losses = losses * len(outputs)
    for loss, layer in zip(losses, outputs, strict=False):
        kind = _activation(layer)
        if loss is None or kind is None:
            continue
        logits = bool(_takes_logits(loss))
        name = f"{layer.name}: {kind}, {_named(loss)}"
        if logits:
            name += "(from_logits=True)"
        yield Setting(LOGITS, name, logits and kind in _PROBABILITIES)


def _losses(model: Any) -> list[Any]:
    """Return the losses in the order of the outputs, as far as that is known."""
    loss = getattr(model, "loss", None)
    if isinstance(loss, dict):
        ordered = [loss.get(name) for name in getattr(model, "output_names", None) or ()]
        return ordered if any(part is not None for part in ordered) else list(loss.values())
    return list(loss) if isinstance(loss, (list, tuple)) else [loss]


def _takes_logits(loss: Any) -> bool:
    options = getattr(loss, "_fn_kwargs", None) or {}
    return bool(getattr(loss, "from_logits", False) or options.get("from_logits", False))


def _named(loss: Any) -> str:
    return loss if isinstance(loss, str) else str(getattr(loss, "name", type(loss).__name__))


def _outputs(model: Any) -> Iterator[Any]:
    """Yield the layers that make a model's outputs, where it says which."""
    import keras

    tensors = getattr(model, "outputs", None)
    if tensors:
        for tensor in tensors:
            history = getattr(tensor, "_keras_history", None)
            if history is not None:
                yield history.operation
    elif isinstance(model, keras.Sequential) and model.layers:
        yield model.layers[-1]


def _activation(layer: Any) -> str | None:
    """Return the name of what a layer ends with; of a model within the model, its last layer."""
    inner = list(_outputs(layer)) if hasattr(layer, "outputs") else []
    if inner and inner[-1] is not layer:
        return _activation(inner[-1])
    if type(layer).__name__ in ("Softmax", "Sigmoid"):
        return type(layer).__name__.lower()
    activation = getattr(layer, "activation", None)
    return None if activation is None else str(getattr(activation, "__name__", activation))


def _modes(model: Any) -> Iterator[Setting]:
    """Say of each attention layer whether a call fixes ``training``, where models keep calls."""
    paths = names.paths(model)
    for layer in model._flatten_layers(include_self=False):
        if "attention" not in type(layer).__name__.lower():
            continue
        calls = [node.arguments.kwargs for node in getattr(layer, "_inbound_nodes", ())]
        if calls:
            fixed = any(call.get("training") is False for call in calls)
            path = paths.get(id(layer), layer.name)
            dropout = float(getattr(layer, "dropout", 0) or 0)
            name = f"{path}(training=False), dropout {dropout:g}" if fixed else path
            yield Setting(INFERENCE, name, fixed)
