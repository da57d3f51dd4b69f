"""Keeps two recorders from one folder, of one process or of two.

Room: store. Comes in: a run's folder. Goes out: a claim on it, which ends with the process at the
latest. Leaves no file: the folder itself is locked.
"""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path
from typing import Final

from limelight.errors import StoreError
from limelight.store.format.files import Files

try:
    import fcntl
except ImportError:  # Windows has no such lock; there two recorders of one run must not meet
    fcntl = None  # type: ignore[assignment]

#: Claimed folders, and the descriptor that locks each against other processes, if any does.
_held: Final[dict[Path, int | None]] = {}
_lock: Final = threading.RLock()  # a collected recorder gives back in mid-claim

if hasattr(os, "register_at_fork"):  # a forked process has claimed nothing itself
    os.register_at_fork(after_in_child=_held.clear)


def claim(run_dir: str | os.PathLike[str]) -> Path:
    """Claim a run's folder for one recorder; made, with its parents, if it is not there.

    Parameters
    ----------
    run_dir : str or path

    Returns
    -------
    Path
        What :func:`release` takes.

    Raises
    ------
    StoreError
        If another recorder holds it, of this process or of another. On file systems that know no
        locks, those of other processes are not seen.
    """
    folder = Files.of(run_dir).root.parent
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    if folder in _held:
        gc.collect()  # one that nobody can reach any more gives its claim back
    with _lock:
        if folder in _held:
            raise StoreError(
                f"Another recorder of this process is recording into {run_dir}.",
                "Wanted a folder with one recorder: two would mix two models' steps.",
                "Give each a folder of its own, or close the first: recorder.close().",
            )
        _held[folder] = _locked(folder, run_dir)
    return folder


def _locked(folder: Path, run_dir: str | os.PathLike[str]) -> int | None:
    """Lock a folder against other processes; None where nothing knows locks."""
    if fcntl is None:
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StoreError(
            f"Another process is recording into {run_dir}.",
            "Wanted a folder with one recorder.",
            "Give each process a folder of its own, as processes='all' does.",
        ) from None
    except OSError:  # some network file systems
        os.close(descriptor)
        return None
    return descriptor


def release(claimed: Path | None) -> None:
    """Give a claim back.

    Parameters
    ----------
    claimed : Path or None
        From :func:`claim`; None gives nothing back.
    """
    if claimed is None:
        return
    with _lock:
        descriptor = _held.pop(claimed, None)
    if descriptor is not None:
        os.close(descriptor)
