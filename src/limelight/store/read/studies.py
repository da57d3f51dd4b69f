"""The studies of a run, read: which there are, how far each is, and what came of it.

Room: store. Comes in: a recording's files. Goes out: facts and labelled datasets. Looks at the
disk each time, for a study may be running.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xarray as xr

from limelight.store.format.files import Files
from limelight.store.format.studies import Progress, Study, listed, progress, result_of
from limelight.store.read.opening import absent
from limelight.wire import decode


def studies(files: Files) -> tuple[tuple[Study, Progress], ...]:
    """Return all studies, oldest first, and how far each is.

    Parameters
    ----------
    files : Files

    Returns
    -------
    tuple of (Study, Progress)
    """
    return tuple((study, progress(files, path)) for path, study in listed(files))


def result(files: Files, run: str, name: str, asked: dict[str, Any]) -> xr.Dataset:
    """Return the newest finished result of a study that was asked with such settings.

    Parameters
    ----------
    files : Files
    run : str
        For messages.
    name : str
        Of the study, or its key.
    asked : dict
        Some of its settings.

    Returns
    -------
    Dataset

    Raises
    ------
    NotRecordedError
        If there is none.
    StoreError
        If none of them is finished, or its file is damaged.
    """
    known = list(listed(files))
    fitting = [
        path for path, study in known
        if name in (study.name, study.key)
        and all(study.settings.get(key) == value for key, value in asked.items())
    ]  # fmt: skip
    if not fitting:
        raise absent("study", _named(name, asked), run, [study.name for _, study in known])
    finished = [path for path in fitting if progress(files, path).state == "finished"]
    return decode(result_of(files, (finished or fitting)[-1]))


def so_far(files: Files, run: str, key: str | None) -> tuple[Study, Progress, xr.Dataset]:
    """Return a study by its key, as far as it is.

    Parameters
    ----------
    files : Files
    run : str
        For messages.
    key : str
        Of the study; its name will do, for the newest of that name.

    Returns
    -------
    Study, Progress, Dataset

    Raises
    ------
    NotRecordedError
        If there is none.
    StoreError
        If there is no number of it yet, or a file is damaged.
    """
    known = list(listed(files))
    fitting = [(path, study) for path, study in known if key in (study.key, study.name)]
    if not fitting:
        raise absent("study", str(key), run, [study.key for _, study in known])
    path, study = fitting[-1]
    return study, progress(files, path), decode(result_of(files, path, partial=True))


def changed(root: Path) -> float:
    """Return when a study of a recording last changed, in seconds since 1970; 0 without any."""
    try:
        return (root / "studies").stat().st_mtime
    except OSError:
        return 0.0


def _named(name: str, asked: dict[str, Any]) -> str:
    said = ", ".join(f"{key}={value!r}" for key, value in asked.items())
    return f"{name} ({said})" if said else name
