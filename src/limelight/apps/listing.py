"""Lists the runs of a log directory.

Room: apps. Comes in: a log directory. Goes out: plain facts, as dicts that JSON can carry.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from limelight.errors import LimelightError, NotRecordedError
from limelight.log_folder import log_folder
from limelight.store import Run
from limelight.store.format.files import INDEX, META, Files, sidecar
from limelight.store.format.studies import STUDIES


def run_folders(logdir: Path) -> Iterator[tuple[str, Path]]:
    """Yield the runs limelight has recorded in a log directory.

    Parameters
    ----------
    logdir : Path

    Yields
    ------
    name : str
        The run's folder below ``logdir``, as TensorBoard names it; ``.`` for ``logdir`` itself.
    folder : Path

    Raises
    ------
    NotRecordedError
        If there is no such folder.
    """
    logdir = log_folder(logdir)
    if not logdir.is_dir():
        raise NotRecordedError(
            f"Got {logdir}, which is not a folder.",
            "Wanted a log directory.",
            "Correct the path, or record a run there first: limelight demo.",
        )
    for parent, folders, _ in os.walk(logdir):
        folders.sort()
        folder = sidecar(parent)
        there = (folder / META, folder / INDEX, folder / STUDIES)
        if any(map(_is_there, there)):
            yield Path(parent).relative_to(logdir).as_posix(), Path(parent)
        files = Files(folder)
        for number in sorted({*files.histories(), *files.moved()}):  # set aside, not deleted
            aside = Path(f"{parent}{'/' if Path(parent) == logdir else ''}@{number}")
            yield aside.relative_to(logdir).as_posix(), aside
        if "plugins" in folders:
            folders.remove("plugins")  # recordings themselves hold no runs


def list_runs(logdir: Path) -> list[dict[str, Any]]:
    """Return what each run holds.

    Parameters
    ----------
    logdir : Path

    Returns
    -------
    list of dict
        ``name``, ``steps``, ``first_step``, ``last_step``, ``sites``, ``examples``,
        ``parameters``, ``precision``, ``studies``, ``bytes``, ``problems``. A run that cannot be
        opened has only ``name``, ``bytes`` and ``problems``.

    Raises
    ------
    NotRecordedError
        If there is no such folder.
    """
    runs = []
    for name, folder in run_folders(logdir):
        size = _size(Files.of(folder))
        try:
            # As the tab does it, so that what it would refuse is seen here.
            facts = _facts(Run(folder, within=[str(log_folder(logdir))]))
        except LimelightError as error:
            facts = {"problems": [str(error)]}
        except Exception as error:  # noqa: BLE001  # one run's problem, and no other's
            facts = {"problems": [f"It cannot be read ({type(error).__name__}: {error})."]}
        runs.append({"name": name, "bytes": size, **facts})
    return runs


def _is_there(path: Path) -> bool:
    """Say whether anything has a name: a pipe or a link into nothing is a run with a problem."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _facts(run: Run) -> dict[str, Any]:
    steps = run.steps
    return {
        "steps": int(steps.size),
        "first_step": int(steps[0]) if steps.size else None,
        "last_step": int(steps[-1]) if steps.size else None,
        "sites": [
            {
                "name": site.name,
                "module_class": site.module_class,
                "kind": site.kind,
                "heads": site.heads,
                "queries": site.queries,
                "keys": site.keys,
            }
            for site in run.sites.values()
        ],
        "examples": len(run.examples),
        "parameters": len(run.parameter_names),
        "precision": run.precision.name,
        "studies": [
            {
                "name": study.name,
                "key": study.key,
                "state": progress.state,
                "done": progress.done,
                "tasks": study.tasks,
                "n": progress.n,
                "of": progress.of,
            }
            for study, progress in run.studied()
        ],
        "problems": list(run.problems),
    }


def _size(files: Files) -> int:
    """Return the bytes of a recording; of a history that was set aside, those of its index."""
    total = 0
    for path in [files.index] if files.history else files.root.rglob("*"):
        try:
            status = path.lstat()  # what a link leads to is not ours
            total += status.st_size if stat.S_ISREG(status.st_mode) else 0
        except OSError:  # a run that is being written may rename a file meanwhile
            continue
    return total


def bytes_in_words(size: int) -> str:
    """Write a number of bytes for people.

    Parameters
    ----------
    size : int

    Returns
    -------
    str

    Examples
    --------
    >>> bytes_in_words(512), bytes_in_words(2_500_000)
    ('512 B', '2.5 MB')
    """
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
