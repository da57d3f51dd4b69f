"""Models that one process cannot run alone, and how they are known before anything runs.

Room: below processes. Comes in: a model. Goes out: nothing, or an error that says why. A process
that runs such a model by itself waits for ever for the others, or computes from a part of the
numbers. Asks only frameworks that are loaded already, so it loads none.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from limelight.errors import UnsupportedModelError

_SHARDED: Final = {"FullyShardedDataParallel", "FSDPModule"}

#: What packages write onto parameters of which a process holds a part: DeepSpeed's ZeRO, flat
#: parameters of FSDP, Megatron.
_MARKS: Final = {
    "ds_id": "is held in parts by DeepSpeed's ZeRO",
    "ds_tensor": "is held in parts by DeepSpeed's ZeRO",
    "_is_flat_param": "is one process's shard of a larger one",
    "tensor_model_parallel": "is one process's part of a larger one (tensor parallel)",
}

#: Packages whose modules talk to other processes, and those of their modules that do not.
_TALKING: Final = ("torch.distributed", "deepspeed", "fairscale", "megatron", "colossalai",
                   "horovod", "torch_xla", "smdistributed")  # fmt: skip
_SILENT: Final = {"CheckpointWrapper", "OffloadWrapper", "ActivationWrapper"}

#: Functions of torch.distributed that wait for others begin so.
_COLLECTIVES: Final = ("all_", "_all", "broadcast", "reduce", "gather", "scatter", "barrier",
                       "monitored_barrier", "send", "recv", "isend", "irecv", "batch_isend",
                       "permute_tensor")  # fmt: skip


def refuse_divided(model: Any) -> None:
    """Refuse a model that one process cannot run alone.

    Parameters
    ----------
    model : object
        Any model; nothing of it is run.

    Raises
    ------
    UnsupportedModelError
        If a parameter or buffer is a part of a larger one, or a module talks to other processes.

    Examples
    --------
    >>> refuse_divided("a model of one process")
    """
    if "torch" in sys.modules and callable(getattr(model, "modules", None)):
        reason = _divided_torch(model)
    else:
        reason = _divided_jax(model)
    if reason:
        raise UnsupportedModelError(
            f"Got a {type(model).__name__} {reason}.",
            "Wanted a model that one process can run alone.",
            "Record a checkpoint of it instead, gathered into one process.",
        )


def _divided_torch(model: Any) -> str | None:
    for module in model.modules():
        if any(kind.__name__ in _SHARDED for kind in type(module).__mro__):
            return "whose parameters are sharded over processes (FSDP)"
    for listed in ("named_parameters", "named_buffers"):
        for name, tensor in getattr(model, listed, tuple)():
            part = _part(tensor)
            if part:
                return f"whose {name!r} {part}"
    for module in model.modules():
        if _talks(module):
            return f"whose {type(module).__name__} talks to other processes"
    return None


def _part(tensor: Any) -> str | None:
    """Say how a tensor is a part of a larger one; None if it is whole."""
    kinds = {kind.__name__ for kind in type(tensor).__mro__}
    if "DTensor" in kinds:
        size = int(tensor.device_mesh.size())
        words = f"is spread over a mesh of {size} (DTensor, as of tensor parallel)"
        return words if size > 1 else None
    if "ShardedTensor" in kinds:
        return "is one process's shard of a larger one"
    for mark, words in _MARKS.items():
        value = getattr(tensor, mark, None)
        if value is not None and value is not False:
            return words
    return None


def _talks(module: Any) -> bool:
    """Say whether a module, run in inference mode, waits for other processes."""
    kind = type(module)
    if kind.__name__ == "SyncBatchNorm":
        return False  # only while it trains
    if kind.__name__ == "DistributedDataParallel":
        return bool(module.will_sync_module_buffers())
    defined = kind.__module__ or ""
    if kind.__name__ not in _SILENT and any(
        defined == package or defined.startswith(f"{package}.") for package in _TALKING
    ):
        return True
    return any(map(_is_group, vars(module).values()))


def _is_group(value: Any) -> bool:
    """Say whether a value is a group of several processes, or a mesh of them."""
    if not {"ProcessGroup", "DeviceMesh"} & {kind.__name__ for kind in type(value).__mro__}:
        return False
    try:
        return int(value.size()) > 1
    except Exception:  # noqa: BLE001  # a group that this process is not in
        return True


def _divided_jax(model: Any) -> str | None:
    if "jax" not in sys.modules:
        return None
    for variable in getattr(model, "variables", ()):
        values = getattr(variable, "value", None)
        if getattr(values, "is_fully_addressable", True) is False:
            return f"whose {getattr(variable, 'path', 'parameters')!r} lies on other processes, too"
    return None


@contextmanager
def undisturbed() -> Iterator[None]:
    """Refuse whatever would wait for other processes, before it begins, while the context lasts.

    Yields
    ------
    None

    Raises
    ------
    UnsupportedModelError
        From within, where a model calls ``torch.distributed``.
    """
    distributed = sys.modules.get("torch.distributed")
    alone = distributed is None or not (distributed.is_available() and distributed.is_initialized())
    if alone or distributed.get_world_size() == 1:  # type: ignore[union-attr]
        yield
        return
    asked = (("torch.distributed.distributed_c10d", "_rank_not_in_group"),
             ("torch.distributed._functional_collectives", "_resolve_group_name"))  # fmt: skip
    with ExitStack() as undo:
        for name, function in asked:
            module = sys.modules.get(name)
            if hasattr(module, function):
                original = getattr(module, function)
                undo.callback(setattr, module, function, original)
                setattr(module, function, _refusing(original, threading.get_ident()))
        yield


def _refusing(original: Callable[..., Any], thread: int) -> Callable[..., Any]:
    """Return a function that every collective asks first, made to refuse those of a thread."""

    def refusing(*args: Any, **kwargs: Any) -> Any:
        caller = sys._getframe(1).f_code.co_name
        if threading.get_ident() == thread and caller.startswith(_COLLECTIVES):
            raise UnsupportedModelError(
                f"The model calls torch.distributed.{caller}, which waits for other processes.",
                "Wanted a model that one process can run alone.",
                "Record it with processes='all', or a checkpoint of it in one process.",
            )
        return original(*args, **kwargs)

    return refusing
