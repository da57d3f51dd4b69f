"""Bytes and numbers that are neither NumPy's nor a framework's, as they were.

Room: capture, reachable. Comes in: a value and its path. Goes out, into a
:class:`~limelight.capture.reachable.memory.Memory`: how it is put back, and what to look into next.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from limelight.capture.reachable.memory import Memory

#: What ctypes keeps memory of its own in.
CTYPES: Final[tuple[type, ...]] = (
    type(ctypes.c_int(0)).__mro__[1], ctypes.Array, ctypes.Structure, ctypes.Union
)  # fmt: skip


def note_text(memory: Memory, value: Any, path: Any) -> None:  # noqa: ARG001
    """Remember a file that is kept in memory: its content, and where it is read."""
    if value.closed:
        return
    before = value.__getstate__()

    def undo() -> None:
        if value.closed or value.__getstate__()[:-1] != before[:-1]:
            value.__setstate__(before)

    memory.undo(undo)


def note_numbers(memory: Memory, value: Any, path: Any) -> None:  # noqa: ARG001
    """Remember an array of Python's."""
    before = value[:]

    def undo() -> None:
        if value.tobytes() != before.tobytes():
            value[:] = before

    memory.undo(undo)


def note_view(memory: Memory, value: Any, path: Any) -> None:
    """Look at what a view of bytes shows."""
    try:
        memory.follow([value.obj], path)
    except ValueError:  # released
        return


def note_ctypes(memory: Memory, value: Any, path: Any) -> None:  # noqa: ARG001
    """Remember the memory of a value of C's."""
    address, size = ctypes.addressof(value), ctypes.sizeof(value)
    before = ctypes.string_at(address, size)

    def undo() -> None:
        if ctypes.string_at(address, size) != before:
            ctypes.memmove(address, before, size)

    memory.undo(undo)
