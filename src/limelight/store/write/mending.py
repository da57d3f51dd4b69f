"""Puts an index together again from the copies beside its rows.

Room: store. Comes in: a run's folder. Goes out: the steps that were put back. Nothing else is
touched, and what is left of the old index is kept beside the new one.
"""

from __future__ import annotations

import os

from limelight.errors import StoreError
from limelight.store.format import index
from limelight.store.format.files import Files
from limelight.store.format.loading import LONGEST, loads
from limelight.store.write.claim import claim, release
from limelight.store.write.history import mended
from limelight.store.zarr import shards


def mend(run_dir: str | os.PathLike[str]) -> list[int]:
    """Put steps back that are there whole and that the index does not list.

    Parameters
    ----------
    run_dir : str or path
        The run's folder.

    Returns
    -------
    list of int
        The steps that were put back; empty if none was missing, or an earlier limelight recorded
        the run, whose rows do not say what they are.

    Raises
    ------
    StoreError
        If the run's description is damaged too, or a recorder is at work in it.
    OSError
        If the folder cannot be written.
    """
    files = Files.of(run_dir)
    if files.history:
        return []
    try:
        text = files.content(files.meta, LONGEST)
    except ValueError as cause:
        raise StoreError(
            f"{files.meta} cannot be read ({cause}).",
            "Wanted the text that limelight wrote there.",
            "Restore the file from a copy.",
        ) from cause
    run = loads(text, str(files.meta)).run
    if run is None:
        return []
    held = claim(run_dir)
    try:
        with index.locked(files.index) as descriptor:
            before = os.pread(descriptor, os.lseek(descriptor, 0, os.SEEK_END), 0)
            lines, problems = index.parse(before, run)
            if problems:  # lines that nobody can read: for whoever wants to look at them
                shards.replace(files.index.with_name(f"{files.index.name}.damaged"), before)
            whole = mended(files, run, descriptor, lines, damaged=bool(problems))
    finally:
        release(held)
    known = {line.row for line in lines}
    return [line.step for line in whole if line.row not in known]
