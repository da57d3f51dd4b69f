"""What was finished of a study, a small file for each task: written whole or not at all.

Room: studying. Comes in: numbers of one task. Goes out: the same, read back; a study that was
killed goes on from here.
"""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from limelight.errors import StudyError

Numbers = Mapping[str, NDArray[Any]]


class Parts:
    """Finished tasks in a folder, or in memory only.

    Parameters
    ----------
    folder : path, optional
        Made when the first task is finished; None keeps them in memory.
    key : str
        A hash of everything that decides the numbers: files of another are not looked at.
    """

    def __init__(self, folder: Path | None, key: str) -> None:
        self._folder, self._key = folder, key
        self._memory: dict[int, dict[str, NDArray[Any]]] = {}

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
        if first in self._memory:
            return self._memory[first]
        path = self._path(first)
        if path is None or not path.exists():
            return None
        try:
            with path.open("rb") as body, np.load(body, allow_pickle=False) as held:
                numbers = {name: held[name] for name in held.files}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            return None  # done again
        self._memory[first] = numbers
        return numbers

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
        path = self._path(first)
        if path is None:
            return
        body = io.BytesIO()
        np.savez_compressed(body, allow_pickle=False, **dict(numbers))
        beside = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(body.getvalue())
            beside.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise StudyError(
                f"Could not write to {path.parent}: {error.strerror or error}.",
                f"Wanted room for {len(body.getvalue()):,} bytes there.",
                "Make room and call it again: what was finished is kept.",
            ) from error

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

    def _path(self, first: int) -> Path | None:
        return None if self._folder is None else self._folder / f"{first}-{self._key}.npz"
