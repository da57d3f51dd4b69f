"""Attributes of compiled scripts, which Python keeps nowhere.

Room: capture, torch. Comes in: a module that ``torch.jit`` made. Goes out: how all that it and its
parts count with is put back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Undo = Callable[[], object]


def scripted(script: Any, path: Any, tensor: Callable[[Any, Any], Undo]) -> Undo:
    """Remember what a script holds beside its parameters.

    Parameters
    ----------
    script : torch.jit.ScriptModule
    path : (path or None, object)
        Where it was met.
    tensor : callable
        Takes a tensor and its path; returns how it is put back.

    Returns
    -------
    callable
        Puts it back.
    """
    undos = [
        _attribute(module._c, name, (path, name), tensor)
        for module in script.modules()
        for name in _names(module)
    ]

    def undo() -> None:
        for part in undos:
            part()

    return undo


def _names(module: Any) -> list[str]:
    kind = getattr(module, "_concrete_type", None)
    return [] if kind is None else list(kind.get_attributes())


def _attribute(held_by: Any, name: str, path: Any, tensor: Callable[[Any, Any], Undo]) -> Undo:
    import torch

    before = held_by.getattr(name)
    if isinstance(before, torch.Tensor):
        values = tensor(before, path)

        def exchanged() -> None:
            values()
            if held_by.getattr(name) is not before:
                held_by.setattr(name, before)

        return exchanged

    def undo() -> None:
        if held_by.getattr(name) != before:
            held_by.setattr(name, before)

    plain = isinstance(before, (int, float, str, list, dict, tuple, type(None)))
    return undo if plain else _nothing


def _nothing() -> None:
    """Put back what cannot change."""
