"""A model run over data: each partition a task, numbers kept for each example.

Room: studying. Comes in: a model or its recipe, data, and what is done with a partition. Goes out:
arrays [example, …] in the data's order, the same to the bit however the tasks were spread.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight.errors import StudyError
from limelight.studying.data import Data, Partition, Scan
from limelight.studying.digests import weights_digest
from limelight.studying.executing import done, pool
from limelight.studying.keeping import Kept, facts
from limelight.studying.parts import Parts
from limelight.studying.recipe import Recipe

Numbers = dict[str, NDArray[Any]]
#: What is done with a partition: it must travel where another process does it.
Act = Callable[[Any, Partition], Numbers]


_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Work:
    """Does one task, in any process.

    Attributes
    ----------
    model : object or Recipe
    act : callable
    digest : str
        Of the weights that the model shall have.
    """

    model: Any
    act: Act
    digest: str

    def __call__(self, task: Partition) -> Numbers:
        """Return a partition's numbers, each [example, …]."""
        model = self.model
        if isinstance(model, Recipe):
            model = model.make()
            _same_weights(self.model, model, self.digest)
        with _ONE_AT_A_TIME:  # threads share the model, and it is changed while it runs
            numbers = self.act(model, task)
        for name, values in numbers.items():
            if len(values) != task.size:
                raise StudyError(
                    f"Got {len(values)} of {name!r} for {task.size} examples.",
                    "Wanted one for each.", "This is a mistake in the study.",
                )  # fmt: skip
        return numbers


@dataclass
class Passes:
    """A study's passes over its data.

    Attributes
    ----------
    model : object or Recipe
    data : Data
    settings : mapping
        All that decides the numbers beside model and data; plain values.
    executor, workers : optional
    run : str, path, or Run, optional
        Where finished tasks and the result are kept.
    progress : callable, optional
        Called with how many tasks are done, and how many there are.
    """

    model: Any
    data: Data
    settings: Mapping[str, Any]
    executor: Executor | None = None
    workers: int | None = None
    run: Any = None
    tier: str = ""
    progress: Callable[[int, int], None] | None = None
    scan: Scan = field(init=False)
    digest: str = field(init=False)
    folder: Kept | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.scan = self.data.scan()
        live = self.model.make() if isinstance(self.model, Recipe) else self.model
        self.digest = weights_digest(live)
        far = self.executor is not None and not isinstance(self.executor, ThreadPoolExecutor)
        if (far or self.workers) and not isinstance(self.model, Recipe):
            raise StudyError(
                f"Got a live {type(self.model).__name__} for other processes.",
                "Wanted a recipe that makes it there: its weights are too much to send along.",
                "Write ll.Recipe('package.module:make_model', …) in its place.",
            )
        if self.run is not None:
            name = str(self.settings["study"])
            self.folder = Kept(self.run, facts(name, self.key, self.settings, self.digest,
                                             self.scan.digest, len(self.scan.firsts),
                                             self.tier))  # fmt: skip

    @property
    def key(self) -> str:
        """A hash of everything that decides the numbers."""
        whole = json.dumps(
            {"settings": dict(self.settings), "data": self.scan.digest, "model": self.digest,
             "partitions": self.scan.firsts}, sort_keys=True, default=repr,
        )  # fmt: skip
        return hashlib.sha256(whole.encode()).hexdigest()[:16]

    def numbers(self, act: Act) -> Numbers:
        """Do all tasks that are not done yet, and return all numbers.

        Parameters
        ----------
        act : callable

        Returns
        -------
        dict of str to array [example, …]
            In the data's order.

        Raises
        ------
        StudyError
            If the data differs from pass to pass, or tasks fail.
        """
        parts = Parts(None if self.folder is None else self.folder.parts, self.key)
        finished = set(parts.finished(self.scan.firsts))
        count = len(self.scan.firsts)
        work = Work(self.model, act, self.digest)
        with ExitStack() as undo:
            if self.folder is not None:
                undo.enter_context(self.folder.running(len(finished)))
            executor = self.executor
            if executor is None and self.workers:
                executor = undo.enter_context(pool(self.workers))
            if len(finished) < count:
                tasks = self._tasks(finished)
                for task, numbers in done(tasks, count, work, executor, self.workers):
                    parts.put(task.first, numbers)
                    finished.add(task.first)
                    self._tell(len(finished), count)
        rows = [parts.get(first) for first in self.scan.firsts]
        present = [row for row in rows if row is not None]
        return {name: np.concatenate([row[name] for row in present]) for name in present[0]}

    def finish(self, result: xr.Dataset) -> xr.Dataset:
        """Keep a result in the run, if there is one, and return it.

        Parameters
        ----------
        result : Dataset

        Returns
        -------
        Dataset
        """
        if self.folder is not None:
            self.folder.finish(result)
        return result

    def _tasks(self, finished: set[int]) -> Iterator[Partition]:
        parts = checked(self.data, self.scan)
        return (part for part in parts if part.first not in finished)

    def _tell(self, finished: int, count: int) -> None:
        if self.folder is not None:
            self.folder.tell(finished)
        if self.progress is not None:
            self.progress(finished, count)


def checked(data: Data, scan: Scan) -> Iterator[Partition]:
    """Yield partitions, and make sure that they are those of the pass before.

    Parameters
    ----------
    data : Data
    scan : Scan
        Of that pass.

    Yields
    ------
    Partition

    Raises
    ------
    StudyError
        If they differ.
    """
    digests = dict(zip(scan.firsts, scan.digests, strict=True))
    for part in data.partitions():
        if digests.get(part.first) != part.digest:
            raise StudyError(
                f"Got other examples from number {part.first} on than in the pass before.",
                "Wanted the same examples in the same order in each pass.",
                "Turn shuffling and random changes of the data off.",
            )
        yield part


_checked: set[str] = set()


def _same_weights(recipe: Recipe, model: Any, digest: str) -> None:
    """Make sure, once a process, that a recipe made the same model here."""
    if repr(recipe) in _checked:
        return
    here = weights_digest(model)
    if here != digest:
        raise StudyError(
            f"{recipe!r} made other weights in another process.",
            "Wanted the same model each time it is made.",
            "Load its weights from a file, or set a seed, in that function.",
        )
    _checked.add(repr(recipe))
