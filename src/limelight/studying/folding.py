"""A study of data that is too long to keep a number for each example: results are merged.

Room: studying. Comes in: passes over data, and how a task's result is merged with those before.
Goes out: the merged result. Tasks are merged in the data's order, whoever did them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import xarray as xr
from numpy.typing import NDArray

from limelight.studying.executing import done, pool
from limelight.studying.parts import Parts
from limelight.studying.passes import Act, Numbers, Passes, Work

#: Takes what a task gave, in the order of the data.
Merge = Callable[[Numbers], None]


class Streamed(Parts):
    """Parts that are on disk only: what was merged is not kept."""

    def get(self, first: int) -> dict[str, NDArray[Any]] | None:
        """Return the numbers of a task, read anew."""
        numbers = super().get(first)
        self._memory.clear()
        return numbers

    def put(self, first: int, numbers: Any) -> None:
        """Keep the numbers of a task, if there is a folder."""
        super().put(first, numbers)
        self._memory.clear()


def folded(
    passes: Passes, act: Act, merge: Merge, progress: Callable[[int, int], None] | None = None
) -> None:
    """Do all tasks that are not done yet, and merge all.

    Parameters
    ----------
    passes : Passes
    act : callable
        Its arrays need not be [example, …].
    merge : callable
    progress : callable, optional
        Called with how many tasks are done, and how many there are.
    """
    folder = passes.folder
    parts = Streamed(None if folder is None else folder.parts, passes.key)
    order = list(passes.firsts)
    finished = set(parts.finished(order))
    ahead: dict[int, Numbers] = {}
    turn = 0

    def advance() -> None:
        nonlocal turn
        while turn < len(order):
            numbers = ahead.pop(order[turn], None)
            if numbers is None and order[turn] in finished:
                numbers = parts.get(order[turn])
            if numbers is None:
                return
            merge(numbers)
            turn += 1

    work: Any = replace(
        Work(passes.model, act, passes.digest, passes.conditions["precision"], ""), each=False
    )
    with ExitStack() as undo:
        if folder is not None:
            undo.enter_context(folder.running(len(finished)))
        executor: Any = passes.executor
        if executor is None and passes.workers:
            executor = undo.enter_context(pool(passes.workers))
        advance()
        if len(finished) < len(order):
            tasks = passes._tasks(set(finished))
            count = len(finished)
            for task, numbers in done(tasks, len(order), work, executor, passes.workers, count):
                parts.put(task.first, numbers)
                ahead[task.first] = numbers
                advance()
                count += 1
                if folder is not None:
                    folder.tell(count)
                if progress is not None:
                    progress(count, len(order))


def kept(passes: Passes, result: xr.Dataset) -> xr.Dataset:
    """Keep a result in the run, if there is one, and return it; parts served to go on, and go.

    Parameters
    ----------
    passes : Passes
    result : Dataset

    Returns
    -------
    Dataset
    """
    if passes.folder is not None:
        passes.folder.finish(result)
        shutil.rmtree(passes.folder.parts, ignore_errors=True)
    return result
