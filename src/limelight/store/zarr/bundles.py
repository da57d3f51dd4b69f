"""Bundles: files that hold what is small of one step, or of many.

Room: store. Comes in: the values of rows as Zarr stores them, by their keys. Goes out: ordinary ZIP
files, nothing in them compressed again, with a checksum for each member, one for the list of them
and the mark of the run; and the members, believed only where all of these hold.
"""

from __future__ import annotations

import io
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import google_crc32c

from limelight.budget import BUDGET
from limelight.store.format.files import Files
from limelight.store.format.guarded import Source

#: Members listed by a bundle: where each begins, how long it is, its CRC-32.
_Members = dict[str, tuple[int, int, int]]

_TAIL: Final = re.compile(r"r\.([0-9]{1,18})\.zip")
_SEALED: Final = re.compile(r"s\.([0-9]{1,18})-([0-9]{1,18})\.([0-9]{1,9})\.zip")

#: Bytes that a member takes in a list that is kept for the next question.
_LISTED: Final = 300

#: A larger bundle is none of ours, nor is a longer list of members, nor a longer line.
_LONGEST: Final = 1 << 31
_LONGEST_LIST: Final = 1 << 25
_LONGEST_LINE: Final = 1 << 22

_LINE: Final = re.compile(r"index/([0-9]{1,18})\.json")
_LOCAL: Final = struct.Struct("<4s22xHH")


@dataclass(frozen=True)
class Bundle:
    """One such file, by its name.

    Attributes
    ----------
    path : Path
    first, last : int
        Of the rows it holds.
    count : int
        How many they are.
    """

    path: Path
    first: int
    last: int
    count: int

    @property
    def sealed(self) -> bool:
        """Whether it is one of many rows."""
        return self.path.name.startswith("s")


def tail(files: Files, row: int) -> Path:
    """Return where all that is small of one row lies until it is sealed."""
    return files.rows / f"r.{row}.zip"


def sealed(files: Files, rows: list[int]) -> Path:
    """Return where all that is small of several rows lies."""
    return files.rows / f"s.{min(rows)}-{max(rows)}.{len(rows)}.zip"


def line_name(row: int) -> str:
    """Return the name of the member that holds a copy of a row's index line."""
    return f"index/{row}.json"


def listed(files: Files) -> list[Bundle]:
    """Return the bundles of a recording, by their names alone, in the order of their rows."""
    try:
        names = os.listdir(files.rows)  # noqa: PTH208  # names alone, no paths
    except OSError:
        return []
    bundles = []
    for name in names:
        if match := _TAIL.fullmatch(name):
            row = int(match.group(1))
            bundles.append(Bundle(files.rows / name, row, row, 1))
        elif match := _SEALED.fullmatch(name):
            bundles.append(Bundle(files.rows / name, *map(int, match.groups())))
    return sorted(bundles, key=lambda bundle: (bundle.first, bundle.last, bundle.sealed))


def write(file: IO[bytes], members: Iterable[tuple[str, bytes]], run: str) -> None:
    """Write a bundle.

    Parameters
    ----------
    file : binary file
        Empty, open for writing and reading.
    members : iterable of (str, bytes)
    run : str
        The run's own mark.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
        for name, data in members:
            packed.writestr(zipfile.ZipInfo(name), data)
        packed.comment = _comment(run, b"")
        length = len(packed.comment)
    # The list of members gets a checksum of its own: their names say what they are.
    end = file.seek(0, os.SEEK_END)
    with zipfile.ZipFile(file) as packed:
        start = packed.start_dir
    file.seek(start)
    listing = file.read(end - length - start)
    file.seek(end - length)
    file.write(_comment(run, listing))


def packed(members: Iterable[tuple[str, bytes]], run: str) -> bytes:
    """Return a small bundle's bytes."""
    file = io.BytesIO()
    write(file, members, run)
    return file.getvalue()


def _comment(run: str, listing: bytes) -> bytes:
    return f"limelight {run} {google_crc32c.value(listing):08x}".encode()


class Bundles:
    """The bundles of one recording, read.

    Parameters
    ----------
    files : Files
    run : str
        The run's own mark.
    """

    def __init__(self, files: Files, run: str) -> None:
        self._files = files
        self._run = run
        self._owner = BUDGET.owner(self)
        self._known: list[Bundle] = []

    def read(self, name: str, row: int, most: int = _LONGEST) -> bytes | None:
        """Return a member of a row's bundle; None if it has no such member.

        Parameters
        ----------
        name : str
        row : int
        most : int
            Bytes; of a longer one none is read.

        Raises
        ------
        OSError, ValueError
            If there is no bundle of that row, or it is damaged.
        """
        for path in self._candidates(row):
            try:
                with self._files.reading(path) as source:
                    members = self._members(path, source)
                    return _member(source, name, members[name], most) if name in members else None
            except FileNotFoundError:
                continue  # sealed meanwhile
        raise FileNotFoundError(2, "No such row", str(tail(self._files, row)))

    def holds(self, name: str, row: int) -> bool:
        """Say whether a row's bundle lists a member; as :meth:`read`, but reads none."""
        for path in self._candidates(row):
            try:
                with self._files.reading(path) as source:
                    return name in self._members(path, source)
            except FileNotFoundError:
                continue
        raise FileNotFoundError(2, "No such row", str(tail(self._files, row)))

    def path(self, row: int) -> Path:
        """Return where a row's bundle lies, or should."""
        return next(filter(Path.exists, self._candidates(row)), tail(self._files, row))

    def rows(self, bundle: Bundle) -> dict[int, bytes]:
        """Return the lines of the rows that a bundle holds.

        Raises
        ------
        OSError, ValueError
            If it is damaged.
        """
        lines = {}
        with self._files.reading(bundle.path) as source:
            for name, where in self._members(bundle.path, source).items():
                if (match := _LINE.fullmatch(name)) is not None:
                    lines[int(match.group(1))] = _member(source, name, where, _LONGEST_LINE)
        return lines

    def everything(self, bundle: Bundle) -> Iterator[tuple[str, bytes]]:
        """Yield all members of a bundle.

        Raises
        ------
        OSError, ValueError
            If it is damaged.
        """
        with self._files.reading(bundle.path) as source:
            for name, where in self._members(bundle.path, source).items():
                yield name, _member(source, name, where, _LONGEST)

    def _candidates(self, row: int) -> Iterator[Path]:
        yield tail(self._files, row)
        for again in (False, True):  # what is sealed may have changed since it was listed
            if again:
                self._known = listed(self._files)
            for bundle in self._known:
                if bundle.sealed and bundle.first <= row <= bundle.last:
                    yield bundle.path

    def _members(self, path: Path, source: Source) -> _Members:
        """Return what a bundle lists, from the disk if it has changed."""
        held: tuple[tuple[int, ...], _Members] | None = BUDGET.get(self._owner, path)
        if held is not None and held[0] == source.stamp:
            return held[1]
        if source.size > _LONGEST:
            raise ValueError(f"{path.name} is no file of ours")
        members = self._list(path, source)
        BUDGET.put(self._owner, path, (source.stamp, members), _LISTED * len(members))
        return members

    def _list(self, path: Path, source: Source) -> _Members:
        file = _Readable(source)
        try:
            with zipfile.ZipFile(file) as packed:
                start, comment = packed.start_dir, packed.comment
                members = {
                    info.filename: (info.header_offset, info.file_size, info.CRC)
                    for info in packed.infolist()
                }
            file.seek(start)
            listing = file.read()
        except Exception as cause:  # zipfile raises many kinds, also for what it cannot read
            raise ValueError(f"{type(cause).__name__}: {cause}") from cause
        if comment != _comment(self._run, listing[: len(listing) - len(comment)]):
            raise ValueError(f"{path.name} is damaged, or of another run")
        return members


class _Readable:
    """A file as zipfile reads one; what it claims of its list's length is compared first."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._at = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._source.size}[whence]
        if start + offset < 0:
            raise OSError(22, "Invalid argument")
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def read(self, length: int = -1) -> bytes:
        left = max(0, self._source.size - self._at)
        length = left if length < 0 else min(length, left)
        if length > _LONGEST_LIST:
            raise ValueError("its list of members is too long")
        data = self._source.read(self._at, length) if length else b""
        self._at += length
        return data


def _member(source: Source, name: str, where: tuple[int, int, int], most: int) -> bytes:
    """Read one member and compare it with its checksum."""
    start, size, crc = where
    if size > most:
        raise ValueError(f"{name} is too long")
    signature, named, more = _LOCAL.unpack(source.read(start, _LOCAL.size))
    start += _LOCAL.size
    if signature != b"PK\x03\x04" or source.read(start, named) != name.encode():
        raise ValueError(f"{name} is not where it should be")
    data = source.read(start + named + more, size)
    if zlib.crc32(data) != crc:
        raise ValueError("its checksum is another")
    return data
