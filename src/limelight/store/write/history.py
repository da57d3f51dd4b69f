"""One recording holds one history: what a training left behind does not mix with the next.

Room: store. Comes in: the index of a recording, and the first step of a writer. Goes out: the index
from which that writer goes on. Nothing is deleted.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Final

import numpy as np

from limelight.distribution.columns import FROM_START
from limelight.errors import LimelightWarning
from limelight.store.format import index
from limelight.store.format.files import Files
from limelight.store.format.index import PARAMETER, Line
from limelight.store.format.layout import statistics_of
from limelight.store.write.settle import Settled
from limelight.store.write.step import Step
from limelight.store.zarr import shards
from limelight.store.zarr.bundles import Bundles
from limelight.store.zarr.unlisted import unlisted
from limelight.store.zarr.unpacking import Held, unpacked

_STATISTICS: Final = statistics_of(PARAMETER)


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
    files: Files, settled: Settled, descriptor: int, lines: Sequence[Line], first: Step
) -> list[Line]:
    """Set an earlier history aside from this step on, if it went so far.

    Parameters
    ----------
    files : Files
    settled : Settled
    descriptor : int
        Of the index, from :func:`limelight.store.format.index.locked`.
    lines : sequence of Line
        Those of the index.
    first : Step
        That a writer records.

    Returns
    -------
    list of Line
        Those with steps before it; all where it goes on from the newest, whose parameters are
        its own: training resumed from its last checkpoint, say, which records that step again.

    Warns
    -----
    LimelightWarning
        If something was set aside: where it is now.
    """
    step, run = first.number, settled.run
    newest = max((line.step for line in lines), default=-1)
    if newest < step or (newest == step and _goes_on(files, settled, lines, first)):
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


def _goes_on(files: Files, settled: Settled, lines: Sequence[Line], first: Step) -> bool:
    """Say whether a step has the very parameters that the newest row of that step has."""
    line = next(line for line in reversed(lines) if line.step == first.number)
    layout, values = settled.layouts[line.layout], first.tables.get(PARAMETER)
    table, spec = layout.description.table(PARAMETER), layout.specs.shared.get(_STATISTICS)
    if values is None or table is None or spec is None or not (line.parameters and spec.marked):
        return False
    if [member.name for member in table.members] != list(values.names):
        return False
    try:
        data = Bundles(files, settled.run).read(spec.key(line.row), line.row)
        if data is None:
            return False
        before = unpacked(spec, Held(data))
    except (OSError, ValueError):
        return False
    compared = [at for at, name in enumerate(table.columns) if name in values.columns]
    compared = [at for at in compared if table.columns[at] not in FROM_START]
    if len(compared) + len(FROM_START) < len(table.columns):
        return False
    now = np.stack([values.columns[table.columns[at]] for at in compared], axis=-1)
    return bool(np.array_equal(before[:, compared], now, equal_nan=True))
