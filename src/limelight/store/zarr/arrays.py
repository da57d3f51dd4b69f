"""Rows of Zarr arrays, read back and believed only as far as they fit.

Room: store. Comes in: an :class:`~limelight.store.format.layout.ArraySpec`, rows, a selection. Goes
out: NumPy arrays, or an error that names what is damaged. Nothing that a file claims is allocated
before it was compared with what the description allows.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from typing import Any

import numpy as np
import zarr

from limelight.errors import LimelightError, NotRecordedError, StoreError
from limelight.store.format.files import Files
from limelight.store.format.layout import ArraySpec
from limelight.store.zarr import shards

#: A longer ``zarr.json`` is none of ours.
_LONGEST = 1 << 16

#: Bytes of what was read that are kept for the next question.
_KEPT = 1 << 26


class Arrays:
    """The arrays of one recording, opened when first read.

    Parameters
    ----------
    files : Files
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._open: dict[str, Any] = {}
        self._held: OrderedDict[tuple[Any, ...], np.ndarray[Any, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return Arrays, (self._files,)  # a copy, in another process too, reads for itself

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
        with self._lock:
            values = self._held.get(key)
            if values is not None:
                self._held.move_to_end(key)
        if values is not None and self.holds(spec, row):
            return values
        values = self.read(spec, row, step, *at)
        values.flags.writeable = False
        with self._lock:
            self._held[key] = values
            while (
                len(self._held) > 1 and sum(array.nbytes for array in self._held.values()) > _KEPT
            ):
                self._held.popitem(last=False)
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
        array = self._array(spec, row, step)
        try:
            # Zarr would take a lost or empty file for a row that was never written.
            if self._files.row(spec, row).stat().st_size <= shards.least_size(spec):
                raise ValueError("too short")
            values = array.oindex[(row, *at)] if at else array[row]
        except Exception as cause:
            raise self._lost(spec, row, step, cause) from cause
        return np.asarray(values)

    def holds(self, spec: ArraySpec, row: int) -> bool:
        """Say whether a row was written."""
        return self._files.row(spec, row).exists()

    def _array(self, spec: ArraySpec, row: int, step: int | None) -> Any:
        known = self._open.get(spec.name)
        if known is None or known.shape[0] <= row:
            self._check(spec, row, step)
            known = zarr.open_array(self._files.array(spec), mode="r", zarr_format=3)
            self._open[spec.name] = known
        return known

    def _check(self, spec: ArraySpec, row: int, step: int | None) -> None:
        """Compare what an array says of itself with what it must say, before opening it."""
        path = self._files.array(spec) / "zarr.json"
        try:
            with path.open("rb") as file:
                text = file.read(_LONGEST + 1)
            if len(text) > _LONGEST:
                raise ValueError("too long")
            facts = json.loads(text)
            rows = facts["shape"][0]
            if type(rows) is not int or rows <= row:
                raise ValueError(f"{str(rows)[:40]} rows, wanted more than {row}")
            wanted = shards.metadata(spec, rows)
            for key in wanted.keys() | facts.keys():
                got, due = facts.get(key), wanted.get(key)
                if got != due:
                    raise ValueError(f"{key} {str(got)[:80]}, wanted {str(due)[:80]}")
        except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError) as cause:
            raise self._lost(spec, row, step, cause) from cause

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
            f"Wanted {self._files.row(spec, row)} as limelight wrote it.",
            "Ask for another step; to mend this one, restore the file or record the run again.",
        )
