"""One recording holds one history: what a training left behind does not mix with the next.

Room: store. Comes in: the index of a recording, and the first step of a writer. Goes out: the index
from which that writer goes on. Nothing is deleted.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence

from limelight.errors import LimelightWarning
from limelight.store.format import index
from limelight.store.format.files import Files
from limelight.store.format.index import Line
from limelight.store.zarr import shards
from limelight.store.zarr.unlisted import unlisted


def mended(
    files: Files, run: str, descriptor: int, lines: Sequence[Line], *, damaged: bool = False
) -> list[Line]:
    """Put lines back that the index lost, from the copies beside its rows.

    Parameters
    ----------
    files : Files
    run : str
        The run's own mark.
    descriptor : int
        Of the index, from :func:`limelight.store.format.index.locked`.
    lines : sequence of Line
        Those the index has.
    damaged : bool
        Whether it has others too, which nobody can read: they are dropped.

    Returns
    -------
    list of Line
        All of them, in the order of their rows.
    """
    missing = unlisted(files, run, lines)
    if not (missing or damaged):
        return list(lines)
    whole = sorted([*lines, *missing], key=lambda line: line.row)
    index.rewrite(descriptor, b"".join(line.dumps(run) for line in whole))
    return whole


def begun_anew(
    files: Files, run: str, descriptor: int, lines: Sequence[Line], step: int
) -> list[Line]:
    """Set an earlier history aside from this step on, if it went so far.

    Parameters
    ----------
    files : Files
    run : str
        The run's own mark.
    descriptor : int
        Of the index, from :func:`limelight.store.format.index.locked`.
    lines : sequence of Line
        Those of the index.
    step : int
        The first that a writer records.

    Returns
    -------
    list of Line
        Those with steps before it.

    Warns
    -----
    LimelightWarning
        If something was set aside: where it is now.
    """
    newest = max((line.step for line in lines), default=-1)
    if newest < step:
        return list(lines)
    number = files.aside()
    before = os.pread(descriptor, os.lseek(descriptor, 0, os.SEEK_END), 0)
    shards.replace(Files(files.root, number).index, before)
    lines = [line for line in lines if line.step < step]
    index.rewrite(descriptor, b"".join(line.dumps(run) for line in lines))
    warnings.warn(
        LimelightWarning(
            f"{files.run_dir} already held steps up to {newest}. A new history begins there with "
            f"step {step}; the earlier one is set aside whole, and opens as "
            f"{files.run_dir}@{number}. Give each run a folder of its own to see both side by side."
        ),
        stacklevel=6,
    )
    return lines
