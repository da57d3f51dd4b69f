"""One thread at a time patches a framework; those that it waits for may do so meanwhile.

Room: capture. Comes in: nothing. Goes out: locks. Knows no framework.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

#: Of each thread, the turns that the thread which waits for it has taken.
_lent = threading.local()

_turns: list[Turn] = []


class Turn:
    """A lock that a thread may take several times, and that it lends to threads it waits for.

    Two threads that patch and restore crosswise would leave one patch behind.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._owner = threading.local()
        _turns.append(self)

    @property
    def taken(self) -> bool:
        """Whether this thread has it, or was lent it."""
        return getattr(self._owner, "count", 0) > 0 or self in getattr(_lent, "turns", ())

    def __enter__(self) -> None:
        """Wait for the lock, unless it was lent to this thread."""
        if self not in getattr(_lent, "turns", ()):
            self._lock.acquire()
            self._owner.count = getattr(self._owner, "count", 0) + 1

    def __exit__(self, *_: Any) -> None:
        """Give it back."""
        if self not in getattr(_lent, "turns", ()):
            self._owner.count -= 1
            self._lock.release()


def awaited(act: Callable[[], None]) -> Callable[[], None]:
    """Return what a thread shall do that this one will wait for: it is lent this one's turns.

    Parameters
    ----------
    act : callable

    Returns
    -------
    callable
    """
    turns = tuple(turn for turn in _turns if turn.taken)

    def admitted() -> None:
        _lent.turns = turns
        act()

    return admitted
