"""Arrays, generators of random numbers and files, as they were.

Room: capture, reachable. Comes in: a value and its path. Goes out, into a
:class:`~limelight.capture.reachable.memory.Memory`: how it is put back, and what to look into next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from limelight.capture.reachable.memory import Memory

#: Arrays above so many bytes are not copied but locked while a pass lasts.
_LARGE: Final = 1 << 28


def note_array(memory: Memory, value: Any, path: Any) -> None:
    """Remember an array by value; a very large one is locked while a pass lasts."""
    if not value.flags.writeable:
        if isinstance(value.base, np.ndarray):
            memory.follow([value.base], path)
        return
    if value.nbytes > _LARGE:
        value.flags.writeable = False  # who writes to it is told so, before it is done
        memory.undo(lambda: setattr(value.flags, "writeable", True))
        return
    before, shape, dtype = value.copy(order="K"), value.shape, value.dtype

    def undo() -> None:
        if value.dtype != dtype or value.shape != shape:
            value.dtype, value.shape = dtype, shape
        if dtype.hasobject:
            value[...] = before
        elif value.tobytes() != before.tobytes():
            np.copyto(value, before)

    memory.undo(undo)
    if dtype.hasobject:
        memory.follow(value.reshape(-1).tolist(), path)


def note_numpy_generator(memory: Memory, value: Any, path: Any) -> None:  # noqa: ARG001
    """Remember where a generator of NumPy's is."""
    bits = value if isinstance(value, np.random.BitGenerator) else value.bit_generator
    before = bits.state
    memory.undo(lambda: setattr(bits, "state", before))


def note_numpy_state(memory: Memory, value: Any, path: Any) -> None:  # noqa: ARG001
    """Remember where one of NumPy's older generators is."""
    before = value.get_state()
    memory.undo(lambda: value.set_state(before))


def note_random(memory: Memory, value: Any, path: Any) -> None:
    """Remember where a generator of Python's is."""
    try:
        before = value.getstate()
    except NotImplementedError:  # the system's own randomness has no state
        return
    memory.undo(lambda: value.setstate(before))
    memory.follow([getattr(value, "__dict__", None)], path)


def note_file(memory: Memory, value: Any, path: Any) -> None:  # noqa: ARG001
    """Remember where a file is read; what is written to one is no state."""
    try:
        if value.closed or not value.readable() or value.writable() or not value.seekable():
            return
        before = value.tell()
    except (OSError, ValueError, AttributeError):
        return
    memory.undo(lambda: value.closed or value.tell() == before or value.seek(before))
