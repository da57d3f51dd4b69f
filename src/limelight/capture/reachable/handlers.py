"""What remembers a value, by its class.

Room: capture, reachable. Comes in: a class. Goes out: the function that remembers its values.
"""

from __future__ import annotations

import functools
import io
import random
import threading
import types
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from limelight.capture.reachable import arrays, buffers, containers, objects, references
from limelight.capture.reachable.iterators import is_iterator

if TYPE_CHECKING:
    from limelight.capture.reachable.memory import Memory

Note = Callable[["Memory", Any, Any], None]

#: Classes of values that cannot change.
ATOMS: Final = frozenset(
    {int, float, complex, bool, str, bytes, range, slice, type(None), type(...),
     types.ModuleType, types.CodeType, types.BuiltinFunctionType, types.MethodWrapperType,
     types.GetSetDescriptorType, types.MemberDescriptorType, property,
     staticmethod, classmethod}
)  # fmt: skip

# Packages whose objects are no part of what a model computes with (who trains it, who reads its
# data, who logs), or describe programs; following them leads to whole data sets.
_OPAQUE: Final = (
    "threading", "_thread", "multiprocessing", "concurrent", "asyncio", "logging", "socket",
    "ssl", "subprocess", "queue", "_queue", "selectors", "signal", "tempfile", "sqlite3",
    "ctypes", "inspect", "importlib", "typing", "weakref", "_weakref", "re", "pathlib",
    "datetime", "decimal", "fractions", "enum", "contextvars", "abc", "_abc", "tokenizers",
    "lightning", "pytorch_lightning", "lightning_fabric", "tensorflow", "tensorboard",
    "tensorboardX", "wandb", "mlflow", "pandas", "pyarrow", "matplotlib", "PIL", "datasets",
    "numpy", "numba", "torch._dynamo", "torch._inductor", "torch._C", "torch.fx", "torch.export",
    "torch.jit", "torch.utils.data", "torch.distributed", "torch.cuda", "torch.autograd",
    "torch._ops", "jax", "jaxlib", "limelight", "keras.src.optimizers", "keras.src.trainers",
    "keras.src.ops.node", "keras.src.dtype_policies", "keras.src.backend.common.keras_tensor",
    "keras.src.callbacks", "keras.src.losses",
)  # fmt: skip


def _leaf_only(memory: Memory, value: Any, path: Any) -> None:
    """Look no further than what the adapter knows, and what a proxy stands for."""
    if not memory.leaf(value, path):
        wrapped = getattr(value, "__wrapped__", None)
        if isinstance(wrapped, (dict, list, tuple)):
            memory.follow([wrapped], path, [""])
        shared = getattr(value, "_obj", None)  # of a value that processes share
        if isinstance(shared, buffers.CTYPES):
            memory.follow([shared], path, [""])


_KINDS: Final[tuple[tuple[Any, Note | None], ...]] = (
    (type, objects.note_class),
    (np.random.Generator, arrays.note_numpy_generator),
    (np.random.BitGenerator, arrays.note_numpy_generator),
    (np.random.RandomState, arrays.note_numpy_state),
    (np.random.SeedSequence, arrays.note_seeds),
    (np.ndarray, arrays.note_array),
    (np.generic, None),
    (random.Random, arrays.note_random),
    ((io.BytesIO, io.StringIO), buffers.note_text),
    (io.IOBase, arrays.note_file),
    (bytearray, containers.note_bytes),
    (array, buffers.note_numbers),
    (memoryview, buffers.note_view),
    (buffers.CTYPES, buffers.note_ctypes),
    (frozenset, containers.note_frozen),
    (types.MappingProxyType, containers.note_proxy),
    (references.CONTAINERS, references.note_container),
    (references.REFERENCES, references.note_reference),
    (threading.local, references.note_local),
    (ContextVar, references.note_context),
    (types.FunctionType, objects.note_function),
    (functools._lru_cache_wrapper, objects.note_cached),
    (types.MethodType, objects.note_method),
    (partial, objects.note_partial),
)

#: What remembers values of each class met so far; None leaves them alone.
_notes: dict[type, Note | None] = {
    list: containers.note_list,
    deque: containers.note_list,
    dict: containers.note_dict,
    OrderedDict: containers.note_dict,
    set: containers.note_set,
    tuple: containers.note_tuple,
}


def handler_of(kind: type) -> Note | None:
    """Return what remembers a value of a class.

    Parameters
    ----------
    kind : type

    Returns
    -------
    callable or None
        None for values that cannot change, or where nobody can tell.
    """
    if kind not in _notes:
        _notes[kind] = _note_of(kind)
    return _notes[kind]


def _note_of(kind: type) -> Note | None:
    if is_iterator(kind):
        return None  # whoever holds it has seen to it
    for base, note in _KINDS:
        if issubclass(kind, base):
            return note
    said: object = kind.__module__  # a class may have another attribute of that name
    module = said if isinstance(said, str) else ""
    opaque = any(module == name or module.startswith(f"{name}.") for name in _OPAQUE)
    entered = issubclass(kind, (list, dict, set, tuple, deque)) or (
        hasattr(kind, "named_parameters") and not module.startswith("torch.jit")
    )
    if opaque and not entered:
        return _leaf_only
    return objects.note_object
