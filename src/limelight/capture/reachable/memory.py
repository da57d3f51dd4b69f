"""Remembers how everything was that a model can reach.

Room: capture, reachable. Comes in: a model, and what its adapter says of its framework's values.
Goes out: all of it, as it was.
"""

from __future__ import annotations

import gc
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from limelight.capture.reachable.handlers import ATOMS, handler_of
from limelight.capture.reachable.iterators import copied, guarded
from limelight.capture.reachable.paths import spelled
from limelight.errors import UnsupportedModelError

#: Puts something back, if it has changed; returns nothing.
Undo = Callable[[], object]
#: Takes a value and its path, to be spelled; returns how it is put back, or None if it is no state
#: of a framework.
Leaf = Callable[[Any, Any], "Undo | None"]

#: Containers with more members than this are put back, their members are not looked into.
_LONG: Final = 100_000

#: Arrays are copied up to so many bytes in all; others are locked while a pass lasts.
_COPIED: Final = 1 << 28
_SMALL: Final = 1 << 16


class Memory:
    """How everything was that a model can reach.

    Parameters
    ----------
    leaf : callable
        Takes a value and its path; returns how a value of the framework's own is put back, or None
        if the value is to be looked into as any other.
    """

    def __init__(self, leaf: Leaf) -> None:
        self._leaf = leaf
        self._undos: list[Undo] = []
        self._seen: set[int] = set()
        self._alive: list[Any] = []  # so that no id is given to another object meanwhile
        self._queue: deque[tuple[Any, Any]] = deque()
        self._empty: list[Any] = []  # most of a model's dicts are empty
        self._refusals: list[UnsupportedModelError] = []
        self._copies: dict[int, Any] = {}  # what stands for an iterator meanwhile
        self._bytes = 0
        self._locked: list[Any] = []

    def note(self, value: Any, name: str) -> None:
        """Remember a value and all that can be reached from it.

        Parameters
        ----------
        value : object
        name : str
            For messages.
        """
        self._queue.append((value, (None, name)))
        self._walk()

    def restore(self) -> None:
        """Put everything back as it was.

        Raises
        ------
        UnsupportedModelError
            If something changed that cannot be put back; all else is back by then.
        """
        refused: Exception | None = next(iter(self._refusals), None)
        self._unlock()
        for container in self._empty:
            if container:
                type(container).clear(container)
        for undo in reversed(self._undos):
            try:
                undo()
            except Exception as error:  # noqa: BLE001  # one must not keep the others
                refused = refused or error
        self._undos.clear()
        if isinstance(refused, UnsupportedModelError):
            raise refused
        if refused is not None:
            raise UnsupportedModelError(
                "The model's pass changed what cannot be put back "
                f"({type(refused).__name__}: {str(refused)[:160]}).",
                "Wanted a model that one pass more leaves as it was.",
                "Let it close, seal or replace nothing of its own in a forward pass.",
            ) from refused

    def copies(self, size: int) -> bool:
        """Say whether an array of so many bytes is to be copied, and count it; small ones are."""
        if size > _SMALL and self._bytes + size > _COPIED:
            return False
        self._bytes += size
        return True

    def lock(self, array: Any) -> None:
        """Let nobody write to an array until everything is put back; who tries is told so."""
        array.flags.writeable = False
        self._locked.append(array)

    def _unlock(self) -> None:
        """Unlock arrays, those before their views: NumPy asks what a view is of."""
        locked = self._locked
        while locked:
            left = []
            for array in locked:
                try:
                    array.flags.writeable = True
                except ValueError:
                    left.append(array)
            if len(left) == len(locked):
                return
            locked = left

    def _walk(self) -> None:
        collecting = gc.isenabled()
        gc.disable()  # what is remembered makes many small objects, and no garbage
        try:
            self._look()
        finally:
            if collecting:
                gc.enable()

    def _look(self) -> None:
        queue, seen = self._queue, self._seen
        while queue:
            value, path = queue.popleft()
            kind = type(value)
            if kind in ATOMS or id(value) in seen:
                continue
            seen.add(id(value))
            self._alive.append(value)
            note = handler_of(kind)
            if note is None:
                continue
            try:
                note(self, value, path)
            except UnsupportedModelError:
                raise
            except Exception as cause:
                raise UnsupportedModelError(
                    f"What the model holds in {spelled(path)!r}, a {kind.__name__}, cannot be "
                    f"remembered ({type(cause).__name__}: {str(cause)[:160]}).",
                    "Wanted a model that one pass more can leave as it was.",
                    "Let the model hold it elsewhere, or not at all.",
                ) from cause

    def follow(self, values: Iterable[Any], path: Any, keys: Iterable[Any] | None = None) -> None:
        """Look into more values, unless all are numbers, text and their like."""
        values = tuple(values)
        if len(values) > _LONG or ATOMS.issuperset(map(type, values)):
            return
        named = range(len(values)) if keys is None else keys
        queue, empty = self._queue, self._empty
        for key, value in zip(named, values, strict=True):
            kind = type(value)
            if (kind is dict or kind is OrderedDict) and not value:
                empty.append(value)
            elif kind not in ATOMS:
                queue.append((value, (path, key)))

    def undo(self, undo: Undo) -> None:
        """Remember how something is put back."""
        self._undos.append(undo)

    def first(self, value: Any) -> bool:
        """Say whether a value was not met before, and remember that it was."""
        if id(value) in self._seen:
            return False
        self._seen.add(id(value))
        self._alive.append(value)
        return True

    def stand_in(self, iterator: Any, path: Any) -> Any:
        """Return what a pass draws from instead of an iterator."""
        if id(iterator) not in self._copies:
            if copied(iterator, self._copies) is None:
                self._copies[id(iterator)] = self._guarded(iterator, path)
            self._alive.append(iterator)
        return self._copies[id(iterator)]

    def _guarded(self, iterator: Any, path: Any) -> Any:
        return guarded(iterator, spelled(path), self._refusals)

    def leaf(self, value: Any, path: Any) -> bool:
        """Let the adapter remember a value of its framework's; say whether it did."""
        undo = self._leaf(value, path)
        if undo is not None:
            self._undos.append(undo)
        return undo is not None
