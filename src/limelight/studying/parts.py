"""What was finished of a study, a small file for each task: written whole or not at all.

Room: studying. Comes in: numbers of one task. Goes out: the same, read back; a study that was
killed goes on from here, and one that asks the same numbers otherwise need not run the model.
"""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.studying.writing import write

Numbers = Mapping[str, NDArray[Any]]

_DAMAGED = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile)
_KEY, _FIRSTS, _SIZES = "__key__", "__firsts__", "__sizes__"


class Parts:
    """Finished tasks in a folder, or in memory only.

    Parameters
    ----------
    folder : path, optional
        Made when the first task is finished; None keeps them in memory.
    key : str
        A hash of everything that decides the numbers: files of another are not looked at.
    beside : sequence of path
        Folders of other studies that may have the same numbers.
    packed : str
        Name of the file of all parts, beside the folder.
    """

    def __init__(
        self, folder: Path | None, key: str, beside: Sequence[Path] = (), packed: str = "parts.npz"
    ) -> None:
        self._folder, self._key, self._packed = folder, key, packed
        self._beside = tuple(beside)
        self._memory: dict[int, dict[str, NDArray[Any]]] = {}
        self._looked = False

    def __contains__(self, first: int) -> bool:
        return self.get(first) is not None

    def get(self, first: int) -> dict[str, NDArray[Any]] | None:
        """Return the numbers of a task; None if it is not finished, or its file is damaged.

        Parameters
        ----------
        first : int
            Number of its first example.

        Returns
        -------
        dict of str to array, or None
        """
        if first not in self._memory and self._folder is not None:
            self._unpack()
            for folder in (self._folder, *self._beside):
                numbers = _read(folder / self._name(first))
                if numbers is not None:
                    self._memory.setdefault(first, numbers)
        return self._memory.get(first)

    def put(self, first: int, numbers: Numbers) -> None:
        """Keep the numbers of a task.

        Parameters
        ----------
        first : int
        numbers : mapping of str to array

        Raises
        ------
        StudyError
            If the folder cannot be written to; nothing half-written stays.
        """
        self._memory[first] = dict(numbers)
        if self._folder is not None:
            write(self._folder / self._name(first), _bytes(numbers))

    def finished(self, firsts: Iterable[int]) -> list[int]:
        """Return which tasks are finished.

        Parameters
        ----------
        firsts : iterable of int

        Returns
        -------
        list of int
        """
        return [first for first in firsts if first in self]

    def joined(self, firsts: Iterable[int]) -> tuple[dict[str, NDArray[Any]], NDArray[np.intp]]:
        """Return the numbers of tasks one after the other.

        Parameters
        ----------
        firsts : iterable of int
            Those that are not finished are left out.

        Returns
        -------
        dict of str to array [example, …]
        array [example]
            Numbers of the examples in the data.
        """
        pairs = [(first, self.get(first)) for first in sorted(firsts)]
        present = [(first, numbers) for first, numbers in pairs if numbers is not None]
        if not present:
            return {}, np.zeros(0, np.intp)
        names = list(present[0][1])
        rows = [np.arange(first, first + _size(numbers)) for first, numbers in present]
        columns = {name: np.concatenate([part[name] for _, part in present]) for name in names}
        return columns, np.concatenate(rows)

    def pack(self, firsts: Sequence[int]) -> None:
        """Put all parts into one file, and remove theirs.

        Parameters
        ----------
        firsts : sequence of int
        """
        if self._folder is None:
            return
        columns, _ = self.joined(firsts)
        sizes = [_size(self._memory[first]) for first in sorted(firsts)]
        facts = {_KEY: np.array(self._key), _FIRSTS: np.array(sorted(firsts)),
                 _SIZES: np.array(sizes)}  # fmt: skip
        write(self._folder.with_name(self._packed), _bytes(columns | facts))
        shutil.rmtree(self._folder, ignore_errors=True)

    def _unpack(self) -> None:
        """Look once for all parts in one file, of this study or of another of the same numbers."""
        if self._looked or self._folder is None:
            return
        self._looked = True
        for folder in (self._folder, *self._beside):
            path = folder.with_name(self._packed)
            try:
                with path.open("rb") as body, np.load(body, allow_pickle=False) as held:
                    if str(held[_KEY]) != self._key:
                        continue
                    firsts, sizes = held[_FIRSTS].tolist(), held[_SIZES].tolist()
                    ends = np.cumsum(sizes).tolist()
                    columns = {name: held[name] for name in held.files if name[:2] != "__"}
            except _DAMAGED:
                continue
            for first, size, end in zip(firsts, sizes, ends, strict=True):
                part = {name: values[end - size : end] for name, values in columns.items()}
                self._memory.setdefault(first, part)
            return

    def _name(self, first: int) -> str:
        return f"{first}-{self._key}.npz"


def _size(numbers: Numbers) -> int:
    return len(next(iter(numbers.values())))


def _bytes(numbers: Numbers) -> bytes:
    body = io.BytesIO()
    np.savez_compressed(body, allow_pickle=False, **dict(numbers))
    return body.getvalue()


def _read(path: Path) -> dict[str, NDArray[Any]] | None:
    try:
        with path.open("rb") as body, np.load(body, allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except _DAMAGED:
        return None  # done again
