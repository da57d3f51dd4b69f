"""Whether two models are the same, and whether one was left as it was.

Room: studying. Comes in: a live model. Goes out: hashes.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from limelight.capture.adapter import adapter_for


def weights_digest(model: Any) -> str:
    """Return a hash of every parameter and every other lasting value, by name.

    Parameters
    ----------
    model : keras.Model or torch.nn.Module

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    whole = hashlib.sha256()
    for name, values in sorted(_values(model), key=lambda pair: pair[0]):
        whole.update(name.encode())
        if values is not None:
            held = np.ascontiguousarray(values)
            whole.update(f"{held.dtype}{held.shape}".encode())
            whole.update(held.tobytes())
    return whole.hexdigest()[:32]


def state_digest(model: Any, weights: str | None = None, *, randomness: bool = True) -> str:
    """Return a hash of a model and of what a pass could leave behind.

    Parameters
    ----------
    model : keras.Model or torch.nn.Module
    weights : str, optional
        Its :func:`weights_digest`, where it is known.
    randomness : bool
        Whether random states count.

    Returns
    -------
    str
        Of weights, buffers, which parameters are trained, the mode of each module, its hooks, and
        the random states of Python and NumPy.
    """
    whole = hashlib.sha256((weights or weights_digest(model)).encode())
    for name, fact in _facts(model):
        whole.update(f"{name}={fact};".encode())
    if not randomness:
        return whole.hexdigest()[:32]
    whole.update(repr(random.getstate()).encode())
    whole.update(repr(np.random.get_state()).encode())  # noqa: NPY002  # the one that a model draws from
    return whole.hexdigest()[:32]


def _values(model: Any) -> Iterator[tuple[str, Any]]:
    adapter = adapter_for(model)
    named = getattr(adapter, "every_parameter", adapter.named_parameters)(model)
    for name, item in named.items():
        values = getattr(item, "values", item)
        yield name, values() if callable(values) else values
    if hasattr(model, "named_buffers"):
        for name, buffer in model.named_buffers():
            plain = buffer.detach()
            if not plain.is_meta:
                yield f"buffer {name}", _plain(plain)
        return
    trained = {id(variable) for variable in getattr(model, "trainable_variables", ())}
    for number, variable in enumerate(getattr(model, "non_trainable_variables", ())):
        if id(variable) not in trained:
            yield f"state {number} {variable.path}", _plain(variable.value)


def _plain(tensor: Any) -> Any:
    held = tensor.detach().cpu() if hasattr(tensor, "detach") else tensor
    try:
        return np.asarray(held)
    except (TypeError, RuntimeError):  # of a type that NumPy has not
        return np.asarray(held.float() if hasattr(held, "float") else held, np.float32)


def _facts(model: Any) -> Iterator[tuple[str, Any]]:
    modules = dict(model.named_modules()) if hasattr(model, "named_modules") else {}
    for name, module in modules.items():
        hooks = [len(getattr(module, kind, ())) for kind in
                 ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")]  # fmt: skip
        yield name, (bool(module.training), hooks, "forward" in vars(module))
    if hasattr(model, "named_parameters"):
        yield "trained", [bool(p.requires_grad) for _, p in model.named_parameters()]
    for layer in getattr(model, "_flatten_layers", list)():
        yield str(layer.name), bool(layer.trainable)
