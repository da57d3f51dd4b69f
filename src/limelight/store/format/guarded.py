"""The one door through which files of a recording are opened.

Room: store. Comes in: a path inside a recording, and the folders it may lie in. Goes out: a regular
file, open for reading, or an error. A pipe does not hang whoever opens it, a device or a folder is
no file, a link that leads out is refused by where the opened file lies, and nothing is read that
was not asked for by length.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: Windows has neither; there the first keeps bytes as they are.
_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
)


class Source:
    """A regular file, open for reading.

    Parameters
    ----------
    descriptor : int
    status : os.stat_result

    Attributes
    ----------
    size : int
        Bytes, when it was opened.
    stamp : tuple of int
        Tells whether it is still the same file with the same content.
    """

    def __init__(self, descriptor: int, status: os.stat_result) -> None:
        self._descriptor = descriptor
        self.size = status.st_size
        self.stamp = stamp(status)

    def read(self, start: int, length: int) -> bytes:
        """Return that many bytes from a position on.

        Raises
        ------
        ValueError
            If there are not so many; nothing is allocated then.
        """
        if start < 0 or length < 0 or start + length > self.size:
            raise ValueError("too short")
        pieces, at = [], start
        while at < start + length:
            piece = self._piece(at, start + length - at)
            if not piece:
                raise ValueError("too short")
            pieces.append(piece)
            at += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _piece(self, start: int, length: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._descriptor, length, start)
        os.lseek(self._descriptor, start, os.SEEK_SET)
        return os.read(self._descriptor, length)


def stamp(status: os.stat_result) -> tuple[int, int, int]:
    """Return what changes when a file does: its size, its time, which file it is."""
    return status.st_size, status.st_mtime_ns, status.st_ino


@contextmanager
def reading(path: Path, within: Sequence[str | os.PathLike[str]]) -> Iterator[Source]:
    """Open a file of a recording.

    Parameters
    ----------
    path : Path
    within : sequence of path
        Folders; the file must really lie in one of them, wherever links led on the way. Links on
        the way to these folders themselves are followed.

    Yields
    ------
    Source

    Raises
    ------
    OSError
        If it cannot be opened.
    ValueError
        If it is no regular file, or lies elsewhere.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as cause:
        if cause.errno == errno.ELOOP:
            raise ValueError("links in a loop") from cause
        raise
    try:
        yield Source(descriptor, _regular(descriptor, path, within))
    finally:
        os.close(descriptor)


def content(path: Path, within: Sequence[str | os.PathLike[str]], most: int) -> bytes:
    """Return all of a file of a recording.

    Parameters
    ----------
    path : Path
    within : sequence of path
        As in :func:`reading`.
    most : int
        Bytes; of a longer file none is read.

    Raises
    ------
    OSError
        If it cannot be opened.
    ValueError
        If it is no regular file, lies elsewhere, or is longer.
    """
    with reading(path, within) as source:
        if source.size > most:
            raise ValueError(f"too long: {source.size:,} bytes; at most {most:,} are written")
        return source.read(0, source.size)


def checked(descriptor: int, path: Path, most: int) -> None:
    """Make sure that what a writer opened is a regular file, and no longer than one of ours.

    Raises
    ------
    OSError
        If it is not: a writer tells it as it tells of a full disk.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(22, "Not a regular file", str(path))
    if status.st_size > most:
        raise OSError(27, "File too large", str(path))


def _regular(
    descriptor: int, path: Path, within: Sequence[str | os.PathLike[str]]
) -> os.stat_result:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("no regular file")
    where = _where(descriptor, path, status)
    folders = [os.fspath(folder) for folder in within]
    if not any(is_below(where, _real(folder)) for folder in folders):
        _real.cache_clear()  # a folder may have been renamed since
        if not any(is_below(where, _real(folder)) for folder in folders):
            raise ValueError("a link leads out of the recording's folder")
    return status


def is_below(path: str, folder: str) -> bool:
    """Say whether a path lies in a folder, or is it; both without links."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


@lru_cache(maxsize=512)
def _real(folder: str) -> str:
    return os.path.realpath(folder)


def _where(descriptor: int, path: Path, status: os.stat_result) -> str:
    """Return where an open file lies: a path may lead elsewhere a moment later."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115  # Linux
    except OSError:
        pass
    if hasattr(fcntl, "F_GETPATH"):  # macOS
        return os.fsdecode(fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
    where = os.path.realpath(path)
    if not os.path.samestat(os.stat(where), status):  # noqa: PTH116  # a text, no path
        raise ValueError("it was exchanged while it was opened")
    return where
