"""A study kept in a run: what was asked, what is finished, and in the end the result.

Room: studying. Comes in: a run's folder, a study's passes. Goes out: files that a killed study goes
on from, and that :meth:`limelight.store.Run.study` reads.
"""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any
from uuid import uuid4

import xarray as xr

import limelight
from limelight import wire
from limelight.errors import StudyError
from limelight.log_folder import log_folder
from limelight.store import Run
from limelight.store.format import studies
from limelight.store.format.files import sidecar
from limelight.store.format.studies import Study

_LIBRARIES = ("numpy", "torch", "keras", "tensorflow", "jax", "transformers")


class Kept:
    """One study in a run.

    Parameters
    ----------
    run : str, path, or Run
        A log folder, with or without a recording.
    study : Study
    """

    def __init__(self, run: Any, study: Study) -> None:
        root = sidecar(run.path if isinstance(run, Run) else log_folder(run))
        self.folder = studies.folder(root, study)
        self._study = study

    @property
    def parts(self) -> Path:
        """Where finished tasks are kept."""
        return self.folder / studies.PARTS

    def begin(self) -> None:
        """Say what was asked, unless it is said already.

        Raises
        ------
        StudyError
            If nothing can be written there.
        """
        if not (self.folder / studies.FACTS).exists():
            self._write(studies.FACTS, self._study.dumps())

    def finish(self, result: xr.Dataset) -> None:
        """Publish the result, then remove the parts."""
        self._write(studies.RESULT, wire.encode(result))
        shutil.rmtree(self.parts, ignore_errors=True)

    def result(self) -> xr.Dataset | None:
        """Return the result, if it is finished."""
        path = self.folder / studies.RESULT
        return wire.decode(path.read_bytes()) if path.exists() else None

    def _write(self, name: str, body: bytes) -> None:
        beside = self.folder / f".{name}.{uuid4().hex[:8]}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(body)
            beside.replace(self.folder / name)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise StudyError(
                f"Could not write to {self.folder}: {error.strerror or error}.",
                f"Wanted room for {len(body):,} bytes there.",
                "Make room and call it again: what was finished is kept.",
            ) from error


def facts(
    name: str, key: str, settings: Mapping[str, Any], model: str, data: str, tasks: int
) -> Study:
    """Return what is said of a study that begins now."""
    versions = {"python": platform.python_version(), "limelight": limelight.__version__}
    for library in _LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return Study(name, key, dict(settings), model, data, tasks, time.time(), versions)
