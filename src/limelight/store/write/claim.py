"""Keeps two processes from recording into one folder at once.

Room: store. Comes in: a run's folder. Goes out: a claim on it, which ends with the process at the
latest. Leaves no file: the folder itself is locked.
"""

from __future__ import annotations

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

#: Folder to its descriptor and how many recorders of this process hold it.
_held: Final[dict[Path, tuple[int, int]]] = {}
_lock: Final = threading.Lock()

if hasattr(os, "register_at_fork"):  # a forked process has claimed nothing itself
    os.register_at_fork(after_in_child=_held.clear)


def claim(run_dir: str | os.PathLike[str]) -> Path | None:
    """Claim a run's folder for this process; made, with its parents, if it is not there.

    Parameters
    ----------
    run_dir : str or path

    Returns
    -------
    Path or None
        What :func:`release` takes. None where the file system knows no locks. Recorders of one
        process share the claim: the older one is usually forgotten, as after an interruption.

    Raises
    ------
    StoreError
        If another process holds it.
    """
    if fcntl is None:
        return None
    folder = Files.of(run_dir).root.parent
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    with _lock:
        descriptor, holders = _held.get(folder, (-1, 0))
        if not holders:
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
        _held[folder] = (descriptor, holders + 1)
    return folder


def release(claimed: Path | None) -> None:
    """Give a claim back.

    Parameters
    ----------
    claimed : Path or None
        From :func:`claim`.
    """
    with _lock:
        descriptor, holders = _held.pop(claimed, (-1, 0)) if claimed else (-1, 0)
        if claimed and holders > 1:
            _held[claimed] = (descriptor, holders - 1)
        elif holders:
            os.close(descriptor)
