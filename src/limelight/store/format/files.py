"""Where the files of a recording lie.

Room: store. Comes in: a run's folder. Goes out: paths; every path below a run's folder is joined
here and nowhere else; every file of it is opened through :mod:`~limelight.store.format.guarded`.

::

    <run>/plugins/limelight/
        limelight.json     what the arrays mean; written first
        index.jsonl        one line per published step; a step's line is written last
        index.1.jsonl      a history that was set aside, whole, when training began anew
        rows/              r.<row>.zip: all that is small of one step; s.<first>-<last>.<count>.zip:
                           the same of many steps
        data.zarr/         Zarr v3, for what is large: <array>/zarr.json, and one file per row
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from limelight.store.format import guarded
from limelight.store.format.layout import ArraySpec

META: Final = "limelight.json"
INDEX: Final = "index.jsonl"
ROWS: Final = "rows"
DATA: Final = "data.zarr"

#: ``lstm@1``: a history of run ``lstm`` that was set aside.
_ASIDE: Final = re.compile(r"(.*)@([1-9][0-9]{0,8})", re.DOTALL)


def sidecar(run_dir: str | os.PathLike[str]) -> Path:
    """Return the folder of a run's recording, TensorBoard's place for a plugin's assets.

    Parameters
    ----------
    run_dir : str or path
        The run's folder.

    Returns
    -------
    Path

    Examples
    --------
    >>> sidecar("logs/lstm").as_posix()
    'logs/lstm/plugins/limelight'
    """
    return Path(run_dir) / "plugins" / "limelight"


@dataclass(frozen=True)
class Files:
    """The files of one recording.

    Attributes
    ----------
    root : Path
        The recording's folder.
    history : int
        0, what is recorded now; from 1, a history that was set aside.
    within : tuple of str
        Folders that its files must really lie in; if none is given, the run's own.
    """

    root: Path
    history: int = 0
    within: tuple[str, ...] = ()

    @classmethod
    def of(cls, run_dir: str | os.PathLike[str], within: Sequence[str] = ()) -> Files:
        """Return the files of a run's recording; of one set aside, for ``<run>@<number>``."""
        run_dir, within = Path(run_dir), tuple(within)
        named = _ASIDE.fullmatch(run_dir.name)
        if named is None or run_dir.exists():
            return cls(sidecar(run_dir), 0, within)
        root, number = sidecar(run_dir.parent / named.group(1)), int(named.group(2))
        moved = root.with_name(f"{root.name}.{number}")
        return cls(moved, 0, within) if moved.exists() else cls(root, number, within)

    def reading(self, path: Path) -> AbstractContextManager[guarded.Source]:
        """Open one of the files, as :func:`~limelight.store.format.guarded.reading` does."""
        return guarded.reading(path, self._bounds)

    def content(self, path: Path, most: int) -> bytes:
        """Return all of a file of at most so many bytes."""
        return guarded.content(path, self._bounds, most)

    @property
    def _bounds(self) -> Sequence[str | os.PathLike[str]]:
        # Who opens a run of theirs may have put its recording elsewhere, by a link of their own.
        return self.within or (self.run_dir, self.root)

    @property
    def run_dir(self) -> Path:
        """The run's folder."""
        return self.root.parent.parent

    @property
    def meta(self) -> Path:
        """``limelight.json``."""
        return self.root / META

    @property
    def index(self) -> Path:
        """``index.jsonl``, or that of a history that was set aside."""
        return self.root / (INDEX if not self.history else f"index.{self.history}.jsonl")

    @property
    def rows(self) -> Path:
        """The folder of what is small."""
        return self.root / ROWS

    @property
    def data(self) -> Path:
        """The Zarr hierarchy."""
        return self.root / DATA

    def array(self, spec: ArraySpec) -> Path:
        """Return an array's folder."""
        return self.data / spec.name

    def row(self, spec: ArraySpec, row: int) -> Path:
        """Return the file of one row; flat names, as TensorBoard walks every folder."""
        return self.data / spec.key(row)

    def aside(self) -> int:
        """Return the first free number to set a history or a recording aside under."""
        taken = {*self.histories(), *self.moved()}
        return next(number for number in range(1, len(taken) + 2) if number not in taken)

    def histories(self) -> list[int]:
        """Return the numbers of histories that were set aside."""
        return _numbers(self.root, re.compile(r"index\.([1-9][0-9]{0,8})\.jsonl"))

    def moved(self) -> list[int]:
        """Return the numbers of whole recordings that were set aside, as ``limelight.1``."""
        pattern = re.escape(self.root.name) + r"\.([1-9][0-9]{0,8})"
        return _numbers(self.root.parent, re.compile(pattern))


def _numbers(folder: Path, pattern: re.Pattern[str]) -> list[int]:
    try:
        names = os.listdir(folder)  # noqa: PTH208  # names alone, no paths
    except OSError:
        return []
    matches = (pattern.fullmatch(name) for name in names)
    return sorted(int(match.group(1)) for match in matches if match)
