"""A model run over data: each partition a task, numbers kept for each example.

Room: studying. Comes in: a model or its recipe, data, and what is done with a partition. Goes out:
arrays [example, …] in the data's order, the same to the bit however the tasks were spread.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight.capture.adapter import adapter_for
from limelight.errors import StudyError
from limelight.studying.data import Data, Named, Partition, Scan
from limelight.studying.digests import state_digest, weights_digest
from limelight.studying.executing import done, pool
from limelight.studying.keeping import Kept, facts
from limelight.studying.parts import Parts
from limelight.studying.recipe import Recipe
from limelight.studying.trying import finite

Numbers = dict[str, NDArray[Any]]
#: What is done with a partition: it must travel where another process does it.
Act = Callable[[Any, Partition], Numbers]
#: Makes a result of numbers, and of the numbers of their examples.
Reduce = Callable[[Numbers, NDArray[np.intp]], xr.Dataset]

#: Threads of the task that gave a number, beside the numbers.
THREADS = "threads"
#: A result so far is made anew after so many times what the last one took.
_SPARING = 20.0

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
    precision : str
        What it shall compute in.
    metric : str
        Name of what is measured, for messages.
    each : bool
        Whether there is a number for each example.
    """

    model: Any
    act: Act
    digest: str
    precision: str
    metric: str
    each: bool = True

    def __call__(self, named: Partition | Named) -> Numbers:
        """Return a partition's numbers, each [example, …]."""
        task = named.read() if isinstance(named, Named) else named
        model = live(self.model)
        if isinstance(self.model, Recipe):
            _same_weights(self.model, model, self.digest)
        with _ONE_AT_A_TIME, _same_random():  # threads share the model, which a gating changes
            here = adapter_for(model).circumstances(model)
            _same_precision(here["precision"], self.precision)
            numbers = self.act(model, task)
        if not self.each:
            return numbers
        for name, values in numbers.items():
            if len(values) != task.size:
                raise StudyError(
                    f"Got {len(values)} of {name!r} for {task.size} examples.",
                    "Wanted one for each.", "This is a mistake in the study.",
                )  # fmt: skip
        if self.metric:
            finite(numbers["plain"], task.first, self.metric)
        return {**numbers, THREADS: np.full(task.size, here[THREADS], np.int16)}


@dataclass
class Passes:
    """A study's passes over its data.

    Attributes
    ----------
    model : object or Recipe
    data : Data
    settings : mapping
        ``study``, and all that decides the numbers beside model and data; plain values.
    executor, workers : optional
    run : str, path, or Run, optional
        Where finished tasks and the result are kept.
    tier : str
        What the numbers may claim.
    metric : str
        Name of what is measured, for messages; numbers ``plain`` are to be finite then.
    views : mapping
        What else decides the result that is made of the numbers.
    few : int, optional
        So many tasks, evenly spread, instead of all.
    """

    model: Any
    data: Data
    settings: Mapping[str, Any]
    executor: Executor | None = None
    workers: int | None = None
    run: Any = None
    tier: str = ""
    metric: str = ""
    views: Mapping[str, Any] = field(default_factory=dict)
    few: int | None = None
    live: Any = field(init=False)
    scan: Scan = field(init=False)
    firsts: tuple[int, ...] = field(init=False)
    digest: str = field(init=False)
    folder: Kept | None = field(init=False, default=None)
    parts: Parts = field(init=False)

    def __post_init__(self) -> None:
        self._check_executor()
        self.live = live(self.model)
        self.scan = self.data.scan()
        self.firsts = self.scan.firsts
        if self.few is not None and self.few < len(self.firsts):
            at = np.linspace(0, len(self.firsts) - 1, self.few).round().astype(int)
            self.firsts = tuple(self.firsts[number] for number in sorted(set(at.tolist())))
        self.digest = weights_digest(self.live)
        self.conditions = adapter_for(self.live).circumstances(self.live)
        if self.run is not None:
            said = {**self.settings, **self.views}
            self.folder = Kept(self.run, facts(
                str(said["study"]), self._hash(said), said, self.digest, self.scan.digest,
                len(self.firsts), self.tier,
            ))  # fmt: skip
        beside = [] if self.folder is None else self.folder.siblings()
        self.parts = Parts(None if self.folder is None else self.folder.parts, self.key, beside)

    @property
    def _far(self) -> bool:
        """Whether tasks are done elsewhere than in this process."""
        if self.executor is None:
            return self.workers is not None
        return not isinstance(self.executor, ThreadPoolExecutor)

    @property
    def key(self) -> str:
        """A hash of everything that decides the numbers."""
        return self._hash(self.settings)

    @property
    def examples(self) -> int:
        """How many examples these tasks have."""
        ends = dict(zip(self.scan.firsts, [*self.scan.firsts[1:], self.scan.examples], strict=True))
        return sum(ends[first] - first for first in self.firsts)

    def waiting(self) -> int:
        """Return how many tasks are not done yet."""
        return len(self.firsts) - len(self.parts.finished(self.firsts))

    def result(
        self, act: Act, reduce: Reduce, progress: Callable[[int, int], None] | None = None
    ) -> xr.Dataset:
        """Do all tasks that are not done yet, and return what becomes of all numbers.

        Parameters
        ----------
        act : callable
        reduce : callable
            Also called for what is done so far, where it is kept in a run.
        progress : callable, optional
            Called with how many tasks are done, and how many there are.

        Returns
        -------
        Dataset

        Raises
        ------
        StudyError
            If the data differs from pass to pass, tasks fail, or the model changes meanwhile.
        """
        with self._done(act, reduce, progress):
            return self.finish(self._reduced(reduce))

    def numbers(self, act: Act) -> Numbers:
        """Do all tasks that are not done yet, and return all numbers.

        Parameters
        ----------
        act : callable

        Returns
        -------
        dict of str to array [example, …]
            In the data's order. :meth:`finish` keeps what is made of them; :meth:`result` does
            both, and shows what there is so far.

        Raises
        ------
        StudyError
            As :meth:`result`.
        """
        with self._done(act, None, None):
            numbers, _ = self.parts.joined(self.firsts)
        return {name: values for name, values in numbers.items() if name != THREADS}

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
            self.parts.pack(self.firsts)
        return result

    @contextmanager
    def _done(
        self, act: Act, reduce: Reduce | None, progress: Callable[[int, int], None] | None
    ) -> Iterator[None]:
        """Do all tasks, then let the result be made while the run still says that it runs."""
        finished = set(self.parts.finished(self.firsts))
        before = state_digest(self.live, self.digest, randomness=False)
        with _same_random(), ExitStack() as undo:  # an executor may draw, in threads of its own
            if self.folder is not None:
                undo.enter_context(self.folder.running(len(finished)))
            if len(finished) < len(self.firsts):
                self._do(act, reduce, finished, progress, undo)
            elif progress is not None:
                progress(len(finished), len(self.firsts))
            if state_digest(self.live, randomness=False) != before:
                raise _changed(self.live)
            yield

    def _do(
        self,
        act: Act,
        reduce: Reduce | None,
        finished: set[int],
        progress: Callable[[int, int], None] | None,
        undo: ExitStack,
    ) -> None:
        """Do tasks, keep what each gives, and show a result so far now and then."""
        count = len(self.firsts)
        work = Work(self.model, act, self.digest, self.conditions["precision"], self.metric)
        if self.workers and self.executor is None:
            _travels(work)
        executor: Any = self.executor
        if executor is None and self.workers:
            executor = undo.enter_context(pool(self.workers))
        due = 0.0
        if progress is not None:
            progress(len(finished), count)
        tasks = self._tasks(set(finished))
        for task, numbers in done(tasks, count, work, executor, self.workers, len(finished)):
            self.parts.put(task.first, numbers)
            finished.add(task.first)
            if self.folder is not None:
                self.folder.tell(len(finished))
                if reduce is not None and time.monotonic() >= due and len(finished) < count:
                    began = time.monotonic()
                    self.folder.publish(self._reduced(reduce))
                    due = time.monotonic() + _SPARING * (time.monotonic() - began)
            if progress is not None:
                progress(len(finished), count)

    def _reduced(self, reduce: Reduce) -> xr.Dataset:
        numbers, rows = self.parts.joined(self.firsts)
        threads = sorted({int(number) for number in np.unique(numbers.pop(THREADS))})
        said = {"threads": threads[0] if len(threads) == 1 else threads,
                "precision": self.conditions["precision"],
                "framework": self.conditions["framework"]}  # fmt: skip
        return reduce(numbers, rows).assign_attrs(said)

    def _tasks(self, finished: set[int]) -> Iterator[Partition | Named]:
        wanted = set(self.firsts) - finished
        if self._far and self.data.recipe is not None:
            digests = zip(self.scan.firsts, self.scan.digests, strict=True)
            return (self.data.named(*pair) for pair in digests if pair[0] in wanted)
        return (part for part in checked(self.data, self.scan) if part.first in wanted)

    def _hash(self, said: Mapping[str, Any]) -> str:
        whole = json.dumps(
            {"settings": dict(said), "data": self.scan.digest,
             "model": self.digest, "precision": self.conditions["precision"],
             "partitions": self.firsts}, sort_keys=True, default=repr,
        )  # fmt: skip
        return hashlib.sha256(whole.encode()).hexdigest()[:16]

    def _check_executor(self) -> None:
        if self.workers is not None and (
            isinstance(self.workers, bool) or not hasattr(self.workers, "__index__")
            or self.workers < 1
        ):  # fmt: skip
            raise StudyError(
                f"Got workers={self.workers!r}.", "Wanted a whole number of processes above 0.",
                "Write workers=2, or leave it out to run here.",
            )  # fmt: skip
        if self.executor is not None and not callable(getattr(self.executor, "submit", None)):
            raise StudyError(
                f"Got executor={type(self.executor).__name__}.",
                "Wanted something with submit(function, argument) that returns a future.",
                "Pass a concurrent.futures.Executor, or client.get_executor() of Dask.",
            )
        if self._far and not isinstance(self.model, Recipe):
            raise StudyError(
                f"Got a live {type(self.model).__name__} for other processes.",
                "Wanted a recipe that makes it there: its weights are too much to send along.",
                "Write ll.Recipe('package.module:make_model', …) in its place.",
            )


def live(model: Any) -> Any:
    """Return a model, made if it is a recipe.

    Parameters
    ----------
    model : object or Recipe
        A recipe may make several things, such as a model and its tokenizer: the model comes first.

    Returns
    -------
    object
    """
    made = model.make() if isinstance(model, Recipe) else model
    return made[0] if isinstance(made, (tuple, list)) and made else made


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
    count = 0
    for part in data.partitions():
        if digests.get(part.first) != part.digest:
            raise _other_examples(part.first)
        count += part.size
        yield part
    if count != scan.examples:
        raise _other_examples(count)


def _travels(work: Work) -> None:
    """Make sure that what other processes shall do can be sent there."""
    try:
        pickle.dumps(work)
    except Exception as error:
        raise StudyError(
            f"Got something that cannot be sent to another process: {str(error)[:200]}.",
            "Wanted a metric that can be imported there by its name.",
            "Write metric=…, collate=… and call=… as functions of a module of their own.",
        ) from error


def _other_examples(number: int) -> StudyError:
    return StudyError(
        f"Got other examples from number {number} on than in the pass before.",
        "Wanted the same examples in the same order in each pass.",
        "Turn shuffling and random changes of the data off.",
    )


def _changed(model: Any) -> StudyError:
    return StudyError(
        f"The {type(model).__name__} is not what it was when the study began: its weights, mode or "
        "hooks changed.",
        "Wanted a model that nothing else uses meanwhile.",
        "Do not train it in another thread while it is studied; what was measured may be wrong, so "
        "call the study again.",
    )


@contextmanager
def _same_random() -> Iterator[None]:
    """Put the random states of Python and NumPy back: a metric of the user's may draw."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def _same_precision(here: str, wanted: str) -> None:
    if here != wanted:
        raise StudyError(
            f"Got a model that computes in {here} where tasks are done, in {wanted} where the "
            "study was called.",
            "Wanted one precision for all.",
            "A context such as torch.autocast reaches its own thread only: enter it in the model's "
            "forward, or in the function that the recipe names.",
        )


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
