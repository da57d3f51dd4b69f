"""What refers to others without holding them, or holds them for one thread or context.

Room: capture, reachable. Comes in: a value and its path. Goes out, into a
:class:`~limelight.capture.reachable.memory.Memory`: how it is put back, and what to look into next.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final

from limelight.capture.reachable.paths import spelled
from limelight.errors import UnsupportedModelError

if TYPE_CHECKING:
    from limelight.capture.reachable.memory import Memory

CONTAINERS: Final = (weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet)
REFERENCES: Final = (weakref.ReferenceType,)


def note_container(memory: Memory, value: Any, path: Any) -> None:
    """Remember what a container of weak references holds."""
    memory.follow([value.data], path, [""])
    members = [value] if isinstance(value, weakref.WeakSet) else [value.keys(), value.values()]
    for part in members:
        memory.follow(list(part), path)


def note_reference(memory: Memory, value: Any, path: Any) -> None:
    """Look at what is referred to, if it is there still."""
    memory.follow([value()], path, [""])


def note_local(memory: Memory, value: Any, path: Any) -> None:
    """Remember what this thread has of a value that each has of its own."""
    memory.follow([value.__dict__], path, [""])


def note_context(memory: Memory, value: Any, path: Any) -> None:
    """Remember a variable of this context; that it was not set cannot be put back."""
    missing = object()

    def now() -> Any:
        try:
            return value.get()
        except LookupError:
            return missing

    before = now()

    def undo() -> None:
        if now() is before:
            return
        if before is missing:
            raise UnsupportedModelError(
                f"The model's pass set {spelled(path)!r}, which was not set before.",
                "Wanted a model that one pass more leaves as it was.",
                "Set it before the model is recorded.",
            )
        value.set(before)

    memory.undo(undo)
    memory.follow([None if before is missing else before], path, [""])
