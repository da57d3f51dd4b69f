"""Objects, functions and classes of the user's, as they were.

Room: capture, reachable. Comes in: a value and its path. Goes out, into a
:class:`~limelight.capture.reachable.memory.Memory`: how it is put back, and what to look into next.
"""

from __future__ import annotations

import dis
import random
import sys
import types
from collections import deque
from enum import EnumMeta
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from limelight.capture.reachable.containers import (
    iterators_copied,
    note_dict,
    note_list,
    note_set,
    note_tuple,
)
from limelight.capture.reachable.iterators import ITERATORS

if TYPE_CHECKING:
    from limelight.capture.reachable.memory import Memory

# What an attribute of a class counts with; other attributes of it may be there to look on.
_COUNTING: Final = ITERATORS | {int, float}

# Packages whose classes and functions hold no state of the user's.
_PACKAGES: Final = frozenset(
    {"torch", "keras", "keras_hub", "tensorflow", "jax", "jaxlib", "flax", "numpy", "transformers",
     "lightning", "pytorch_lightning", "timm", "torchvision", "diffusers", "peft", "accelerate",
     "limelight", "builtins", "einops", "scipy", "torchmetrics", "pytest", "_pytest",
     *sys.stdlib_module_names} - {"__main__"}
)  # fmt: skip


def note_object(memory: Memory, value: Any, path: Any) -> None:
    """Remember an object's attributes, in its ``__dict__`` and in slots."""
    if memory.leaf(value, path):
        return
    if isinstance(value, (list, deque)):
        note_list(memory, value, path)
    elif isinstance(value, dict):
        note_dict(memory, value, path)
    elif isinstance(value, set):
        note_set(memory, value, path)
    elif isinstance(value, tuple):
        note_tuple(memory, value, path)
    attributes = getattr(value, "__dict__", None)
    if type(attributes) is dict:
        memory.follow([attributes], path, ["__dict__"])
    kind: Any = type(value)
    for slot in _slots(kind):
        _slot(memory, value, slot, path)
    if kind.__module__.partition(".")[0] not in _PACKAGES:
        memory.follow([kind], path, ["class"])


def _slot(memory: Memory, value: Any, slot: Any, path: Any) -> None:
    missing = object()
    before = slot.__get__(value) if _filled(slot, value) else missing

    def undo() -> None:
        now = slot.__get__(value) if _filled(slot, value) else missing
        if now is not before:
            slot.__delete__(value) if before is missing else slot.__set__(value, before)

    memory.undo(undo)
    iterators_copied(memory, [before], path, lambda _, new: slot.__set__(value, new))
    memory.follow([before], path, [slot.__name__])


def _filled(slot: Any, value: Any) -> bool:
    try:
        slot.__get__(value)
    except AttributeError:
        return False
    return True


@cache
def _slots(kind: Any) -> list[Any]:
    """Return the slots of a class that is written in Python."""
    members = [
        member
        for base in kind.__mro__
        if "__slots__" in vars(base)
        for member in vars(base).values()
        if type(member) is types.MemberDescriptorType
    ]
    return [member for member in members if member.__name__ != "__weakref__"]


def _class(memory: Memory, value: Any, path: Any) -> None:
    """Remember counters, arrays and generators of a class of the user's, and of its functions."""
    for kind in value.__mro__:
        if kind.__module__.partition(".")[0] in _PACKAGES or isinstance(kind, EnumMeta):
            continue
        before = {n: held for n, held in vars(kind).items() if type(held) in _COUNTING}

        def undo(kind: Any = kind, before: dict[str, Any] = before) -> None:
            for name, held in before.items():
                if vars(kind).get(name) is not held:
                    setattr(kind, name, held)

        memory.undo(undo)
        iterators_copied(memory, before.values(), path, partial(setattr, kind), list(before))
        for name, held in vars(kind).items():
            if type(held) is types.FunctionType:
                memory.follow([held], path, [name])
            else:
                _numbers(memory, held, (path, name))


def note_function(memory: Memory, value: Any, path: Any) -> None:
    """Remember what a function of the user's encloses, its defaults, and globals it works on."""
    if (value.__module__ or "").partition(".")[0] in _PACKAGES:
        return
    for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
        _cell(memory, cell, (path, name))
    for name in _assigned(value.__code__):
        if name in value.__globals__:
            _global(memory, value.__globals__, name, (path, name))


@cache
def _assigned(code: types.CodeType) -> tuple[str, ...]:
    """Return the globals that a function assigns."""
    steps = dis.get_instructions(code)
    return tuple({str(step.argval) for step in steps if step.opname == "STORE_GLOBAL"})


def _cell(memory: Memory, cell: Any, path: Any) -> None:
    if not memory.first(cell):
        return
    try:
        before = cell.cell_contents
    except ValueError:  # not filled yet
        return

    def undo() -> None:
        if cell.cell_contents is not before:
            cell.cell_contents = before

    memory.undo(undo)
    iterators_copied(memory, [before], path, lambda _, new: setattr(cell, "cell_contents", new))
    _numbers(memory, before, path)


def _global(memory: Memory, names: dict[str, Any], name: str, path: Any) -> None:
    before = names[name]

    def undo() -> None:
        if names.get(name) is not before:
            names[name] = before

    memory.undo(undo)
    iterators_copied(memory, [before], path, lambda _, new: names.__setitem__(name, new))
    _numbers(memory, before, path)


def _numbers(memory: Memory, value: Any, path: Any) -> None:
    """Remember arrays and generators of random numbers; who looks on may enclose a list to fill."""
    if isinstance(value, (np.ndarray, np.random.Generator, np.random.RandomState, random.Random)):
        memory.follow([value], path, [""])
    else:
        memory.leaf(value, path)


def note_method(memory: Memory, value: Any, path: Any) -> None:
    """Look into what a method belongs to."""
    memory.follow([value.__self__, value.__func__], path)


def note_partial(memory: Memory, value: Any, path: Any) -> None:
    """Look into what a function is called with."""
    memory.follow([value.func, value.args, value.keywords, value.__dict__], path)


def note_class(memory: Memory, value: Any, path: Any) -> None:
    """Remember a class of the user's."""
    if value.__module__.partition(".")[0] not in _PACKAGES:
        _class(memory, value, path)
