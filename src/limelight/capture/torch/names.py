"""Names of a torch model's modules and parameters, whatever they are wrapped in.

Room: capture, torch. Comes in: a model. Goes out: a path for each module, a name for each weight,
the same whether or not the model is compiled or spread over devices.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from limelight.errors import UnbuiltModelError, UnsupportedModelError

#: What wrappers put into names. ``module`` counts only inside a wrapper of that kind.
_WRAPPED = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
_PARALLEL = {"DataParallel", "DistributedDataParallel"}

#: What is said of a parameter that the first batch makes.
UNINITIALISED = "is not initialised yet"


def unwrapped(model: Any) -> Any:
    """Return what a model's wrappers (compiled, parallel) wrap.

    Parameters
    ----------
    model : torch.nn.Module

    Returns
    -------
    torch.nn.Module
    """
    while True:
        inner = next((model._modules[n] for n in _WRAPPED if n in model._modules), None)
        if inner is None and type(model).__name__ in _PARALLEL:
            inner = model.module
        if inner is None:
            return model
        model = inner


def name_of(model: Any) -> str:
    """Name a model itself: by its class.

    Parameters
    ----------
    model : torch.nn.Module

    Returns
    -------
    str
    """
    return type(unwrapped(model)).__name__.lower()


def paths(model: Any) -> Iterator[tuple[Any, str]]:
    """Yield every module once, with its path in the model.

    Parameters
    ----------
    model : torch.nn.Module

    Yields
    ------
    (torch.nn.Module, str)
        Such as ``encoder/layers/0/self_attn``; the model itself is ``""``. A module used in several
        modules has the first of their paths.
    """
    parallel = {n for n, m in model.named_modules() if type(m).__name__ in _PARALLEL}
    for name, module in model.named_modules():
        yield module, _stripped(name, parallel)


def parameters(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield every trainable parameter once, with its stable name.

    Parameters
    ----------
    model : torch.nn.Module

    Yields
    ------
    (str, torch.nn.Parameter)
        Such as ``encoder/layers/0/linear1/weight``.

    Raises
    ------
    UnsupportedModelError
        If a parameter has no values here: it is not initialised yet, a placeholder, or a shard.
    """
    for path, parameter in every_parameter(model):
        if not parameter.requires_grad:
            continue
        reason = absence(parameter)
        if reason == UNINITIALISED:
            raise unbuilt(path)
        if reason:
            raise absent(path, reason)
        yield path, parameter


def every_parameter(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield every parameter once, frozen or not, with its stable name.

    Parameters
    ----------
    model : torch.nn.Module

    Yields
    ------
    (str, torch.nn.Parameter)
    """
    parallel = {n for n, m in model.named_modules() if type(m).__name__ in _PARALLEL}
    for name, parameter in model.named_parameters():
        yield _stripped(name, parallel), parameter


def absent(path: str, reason: str) -> UnsupportedModelError:
    """Return the error for a parameter without values.

    Parameters
    ----------
    path : str
        Its name.
    reason : str
        As :func:`absence` says it.

    Returns
    -------
    UnsupportedModelError
    """
    return UnsupportedModelError(
        f"Got a model whose parameter {path!r} {reason}.",
        "Wanted parameters with all their values in this process.",
        "Load or gather the whole model first, or call it once if it is lazy.",
    )


def unbuilt(path: str) -> UnbuiltModelError:
    """Return the error for a parameter that the first batch makes.

    Parameters
    ----------
    path : str
        Its name.

    Returns
    -------
    UnbuiltModelError
    """
    return UnbuiltModelError(
        f"Got a model whose parameter {path!r} {UNINITIALISED}.",
        "Wanted parameters with all their values in this process.",
        "Load or gather the whole model first, or call it once if it is lazy.",
    )


def absence(parameter: Any) -> str | None:
    """Say why a parameter has no values here; None if it has.

    Parameters
    ----------
    parameter : torch.nn.Parameter

    Returns
    -------
    str or None
    """
    kind = type(parameter).__name__
    if "Uninitialized" in kind:
        return UNINITIALISED
    if parameter.is_meta or kind == "FakeTensor":
        return "is on the device 'meta' and has no values"
    if kind in {"DTensor", "ShardedTensor"} or getattr(parameter, "_is_flat_param", False):
        return "is one process's shard of a larger one"
    return None


def _stripped(name: str, parallel: set[str]) -> str:
    parts = name.split(".") if name else []
    stable = [
        part
        for index, part in enumerate(parts)
        if part not in _WRAPPED and not (part == "module" and ".".join(parts[:index]) in parallel)
    ]
    return "/".join(stable)
