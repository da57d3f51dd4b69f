"""Iterators that a pass may draw from: copies of them, or none.

Room: capture, reachable. Comes in: an iterator. Goes out: another that yields the same, so
that the first stays where it is; or, where Python can make none, one that refuses to be drawn from
and says its name.
"""

from __future__ import annotations

import io
import itertools
import threading
import types
import warnings
import weakref
from collections.abc import Iterator
from typing import Any, Final

from limelight.errors import UnsupportedModelError

_ITERABLES: Final[tuple[Any, ...]] = (
    [], (), "", b"", bytearray(), range(0), range(1 << 70), {}, set(), {}.values(), {}.items()
)  # fmt: skip

#: Classes of iterators that only go forward.
ITERATORS: Final[frozenset[type]] = frozenset(
    {types.GeneratorType, map, filter, zip, enumerate, reversed,
     *(kind for kind in vars(itertools).values() if isinstance(kind, type)),
     *(type(iter(value)) for value in _ITERABLES), type(reversed([])), type(iter(int, 1))}
)  # fmt: skip


#: The flag of classes that a program defines, which are not Python's own or a library's in C.
_HEAP: Final = 1 << 9

# Classes met so far, by whether their values only go forward and are not written in Python.
_others: dict[type, bool] = dict.fromkeys(ITERATORS, True)


def is_iterator(kind: type) -> bool:
    """Say whether values of a class only go forward, and hide where they are.

    What a class of the user's remembers is in its attributes, and a file can go back.

    Parameters
    ----------
    kind : type

    Returns
    -------
    bool
    """
    if kind not in _others:
        said: object = kind.__module__  # a class may have another attribute of that name
        package = said.partition(".")[0] if isinstance(said, str) else ""
        hidden = not kind.__flags__ & _HEAP or package in ("torch", "tensorflow", "jax", "_csv")
        goes = hasattr(kind, "__next__") and not issubclass(kind, io.IOBase)
        _others[kind] = hidden and goes and kind not in weakref.ProxyTypes
    return _others[kind]


def copied(iterator: Iterator[Any], copies: dict[int, Any] | None = None) -> Iterator[Any] | None:
    """Return an iterator that yields what another one will yield; None where there can be none.

    Parameters
    ----------
    iterator : iterator
        Is not drawn from.
    copies : dict of int to iterator, optional
        Copies that were made already, by the id of what they are of; filled. Two iterators that
        draw from a third do so when they are copied, too.

    Returns
    -------
    iterator or None

    Examples
    --------
    >>> counter = itertools.count(3)
    >>> next(copied(counter)), next(counter)
    (3, 3)
    """
    if copies is None:
        copies = {}
    if id(iterator) in copies:
        return copies[id(iterator)]  # type: ignore[no-any-return]
    copy = _copied(iterator, copies)
    if copy is not None:
        copies[id(iterator)] = copy
    return copy


def _copied(iterator: Iterator[Any], copies: dict[int, Any]) -> Iterator[Any] | None:
    """Make a copy by what Python says of an iterator to whoever pickles it."""
    if type(iterator) not in ITERATORS or type(iterator) is types.GeneratorType:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            parts: Any = iterator.__reduce__()
    except TypeError:
        return None
    function, args, *rest = parts
    state = rest[0] if rest else None
    try:
        copy = function(*_each_copied(args, copies))
        if state is not None:
            copy.__setstate__(_each_copied(state, copies) if type(state) is tuple else state)
    except _NoCopyError:
        return None
    return copy  # type: ignore[no-any-return]


class _NoCopyError(Exception):
    """Something that an iterator draws from has no copy."""


def _each_copied(parts: tuple[Any, ...], copies: dict[int, Any]) -> tuple[Any, ...]:
    return tuple(_part_copied(part, copies) for part in parts)


def _part_copied(part: Any, copies: dict[int, Any]) -> Any:
    """Copy what an iterator draws from, where that goes forward itself or holds what does."""
    kind = type(part)
    if kind in (tuple, list) and any(is_iterator(type(member)) for member in part):
        return kind(_each_copied(tuple(part), copies))
    if not is_iterator(kind):
        return part
    copy = copied(part, copies)
    if copy is None:
        raise _NoCopyError
    return copy


def position(iterator: Iterator[Any]) -> Any:
    """Return what tells whether an iterator has gone on, as far as Python shows it.

    Parameters
    ----------
    iterator : iterator
        Is not drawn from.

    Returns
    -------
    object
        To be compared.
    """
    if isinstance(iterator, types.GeneratorType):
        frame = iterator.gi_frame
        return None if frame is None else (frame.f_lasti, repr(frame.f_locals))
    return repr(iterator)


def refusal(path: str, kind: str) -> UnsupportedModelError:
    """Return the error for a model that draws from what cannot be put back.

    Parameters
    ----------
    path : str
        Its name.
    kind : str
        Its class.

    Returns
    -------
    UnsupportedModelError
    """
    return UnsupportedModelError(
        f"The model draws from {path!r}, a {kind}, which cannot be put back.",
        "Wanted a model that one pass more leaves as it was.",
        "Let it count with a number of its own, or draw outside its forward pass.",
    )


class _Refusing:
    """Stands for an iterator that nothing can put back; other threads draw from it as before."""

    def __init__(self, iterator: Any, path: str, refusals: list[UnsupportedModelError]) -> None:
        self._iterator, self._path, self._refusals = iterator, path, refusals
        self._thread = threading.get_ident()

    def __iter__(self) -> _Refusing:
        return self

    def __next__(self) -> Any:
        self._asked()
        return next(self._iterator)

    def send(self, value: Any) -> Any:
        self._asked()
        return self._iterator.send(value)

    def throw(self, *error: Any) -> Any:
        self._asked()
        return self._iterator.throw(*error)

    def _asked(self) -> None:
        if threading.get_ident() == self._thread:
            error = refusal(self._path, type(self._iterator).__name__)
            self._refusals.append(error)
            raise error


def guarded(iterator: Iterator[Any], path: str, refusals: list[UnsupportedModelError]) -> Any:
    """Return what stands for an iterator that cannot be put back: it refuses to be drawn from.

    Parameters
    ----------
    iterator : iterator
    path : str
        Its name, for the message.
    refusals : list of UnsupportedModelError
        Filled when it refuses; who calls the model may hide what it raised.

    Returns
    -------
    iterator
    """
    return _Refusing(iterator, path, refusals)
