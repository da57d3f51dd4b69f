"""Lists, dicts, sets and their like, as they were.

Room: capture, reachable. Comes in: a value and its path. Goes out, into a
:class:`~limelight.capture.reachable.memory.Memory`: how it is put back, and what to look into next.
"""

from __future__ import annotations

import gc
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from functools import partial
from operator import is_
from typing import TYPE_CHECKING, Any

from limelight.capture.reachable.iterators import is_iterator, position, refusal
from limelight.capture.reachable.paths import spelled

if TYPE_CHECKING:
    from limelight.capture.reachable.memory import Memory


def note_list(memory: Memory, value: Any, path: Any) -> None:
    """Remember what a list or deque holds."""
    base: Any = deque if isinstance(value, deque) else list
    before = tuple(base.__iter__(value))

    def undo() -> None:
        if base.__len__(value) != len(before) or not all(map(is_, base.__iter__(value), before)):
            base.clear(value)
            base.extend(value, before)

    memory.undo(undo)
    iterators_copied(memory, before, path, partial(base.__setitem__, value))
    memory.follow(before, path)


def note_dict(memory: Memory, value: Any, path: Any) -> None:
    """Remember what a dict holds, in its order."""
    base: Any = OrderedDict if isinstance(value, OrderedDict) else dict
    if not value:
        memory.undo(lambda: value and base.clear(value))
        return
    before = dict(base.items(value))

    def undo() -> None:
        if not _same(value, before, base):
            base.clear(value)
            base.update(value, before)

    memory.undo(undo)
    iterators_copied(memory, before.values(), path, partial(base.__setitem__, value), list(before))
    memory.follow(before.values(), path, before)


def note_grown(memory: Memory, value: Any, path: Any) -> None:
    """Remember what a list or dict holds that may be filled by who looks on: additions stay."""
    if not memory.first(value):
        return
    before = dict(value) if isinstance(value, dict) else list(value)
    held = before.items() if isinstance(before, dict) else enumerate(before)
    members = dict(held)

    def undo() -> None:
        now = value if isinstance(value, dict) else dict(enumerate(value))
        if any(now.get(key, undo) is not member for key, member in members.items()):
            value.clear()
            (value.update if isinstance(value, dict) else value.extend)(before)

    memory.undo(undo)
    for key, member in members.items():
        if type(member) in (list, dict):
            note_grown(memory, member, (path, key))
    memory.follow(members.values(), path, members)


def _same(now: Any, before: dict[Any, Any], base: Any) -> bool:
    return (
        len(now) == len(before)
        and all(map(is_, base.keys(now), before))
        and all(map(is_, base.values(now), before.values()))
    )


def iterators_copied(
    memory: Memory,
    values: Iterable[Any],
    path: Any,
    put: Callable[[Any, Any], object],
    keys: list[Any] | None = None,
) -> None:
    """Let a pass draw from copies of iterators, or, where there are none, from none at all."""
    members = list(values)
    if any(map(is_iterator, set(map(type, members)))):
        for index, member in enumerate(members):
            if is_iterator(type(member)):
                key = index if keys is None else keys[index]
                put(key, memory.stand_in(member, (path, key)))


def note_set(memory: Memory, value: Any, path: Any) -> None:
    """Remember what a set holds."""
    before = frozenset(set.__iter__(value))

    def undo() -> None:
        if set.__len__(value) != len(before) or not set.issuperset(value, before):
            set.clear(value)
            set.update(value, before)

    memory.undo(undo)
    memory.follow(before, path)


def note_tuple(memory: Memory, value: Any, path: Any) -> None:
    """Look into a tuple, which cannot change itself."""
    for index, member in enumerate(tuple.__iter__(value)):
        if is_iterator(type(member)):
            _watched(memory, member, (path, index))
    memory.follow(tuple.__iter__(value), path)


def _watched(memory: Memory, iterator: Any, path: Any) -> None:
    """Refuse a model afterwards if it drew from an iterator that no copy can stand for."""
    before = position(iterator)

    def undo() -> None:
        if position(iterator) != before:
            raise refusal(spelled(path), type(iterator).__name__)

    memory.undo(undo)


def note_frozen(memory: Memory, value: Any, path: Any) -> None:
    """Look into a frozen set."""
    memory.follow(frozenset.__iter__(value), path)


def note_proxy(memory: Memory, value: Any, path: Any) -> None:
    """Look at the dict that a read-only view shows."""
    memory.follow([held for held in gc.get_referents(value) if isinstance(held, dict)], path)


def note_bytes(memory: Memory, value: Any, path: Any) -> None:  # noqa: ARG001
    """Remember the bytes of a bytearray."""
    before = bytes(value)
    memory.undo(lambda: value == before or value.__setitem__(slice(None), before))
