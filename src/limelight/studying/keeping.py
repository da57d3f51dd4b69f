"""A study kept in a run: what was asked, what is finished, the result so far and in the end.

Room: studying. Comes in: a run's folder, a study's passes. Goes out: files that a killed study goes
on from, that :meth:`limelight.store.Run.study` reads, and that pages show while it runs.
"""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import xarray as xr

import limelight
from limelight import wire
from limelight.errors import StudyError
from limelight.log_folder import log_folder
from limelight.store import Progress, Run, Study
from limelight.store.format import studies
from limelight.store.format.files import sidecar
from limelight.store.tensorboard.events import EventFile
from limelight.studying.writing import write

_LIBRARIES = ("numpy", "torch", "keras", "tensorflow", "jax", "transformers")
#: Seconds between two notes of progress.
_PAUSE = 0.5


class Kept:
    """One study in a run.

    Parameters
    ----------
    run : str, path, or Run
        A log folder, with or without a recording.
    study : Study
    """

    def __init__(self, run: Any, study: Study) -> None:
        self._run = Path(run.path if isinstance(run, Run) else log_folder(run))
        self.folder = studies.folder(sidecar(self._run), study)
        self._study = study
        self._progress = Progress()
        self._noted = 0.0

    @property
    def parts(self) -> Path:
        """Where finished tasks are kept."""
        return self.folder / studies.PARTS

    def siblings(self) -> list[Path]:
        """Return where other studies of this name keep their parts: some may have the same."""
        name = self._study.name
        return [path / studies.PARTS for path in sorted(self.folder.parent.glob(f"{name}-*"))
                if path != self.folder]  # fmt: skip

    @contextlib.contextmanager
    def running(self, done: int) -> Iterator[None]:
        """Say what is asked, that it runs as long as the context lasts, and why it stopped.

        Raises
        ------
        StudyError
            If nothing can be written there.
        """
        if not (self.folder / studies.FACTS).exists():
            self._write(studies.FACTS, self._study.dumps())
            self._list()
        self._say(replace(self._progress, done=done, state="running", sentence=""))
        self._change()
        ended = threading.Event()
        beat = threading.Thread(target=self._beat, args=(ended,), daemon=True)
        beat.start()
        try:
            yield
        except BaseException as error:
            reason = str(error) or type(error).__name__
            with contextlib.suppress(StudyError):  # what stopped it is what is told
                self._say(replace(self._progress, state="stopped", sentence=reason[:500]))
                self._change()
            raise
        finally:
            ended.set()
            beat.join()

    def tell(self, done: int) -> None:
        """Say how many tasks are done; seldom enough not to cost anything."""
        self._progress = replace(self._progress, done=done)
        if time.monotonic() - self._noted > _PAUSE:
            self._say(self._progress)

    def publish(self, so_far: xr.Dataset) -> None:
        """Publish a result so far."""
        self._write(studies.PARTIAL, wire.encode(so_far))
        self._say(self._with(so_far))
        self._change()

    def finish(self, result: xr.Dataset) -> None:
        """Publish the result, last; what was there so far goes."""
        self._write(studies.RESULT, wire.encode(result))
        (self.folder / studies.PARTIAL).unlink(missing_ok=True)
        self._say(replace(self._with(result), state="finished", done=self._study.tasks))
        self._change()

    def _with(self, result: xr.Dataset) -> Progress:
        attrs = result.attrs
        return replace(self._progress, n=int(attrs.get("n", 0)), of=str(attrs.get("of", "")),
                       sentence=str(attrs.get("sentence", "")))  # fmt: skip

    def _say(self, progress: Progress) -> None:
        self._write(studies.PROGRESS, progress.dumps())
        self._progress, self._noted = progress, time.monotonic()

    def _beat(self, ended: threading.Event) -> None:
        """Touch the note of progress, so that one that was killed is known by its silence."""
        while not ended.wait(studies.BEAT):
            with contextlib.suppress(OSError):
                os.utime(self.folder / studies.PROGRESS)

    def _change(self) -> None:
        """Let who lists runs see, by one look, that a study changed."""
        with contextlib.suppress(OSError):
            os.utime(self.folder.parent)

    def _list(self) -> None:
        """Let TensorBoard list a run in which nothing else was recorded."""
        if not any(self._run.glob("*tfevents*")):
            with contextlib.suppress(OSError):
                EventFile(self._run).write(0, time.time(), {}, {})

    def _write(self, name: str, body: bytes) -> None:
        write(self.folder / name, body)


def facts(
    name: str, key: str, settings: Mapping[str, Any], model: str, data: str, tasks: int, tier: str
) -> Study:
    """Return what is said of a study that begins now."""
    versions = {"python": platform.python_version(), "limelight": limelight.__version__}
    for library in _LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return Study(name, key, dict(settings), model, data, tasks, time.time(), versions, tier)
