"""Objects, functions and classes of the user's, as they were.

Room: capture, reachable. Comes in: a value and its path. Goes out, into a
:class:`~limelight.capture.reachable.memory.Memory`: how it is put back, and what to look into next.
"""

from __future__ import annotations

import dis
import sys
import types
from collections import deque
from enum import EnumMeta
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from limelight.capture.reachable.containers import (
    iterators_copied,
    note_dict,
    note_grown,
    note_list,
    note_set,
    note_tuple,
)
from limelight.capture.reachable.iterators import is_iterator

if TYPE_CHECKING:
    from limelight.capture.reachable.memory import Memory

# What Python itself keeps in a class.
_NO_STATE: Final = {"__dict__", "__weakref__", "__doc__", "__module__", "__qualname__",
                    "__annotations__", "__annotate__", "__abstractmethods__", "_abc_impl",
                    "__static_attributes__", "__firstlineno__", "__slots__"}  # fmt: skip

_HOOKS: Final = {"_forward_hooks", "_forward_pre_hooks"}

_MISSING: Final = object()

_BINDING: Final = {"STORE_GLOBAL", "DELETE_GLOBAL", "STORE_ATTR", "DELETE_ATTR"}

# Packages whose classes and functions hold no state of the user's.
_PACKAGES: Final = frozenset(
    {"torch", "keras", "keras_hub", "tensorflow", "jax", "jaxlib", "flax", "numpy", "transformers",
     "lightning", "pytorch_lightning", "timm", "torchvision", "diffusers", "peft", "accelerate",
     "limelight", "builtins", "einops", "scipy", "torchmetrics", "pytest", "_pytest",
     *sys.stdlib_module_names} - {"__main__"}
)  # fmt: skip


def _package(module: Any) -> str:
    return module.partition(".")[0] if isinstance(module, str) else ""


@cache
def _is_installed(package: str) -> bool:
    """Say whether a package was installed, so that its globals are no state of the user's."""
    file = getattr(sys.modules.get(package), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file


def _is_library(part: Any) -> bool:
    """Say whether a class or module holds no state of the user's; models of any package may."""
    if isinstance(part, types.ModuleType):
        package = _package(part.__name__)
        return package in _PACKAGES or _is_installed(package)
    package = _package(part.__module__)
    if package in _PACKAGES or not _is_installed(package):
        return package in _PACKAGES
    return not any(_has(part, name) for name in ("named_parameters", "add_weight"))


def _has(part: Any, name: str) -> bool:
    try:
        return hasattr(part, name)
    except Exception:  # noqa: BLE001  # a class that is loaded when asked, and cannot be
        return False


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


def note_class(memory: Memory, value: Any, path: Any) -> None:
    """Remember what a class of the user's holds, and look into its functions."""
    for kind in (*value.__mro__, *type(value).__mro__):
        if _is_library(kind) or isinstance(kind, EnumMeta):
            continue
        if not memory.first(kind) and kind is not value:
            continue
        before = {name: held for name, held in vars(kind).items() if name not in _NO_STATE}
        memory.undo(partial(_class_as_before, kind, before))
        iterators_copied(memory, before.values(), path, partial(setattr, kind), list(before))
        memory.follow(map(_inside, before.values()), path, before)


def _class_as_before(kind: Any, before: dict[str, Any]) -> None:
    now = vars(kind)
    for name in [name for name in now if name not in before and name not in _NO_STATE]:
        type.__delattr__(kind, name)
    for name, held in before.items():
        if now.get(name) is not held:
            type.__setattr__(kind, name, held)


def _inside(held: Any) -> Any:
    """Return the functions of what a class wraps them in."""
    if isinstance(held, property):
        return (held.fget, held.fset, held.fdel)
    if isinstance(held, (staticmethod, classmethod)):
        return held.__func__
    return held


def note_function(memory: Memory, value: Any, path: Any) -> None:
    """Remember what a function of the user's encloses, defaults to, and reads of its module."""
    package = _package(value.__module__)
    if package in _PACKAGES:
        return
    for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
        _cell(memory, cell, (path, name))
    defaults = value.__defaults__ or ()
    iterators_copied(memory, defaults, path, partial(_default, memory, value))
    memory.follow([*defaults, value.__kwdefaults__, vars(value)], path)
    if not _is_installed(package):
        _names(memory, value.__globals__, value.__code__, path)


def _default(memory: Memory, function: Any, index: int, stand_in: Any) -> None:
    """Let a function take another value where it is called without one, until all is put back."""
    before = function.__defaults__
    memory.undo(lambda: setattr(function, "__defaults__", before))
    function.__defaults__ = (*before[:index], stand_in, *before[index + 1 :])


def _names(memory: Memory, names: dict[str, Any], code: types.CodeType, path: Any) -> None:
    """Remember globals that code names, and what it names of the user's modules among them."""
    spaces, met = [(names, path)], set()
    globals_named, every, stored = _named(code)
    while spaces:
        space, where = spaces.pop()
        met.add(id(space))
        named = globals_named if space is names else every
        before = {name: space.get(name, _MISSING) for name in named}
        modules = [held for held in before.values() if type(held) is types.ModuleType]
        spaces += [
            (vars(module), (where, module.__name__))
            for module in modules
            if id(vars(module)) not in met and not _is_library(module)
        ]
        back = {
            name: held for name, held in before.items() if name in stored or is_iterator(type(held))
        }
        memory.undo(partial(_names_as_before, space, back))
        iterators_copied(memory, before.values(), where, space.__setitem__, list(before))
        _enclosed(memory, before, where)


def _names_as_before(space: dict[str, Any], before: dict[str, Any]) -> None:
    for name, held in before.items():
        if space.get(name, _MISSING) is not held:
            if held is _MISSING:
                del space[name]
            else:
                space[name] = held


@cache
def _named(code: types.CodeType) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Return globals that code names, all names in it, and those it binds; of code inside too."""
    steps = [(step.opname, str(step.argval)) for step in dis.get_instructions(code)]
    read = frozenset(name for step, name in steps if step.endswith("_GLOBAL"))
    every = frozenset(code.co_names)
    bound = frozenset(name for step, name in steps if step in _BINDING)
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            inside = _named(part)
            read, every, bound = read | inside[0], every | inside[1], bound | inside[2]
    return read, every, bound


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
    _enclosed(memory, {"": before}, path)


def _enclosed(memory: Memory, values: dict[str, Any], path: Any) -> None:
    """Look into what a function works on; a hook may be there to look on, and fill a list."""
    if _of_hook(path):
        for name, held in values.items():
            if type(held) in (list, dict):
                note_grown(memory, held, (path, name))
    memory.follow(values.values(), path, values)


def _of_hook(path: Any) -> bool:
    while path is not None:
        path, part = path
        if part in _HOOKS:
            return True
    return False


def note_cached(memory: Memory, value: Any, path: Any) -> None:
    """Empty what remembers a function's results, if it was empty; look into the function."""
    if not value.cache_info().currsize:
        memory.undo(lambda: value.cache_info().misses and value.cache_clear())
    memory.follow([value.__dict__], path, [""])


def note_method(memory: Memory, value: Any, path: Any) -> None:
    """Look into what a method belongs to."""
    memory.follow([value.__self__, value.__func__], path)


def note_partial(memory: Memory, value: Any, path: Any) -> None:
    """Look into what a function is called with."""
    memory.follow([value.func, value.args, value.keywords, value.__dict__], path)
