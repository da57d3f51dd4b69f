"""Bundles: files that hold what is small of one step, or of many.

Room: store. Comes in: the values of rows as Zarr stores them, by their keys. Goes out: ordinary ZIP
files, nothing in them compressed again, with a checksum for each member, one for the list of them
and the mark of the run; and the members, believed only where all of these hold.
"""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import threading
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import google_crc32c

from limelight.store.format.files import Files

#: Members listed by a bundle: where each begins, how long it is, its CRC-32.
_Members = dict[str, tuple[int, int, int]]

_TAIL: Final = re.compile(r"r\.([0-9]{1,18})\.zip")
_SEALED: Final = re.compile(r"s\.([0-9]{1,18})-([0-9]{1,18})\.([0-9]{1,9})\.zip")

#: Lists of members that are kept for the next question.
_HELD: Final = 16

#: A larger bundle or member is none of ours.
_LONGEST: Final = 1 << 31

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
        self._lists: OrderedDict[Path, tuple[tuple[int, ...], _Members]] = OrderedDict()
        self._known: list[Bundle] = []
        self._lock = threading.Lock()

    def read(self, name: str, row: int) -> bytes | None:
        """Return a member of a row's bundle; None if it has no such member.

        Parameters
        ----------
        name : str
        row : int

        Raises
        ------
        OSError, ValueError
            If there is no bundle of that row, or it is damaged.
        """
        for path in self._candidates(row):
            try:
                members = self._members(path)
                return None if name not in members else _member(path, name, *members[name])
            except FileNotFoundError:
                continue  # sealed meanwhile
        raise FileNotFoundError(2, "No such row", str(tail(self._files, row)))

    def holds(self, name: str, row: int) -> bool:
        """Say whether a row's bundle lists a member; as :meth:`read`, but reads none."""
        for path in self._candidates(row):
            try:
                return name in self._members(path)
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
        for name, where in self._members(bundle.path).items():
            if name.startswith("index/") and name[6:-5].isdecimal():
                lines[int(name[6:-5])] = _member(bundle.path, name, *where)
        return lines

    def everything(self, bundle: Bundle) -> Iterator[tuple[str, bytes]]:
        """Yield all members of a bundle.

        Raises
        ------
        OSError, ValueError
            If it is damaged.
        """
        for name, where in self._members(bundle.path).items():
            yield name, _member(bundle.path, name, *where)

    def _candidates(self, row: int) -> Iterator[Path]:
        yield tail(self._files, row)
        for again in (False, True):  # what is sealed may have changed since it was listed
            if again:
                self._known = listed(self._files)
            for bundle in self._known:
                if bundle.sealed and bundle.first <= row <= bundle.last:
                    yield bundle.path

    def _members(self, path: Path) -> _Members:
        """Return what a bundle lists, from the disk if it has changed."""
        status = path.stat()
        stamp = (status.st_size, status.st_mtime_ns, status.st_ino)
        with self._lock:
            held = self._lists.get(path)
            if held is not None and held[0] == stamp:
                self._lists.move_to_end(path)
                return held[1]
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LONGEST:
            raise ValueError(f"{path.name} is no file of ours")
        members = self._list(path)
        with self._lock:
            self._lists[path] = (stamp, members)
            while len(self._lists) > _HELD:
                self._lists.popitem(last=False)
        return members

    def _list(self, path: Path) -> _Members:
        with path.open("rb") as file:
            try:
                with zipfile.ZipFile(file) as packed:
                    start, comment = packed.start_dir, packed.comment
                    members = {
                        info.filename: (info.header_offset, info.file_size, info.CRC)
                        for info in packed.infolist()
                    }
                file.seek(start)
                listing = file.read()
            except zipfile.BadZipFile as cause:
                raise ValueError(str(cause)) from cause
        if comment != _comment(self._run, listing[: len(listing) - len(comment)]):
            raise ValueError(f"{path.name} is damaged, or of another run")
        return members


def _member(path: Path, name: str, start: int, size: int, crc: int) -> bytes:
    """Read one member and compare it with its checksum."""
    with path.open("rb") as file:
        file.seek(start)
        signature, named, more = _LOCAL.unpack(file.read(_LOCAL.size))
        if signature != b"PK\x03\x04" or file.read(named) != name.encode():
            raise ValueError(f"{name} is not where it should be")
        file.seek(more, os.SEEK_CUR)
        data = file.read(size)
    if len(data) != size or zlib.crc32(data) != crc:
        raise ValueError("its checksum is another")
    return data
