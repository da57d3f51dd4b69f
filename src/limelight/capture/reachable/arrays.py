"""Arrays, generators of random numbers and files, as they were.

Room: capture, reachable. Comes in: a value and its path. Goes out, into a
:class:`~limelight.capture.reachable.memory.Memory`: how it is put back, and what to look into next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from limelight.capture.reachable.iterators import refusal
from limelight.capture.reachable.paths import spelled

if TYPE_CHECKING:
    from limelight.capture.reachable.memory import Memory


def note_array(memory: Memory, value: Any, path: Any) -> None:
    """Remember an array by value; what would be very much to copy is locked meanwhile."""
    if not value.flags.writeable:
        if isinstance(value.base, np.ndarray):
            memory.follow([value.base], path)
        return
    if not memory.copies(value.nbytes):
        memory.lock(value)
        return
    before, shape, dtype = value.copy(order="K"), value.shape, value.dtype

    def undo() -> None:
        if not value.flags.writeable:
            value.flags.writeable = True
        if value.dtype != dtype or value.shape != shape:
            value.dtype, value.shape = dtype, shape
        if dtype.hasobject:
            value[...] = before
        elif value.tobytes() != before.tobytes():
            np.copyto(value, before)

    memory.undo(undo)
    if dtype.hasobject:
        memory.follow(value.reshape(-1).tolist(), path)


def note_numpy_generator(memory: Memory, value: Any, path: Any) -> None:
    """Remember where a generator of NumPy's is, and how many it has spawned."""
    bits = value if isinstance(value, np.random.BitGenerator) else value.bit_generator
    before = bits.state
    memory.undo(lambda: setattr(bits, "state", before))
    memory.follow([getattr(bits, "seed_seq", None)], path, [""])


def note_seeds(memory: Memory, value: Any, path: Any) -> None:
    """Remember how many seeds were spawned from a sequence of them."""
    *_, state = value.__reduce__()
    before = state if isinstance(state, tuple) else value.__reduce_cython__()[1][2]
    count = value.n_children_spawned

    def undo() -> None:
        if value.n_children_spawned == count:
            return
        if isinstance(before, tuple):
            value.__setstate_cython__(before)
        if value.n_children_spawned != count:
            raise refusal(spelled(path), type(value).__name__)

    memory.undo(undo)


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
