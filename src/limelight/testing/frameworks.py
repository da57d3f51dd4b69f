"""What tests must know of a framework to see whether a model was left as it was.

Room: testing. Comes in: a live model. Goes out: its outputs, its state, and what hangs on it, as
plain values to compare. Asks only frameworks that are loaded already.
"""

from __future__ import annotations

import random
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Where a framework's functions may be replaced: module, then names in it.
_FUNCTIONS = {
    "torch": ("softmax", "bmm", "matmul", "einsum"),
    "torch.nn.functional": ("softmax", "scaled_dot_product_attention", "dropout",
                            "multi_head_attention_forward"),
    "keras.src.backend.nn": ("softmax", "dot_product_attention"),
    "keras.src.ops.nn": ("softmax", "dot_product_attention"),
    "jax.nn": ("softmax", "dot_product_attention"),
    "tensorflow.nn": ("softmax",),
}  # fmt: skip

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class PlannedError(RuntimeError):
    """What :func:`failing` makes a model raise."""


def is_torch(model: Any) -> bool:
    """Say whether a model is a torch module and no Keras layer."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module) and not is_keras(model)


def is_keras(model: Any) -> bool:
    """Say whether a model is a Keras layer."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(model, keras.layers.Layer)


def run(model: Any, inputs: Any) -> list[NDArray[Any]]:
    """Call a model as its owner would for inference.

    Parameters
    ----------
    model : torch.nn.Module or keras.Layer
    inputs : array, tuple of arrays, or mapping of str to array

    Returns
    -------
    list of array
        Every array in what it returned, in order.
    """
    if is_torch(model):
        return _run_torch(model, inputs)
    several = isinstance(inputs, tuple) and len(inputs) > 1
    return arrays(model(list(inputs) if several else inputs, training=False))


def arrays(outputs: Any) -> list[NDArray[Any]]:
    """Copy every array in what a model returned, in order.

    Parameters
    ----------
    outputs : object

    Returns
    -------
    list of array
    """
    torch = sys.modules.get("torch")
    return [
        leaf.detach().cpu().float().numpy().copy()
        if torch is not None and isinstance(leaf, torch.Tensor)
        else _array(leaf)
        for leaf in _leaves(outputs)
    ]


def _array(tensor: Any) -> NDArray[Any]:
    """Copy what Keras holds, whatever it runs on."""
    import keras

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Keras' own, with NumPy 2
        return np.array(keras.ops.convert_to_numpy(tensor))


def _run_torch(model: Any, inputs: Any) -> list[NDArray[Any]]:
    import torch

    def tensor(array: Any) -> Any:
        return torch.from_numpy(np.array(array))

    training = [module.training for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            if isinstance(inputs, Mapping):
                out = model(**{name: tensor(array) for name, array in inputs.items()})
            else:
                given = inputs if isinstance(inputs, tuple) else (inputs,)
                out = model(*map(tensor, given))
        return arrays(out)
    finally:
        for module, mode in zip(model.modules(), training, strict=True):
            module.training = mode


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
    elif hasattr(value, "shape"):
        yield value


def parameters(model: Any) -> list[NDArray[Any]]:
    """Return copies of a model's trainable parameters, in its own order.

    Parameters
    ----------
    model : torch.nn.Module or keras.Layer

    Returns
    -------
    list of array
    """
    if is_torch(model):
        return arrays([parameter for parameter in model.parameters() if parameter.requires_grad])
    return [_array(variable) for variable in model.trainable_weights]


def squares(outputs: Any, examples: int) -> Any:
    """Return one number for each example of what a model returned, in its own framework.

    Parameters
    ----------
    outputs : object
    examples : int

    Returns
    -------
    tensor [example]
        Of the first array that has so many rows: the sum of the squares of its first features, so
        that it depends on whatever came before, also behind a normalisation.
    """
    leaf = next(
        leaf for leaf in _leaves(outputs) if len(leaf.shape) > 1 and leaf.shape[0] == examples
    )
    torch = sys.modules.get("torch")
    if isinstance(leaf, np.ndarray):
        return np.square(leaf.astype(np.float64).reshape(examples, -1)[:, :7]).sum(1)
    if torch is not None and isinstance(leaf, torch.Tensor):
        return leaf.float().reshape(examples, -1)[:, :7].square().sum(1)
    import keras

    return keras.ops.sum(keras.ops.square(keras.ops.reshape(leaf, (examples, -1))[:, :7]), 1)


def load(model: Any, other: Any) -> None:
    """Load another model's parameters, as they are saved.

    Parameters
    ----------
    model, other : torch.nn.Module or keras.Layer
        Of one kind.
    """
    if is_torch(model):
        model.load_state_dict(other.state_dict())
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Keras' own, with NumPy 2
            model.set_weights(other.get_weights())


def randomness() -> list[Any]:
    """Return the state of every source of random numbers that is in use."""
    state: list[Any] = [random.getstate(), np.random.get_state()[1].tolist()]  # type: ignore[index]  # noqa: NPY002
    if "torch" in sys.modules:
        state.append(sys.modules["torch"].get_rng_state().tolist())
    if "keras" in sys.modules:
        shared = sys.modules["keras"].src.backend.common.global_state
        seeds = shared.get_global_attribute("global_seed_generator")
        state.append(None if seeds is None else _array(seeds.state).tolist())
    return state


def footprint(model: Any) -> dict[str, Any]:
    """Return everything of a model and its framework that a capture could have changed.

    Parameters
    ----------
    model : torch.nn.Module or keras.Layer

    Returns
    -------
    dict of str to object
        Modes of training, hooks, functions replaced; to compare with a later one.
    """
    prints: dict[str, Any] = {}
    for path, names in _FUNCTIONS.items():
        module = sys.modules.get(path)
        if module is None and path == "tensorflow.nn" and "tensorflow" in sys.modules:
            module = sys.modules["tensorflow"].nn
        if module is not None:
            prints |= {f"{path}.{name}": getattr(module, name, None) for name in names}
    if is_torch(model):
        prints |= _torch_footprint(model)
    if is_keras(model):
        kind = sys.modules["keras"].layers.Layer
        prints |= {f"Layer.{name}": getattr(kind, name) for name in ("__call__", "call")}
        for number, layer in enumerate(model._flatten_layers()):
            prints[f"layer {number}"] = sorted(vars(layer))
    return prints


def _torch_footprint(model: Any) -> dict[str, Any]:
    import torch

    prints: dict[str, Any] = {
        "modes that see functions": torch._C._len_torch_function_stack(),
        "fast path": torch.backends.mha.get_fastpath_enabled(),
        "gradients": torch.is_grad_enabled(),
    }
    for name, module in model.named_modules():
        prints[f"{name} training"] = module.training
        prints[f"{name} attributes"] = sorted(vars(module))
        for hooks in _HOOKS:
            prints[f"{name} {hooks}"] = dict(getattr(module, hooks))
    interface = getattr(sys.modules.get("transformers.modeling_utils"), "AttentionInterface", None)
    if interface is not None:
        prints |= {f"interface {key}": value for key, value in interface._global_mapping.items()}
    return prints


@contextmanager
def failing(model: Any, inputs: Any = None) -> Iterator[None]:
    """Let a model raise :class:`PlannedError` while the context lasts.

    Parameters
    ----------
    model : torch.nn.Module or keras.Layer
    inputs : optional
        Given, the middle one of the parts that run on them raises; else the model itself, when
        everything in it has run.

    Yields
    ------
    None
    """
    with ExitStack() as undo:
        if is_torch(model):
            part = model if inputs is None else _middle_module(model, inputs)
            undo.callback(part.register_forward_hook(_fail).remove)
        else:
            part = model if inputs is None else _middle_layer(model)
            original = part.call

            def call(*args: Any, **kwargs: Any) -> Any:
                _fail(original(*args, **kwargs))

            part.call = call
            undo.callback(delattr, part, "call")
        yield


def _fail(*_: Any) -> None:
    raise PlannedError("This failure was planned.")


def _middle_module(model: Any, inputs: Any) -> Any:
    called: list[Any] = []
    with ExitStack() as undo:
        for part in model.modules():
            hook = part.register_forward_pre_hook(lambda module, _: called.append(module))
            undo.callback(hook.remove)
        run(model, inputs)
    return called[len(called) // 2]


def _middle_layer(model: Any) -> Any:
    parts = [part for part in model._flatten_layers(include_self=False) if part.weights]
    return parts[len(parts) // 2] if parts else model
