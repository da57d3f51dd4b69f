"""Rows of Zarr arrays, read back and believed only as far as they fit.

Room: store. Comes in: an :class:`~limelight.store.format.layout.ArraySpec`, rows, a selection. Goes
out: NumPy arrays, or an error that names what is damaged. Nothing that a file claims is allocated
before it was compared with what the description allows.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from limelight.budget import BUDGET
from limelight.errors import LimelightError, NotRecordedError, StoreError
from limelight.store.format.files import Files
from limelight.store.format.layout import ArraySpec
from limelight.store.zarr import shards
from limelight.store.zarr.bundles import Bundles
from limelight.store.zarr.unpacking import Held, most_bytes, unpacked

#: A longer ``zarr.json`` is none of ours.
_LONGEST = 1 << 16


class Arrays:
    """The arrays of one recording, opened when first read.

    Parameters
    ----------
    files : Files
    run : str
        The run's own mark; empty in a recording of before.
    """

    def __init__(self, files: Files, run: str = "") -> None:
        self._files = files
        self._run = run
        self._bundles = Bundles(files, run)
        self._checked: dict[str, int] = {}  # how many rows an array said that it has
        self._owner = BUDGET.owner(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return Arrays, (self._files, self._run)  # a copy, in another process too, reads for itself

    @property
    def identity(self) -> tuple[str, str]:
        """Which recording they are of: its folder, and its own mark."""
        return str(self._files.root), self._run

    def keep(self, spec: ArraySpec, row: int, step: int | None, *at: int) -> np.ndarray[Any, Any]:
        """Read part of one row, or find it where it was read before: rows never change.

        Parameters
        ----------
        spec : ArraySpec
        row : int
        step : int, optional
        *at : int
            As in :meth:`read`, indices only.

        Returns
        -------
        array
            Not to be written to.

        Raises
        ------
        StoreError, NotRecordedError
            As in :meth:`read`; also when the file is gone.
        """
        key = (spec.name, row, *at)
        known: np.ndarray[Any, Any] | None = BUDGET.get(self._owner, key)
        if known is not None and self.holds(spec, row):
            return known
        values = self.read(spec, row, step, *at)
        values.flags.writeable = False
        BUDGET.put(self._owner, key, values, values.nbytes)
        return values

    def read(self, spec: ArraySpec, row: int, step: int | None, *at: Any) -> np.ndarray[Any, Any]:
        """Read part of one row.

        Parameters
        ----------
        spec : ArraySpec
        row : int
        step : int, optional
            The step it belongs to, for messages.
        *at : int, slice or array of int
            What to take along the axes after the first; all of what is not named.

        Returns
        -------
        array

        Raises
        ------
        StoreError
            If the array or the row is damaged or missing.
        NotRecordedError
            If the whole recording is gone.
        """
        try:
            data = self._bundled(spec, row)
            if data is not None:
                return unpacked(spec, Held(data), at)
            self._check(spec, row)
            return self._single(spec, row, at)
        except Exception as cause:
            raise self._lost(spec, row, step, cause) from cause

    def holds(self, spec: ArraySpec, row: int) -> bool:
        """Say whether a row was written.

        Raises
        ------
        StoreError, NotRecordedError
            If that cannot be told: the file it would lie in is damaged or gone.
        """
        try:
            if not self._is_single(spec) and self._bundles.holds(spec.key(row), row):
                return True
            return self._files.row(spec, row).exists()
        except (OSError, ValueError) as cause:
            raise self._lost(spec, row, None, cause) from cause

    def _bundled(self, spec: ArraySpec, row: int) -> bytes | None:
        """Return a row's bytes if it lies in a bundle."""
        if self._is_single(spec):
            return None
        return self._bundles.read(spec.key(row), row, most_bytes(spec))

    def _is_single(self, spec: ArraySpec) -> bool:
        """Say whether every row of an array is a file of its own."""
        return spec.single or not spec.marked

    def _single(self, spec: ArraySpec, row: int, at: tuple[Any, ...]) -> np.ndarray[Any, Any]:
        """Read a row from its own file."""
        with self._files.reading(self._files.row(spec, row)) as source:
            if source.size <= shards.least_size(spec):
                raise ValueError("too short")
            mark = spec.mark(self._run, row)
            if source.read(0, len(mark)) != mark:
                raise ValueError("it is another row's, or damaged")
            return unpacked(spec, source, at)

    def _check(self, spec: ArraySpec, row: int) -> None:
        """Compare what an array says of itself with what it must say, once."""
        if self._checked.get(spec.name, 0) > row:
            return
        facts = json.loads(self._files.content(self._files.array(spec) / "zarr.json", _LONGEST))
        rows = facts["shape"][0]
        if type(rows) is not int or rows <= row:
            raise ValueError(f"{str(rows)[:40]} rows, wanted more than {row}")
        wanted = shards.metadata(spec, rows)
        for key in wanted.keys() | facts.keys():
            got, due = facts.get(key), wanted.get(key)
            if got != due:
                raise ValueError(f"{key} {str(got)[:80]}, wanted {str(due)[:80]}")
        self._checked[spec.name] = rows

    def _lost(
        self, spec: ArraySpec, row: int, step: int | None, cause: Exception
    ) -> LimelightError:
        if not self._files.meta.exists():
            return NotRecordedError(
                f"The recording in {self._files.root} is gone.",
                "Wanted the folder that was there when the run was opened.",
                "If it was moved, open it where it is now.",
            )
        what = f"{type(cause).__name__}: {str(cause)[:160]}".removesuffix(": ")
        of = "" if step is None else f" of step {step}"
        return StoreError(
            f"The {spec.name.partition('_')[0]}{of} cannot be read ({what}).",
            f"Wanted {self._where(spec, row)} as limelight wrote it.",
            "Ask for another step; to mend this one, restore the file or record the run again.",
        )

    def _where(self, spec: ArraySpec, row: int) -> str:
        """Say where a row should lie."""
        path = self._files.row(spec, row)
        if self._is_single(spec) or path.exists():
            return str(path)
        return f"{spec.key(row)} in {self._bundles.path(row)}"
