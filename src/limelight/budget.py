"""What a process keeps of recordings for the next question, within one budget for all of them.

Room: beside renamed. Comes in: values that can be read again, and how many bytes each takes. Goes
out: the same, for as long as there is room; what was used longest ago goes first.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Any, Final


class Budget:
    """Values by owner and key, no more bytes of them than a budget.

    Parameters
    ----------
    most : int
        Bytes.

    Examples
    --------
    >>> budget, run = Budget(100), lambda: None
    >>> owner = budget.owner(run)
    >>> budget.put(owner, "a", "A", 60)
    >>> budget.put(owner, "b", "B", 60)
    >>> budget.get(owner, "a"), budget.get(owner, "b"), budget.size
    (None, 'B', 60)
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[tuple[int, Hashable], tuple[Any, int]] = OrderedDict()
        self._size = 0
        self._numbers = itertools.count()
        self._gone: deque[int] = deque()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes of what is there."""
        with self._lock:
            self._forget()
            return self._size

    def owner(self, of: object) -> int:
        """Return a number under which an object's values lie; they go when the object does."""
        number = next(self._numbers)
        # Garbage may be collected while the lock is held here: what is gone is only noted then.
        weakref.finalize(of, self._gone.append, number).atexit = False
        return number

    def get(self, owner: int, key: Hashable) -> Any:
        """Return a value, or None if it is not there, or not any more."""
        with self._lock:
            held = self._values.get((owner, key))
            if held is None:
                return None
            self._values.move_to_end((owner, key))
            return held[0]

    def put(self, owner: int, key: Hashable, value: Any, size: int) -> None:
        """Keep a value of so many bytes; one that alone is too large is not."""
        with self._lock:
            self._forget()
            self._drop((owner, key))
            if size > self._most:
                return
            self._values[owner, key] = (value, size)
            self._size += size
            while self._size > self._most:
                self._drop(next(iter(self._values)))

    def drop(self, owner: int, key: Hashable) -> None:
        """Let a value go."""
        with self._lock:
            self._drop((owner, key))

    def _drop(self, key: tuple[int, Hashable]) -> None:
        held = self._values.pop(key, None)
        if held is not None:
            self._size -= held[1]

    def _forget(self) -> None:
        """Let go what belonged to objects that are gone."""
        if not self._gone:
            return
        gone = {self._gone.popleft() for _ in range(len(self._gone))}
        for key in [key for key in self._values if key[0] in gone]:
            self._drop(key)


#: Of this process: arrays, lists of members, open runs.
BUDGET: Final = Budget(1 << 27)
