"""Rows of a step, written one after another.

Room: store. Comes in: rows laid out, whose values may be made only while they are written. Goes
out: files, what is to be bundled, and which rows there were.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from limelight.store.format.files import Files
from limelight.store.format.layout import ArraySpec
from limelight.store.zarr import shards

Made = TypeVar("Made")


@dataclass(frozen=True)
class Row:
    """One row, laid out.

    Attributes
    ----------
    role : str
        Which of a recording's or a group's arrays it belongs to.
    spec : ArraySpec
        The array.
    number : int
        Of the row.
    values : array, or iterable of array or None
        In the array's own type; one array for each site, None for one that has none.
    sites : tuple of str
        Whose values it holds, where only some sites have any.
    """

    role: str
    spec: ArraySpec
    number: int
    values: np.ndarray[Any, Any] | Iterable[np.ndarray[Any, Any] | None]
    sites: tuple[str, ...] = ()


@dataclass
class Written:
    """What was written of a step.

    Attributes
    ----------
    sites : dict of str to tuple of str
        For each role of which there was a row, the sites its rows name.
    members : list of (str, bytes)
        What is small, by its key, to be bundled.
    files : list of Path
        Files of single rows.
    """

    sites: dict[str, tuple[str, ...]] = field(default_factory=dict)
    members: list[tuple[str, bytes]] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def write_rows(
    files: Files, rows: Iterable[Row], room: dict[str, int], run: str, written: Written
) -> None:
    """Write rows as they come.

    Parameters
    ----------
    files : Files
    rows : iterable of Row
    room : dict of str to int
        For how many rows each array has room, as far as it is known; kept up to date.
    run : str
        The run's own mark.
    written : Written
        Is told of each row when it is whole, so that it says what is there if one fails.

    Raises
    ------
    OSError
        If one cannot be written.
    """
    for row in rows:
        small = shards.write(files, row.spec, row.number, row.values, run)
        if small is not None:
            written.members.append((row.spec.key(row.number), small))
        else:
            written.files.append(files.row(row.spec, row.number))
            if row.number >= room.get(row.spec.name, 0):
                # Many at once: small recordings spent most of their time on rewriting this
                # number. A row is there when the index says so, not when its array could hold it.
                room[row.spec.name] = shards.grow(files, row.spec, row.number + 1)
        written.sites[row.role] = written.sites.get(row.role, ()) + row.sites


def streamed(
    makers: Sequence[Callable[[], Made]], pool: Executor, ahead: int = 1
) -> Iterator[Made]:
    """Make things in order, the next ones while the first is used.

    Parameters
    ----------
    makers : sequence of callable
        Each makes one.
    pool : Executor
        Where they are made.
    ahead : int
        How many are held beside the one that was handed out.

    Yields
    ------
    object
    """
    waiting: deque[Future[Made]] = deque()
    for make in makers:
        waiting.append(pool.submit(make))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
