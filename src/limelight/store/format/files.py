"""Where the files of a recording lie.

Room: store. Comes in: a run's folder. Goes out: paths; every path below a run's folder is joined
here and nowhere else.

::

    <run>/plugins/limelight/
        limelight.json     what the arrays mean; written first
        index.jsonl        one line per published step; a step's line is written last
        data.zarr/         Zarr v3: <array>/zarr.json, and one file per row
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from limelight.store.format.layout import ArraySpec

META: Final = "limelight.json"
INDEX: Final = "index.jsonl"
DATA: Final = "data.zarr"


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
    """

    root: Path

    @classmethod
    def of(cls, run_dir: str | os.PathLike[str]) -> Files:
        """Return the files of a run's recording."""
        return cls(sidecar(run_dir))

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
        """``index.jsonl``."""
        return self.root / INDEX

    @property
    def data(self) -> Path:
        """The Zarr hierarchy."""
        return self.root / DATA

    def array(self, spec: ArraySpec) -> Path:
        """Return an array's folder."""
        return self.data / spec.name

    def row(self, spec: ArraySpec, row: int) -> Path:
        """Return the file of one row; flat names, as TensorBoard walks every folder."""
        return self.array(spec) / ".".join(["c", str(row), *["0"] * len(spec.tail)])

    def aside(self) -> Path:
        """Return the first free name to move the recording to, such as ``limelight.1``."""
        number = 1
        while (free := self.root.with_name(f"{self.root.name}.{number}")).exists():
            number += 1
        return free
