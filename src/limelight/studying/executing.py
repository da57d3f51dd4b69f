"""Has tasks done: here, or by any executor, never more than a few at a time.

Room: studying. Comes in: tasks, a function that does one, perhaps an executor. Goes out: results
in the order in which they are finished. Of an executor only ``submit`` and its futures are used.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from limelight.errors import LimelightError, StudyError

Task = TypeVar("Task")
Result = TypeVar("Result")

#: How often a task is tried.
TRIES: Final = 3
#: What says how many threads a process's libraries take; read when these are imported.
_THREADS: Final = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip


def done(
    tasks: Iterable[Task],
    count: int,
    act: Callable[[Task], Result],
    executor: Executor | None = None,
    workers: int | None = None,
    before: int = 0,
) -> Iterator[tuple[Task, Result]]:
    """Yield each task and its result, as they are finished.

    Parameters
    ----------
    tasks : iterable
        Read as they are needed.
    count : int
        How many there are, for messages.
    act : callable
        Does a task; with another process it must travel there, as must tasks and results.
    executor : Executor, optional
        With ``submit(act, task)``. Without one tasks are done here, in their order.
    workers : int, optional
        How many at once: at most twice as many tasks are under way.
    before : int
        How many were done before, for messages.

    Yields
    ------
    (task, result)

    Raises
    ------
    StudyError
        If a task fails three times, or the executor breaks; what was yielded is not lost.
    """
    if executor is None:
        for task in tasks:
            yield task, act(task)
        return
    window = 2 * (workers or _workers_of(executor))
    yield from _spread(tasks, count, act, executor, window, before)


def _spread(
    tasks: Iterable[Task],
    count: int,
    act: Callable[[Task], Result],
    executor: Any,
    window: int,
    finished: int,
) -> Iterator[tuple[Task, Result]]:
    """Yield results of an executor's, with at most so many tasks under way."""
    tries: dict[int, int] = {}
    coming = enumerate(tasks)
    again: list[tuple[int, Task]] = []
    running: dict[Any, tuple[int, Task]] = {}
    try:
        while True:
            while len(running) < window:
                following = again.pop() if again else next(coming, None)
                if following is None:
                    break
                running[executor.submit(act, following[1])] = following
            if not running:
                return
            ready, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ready:
                number, task = running.pop(future)
                error = future.exception()
                if error is None:
                    finished += 1
                    yield task, future.result()
                    continue
                tries[number] = tries.get(number, 1) + 1
                if isinstance(error, LimelightError):
                    raise error
                renewed = (
                    _is_broken(error) and isinstance(executor, Pool) and executor.renew(future)
                )
                if tries[number] > TRIES or (_is_broken(error) and not renewed):
                    raise _failed(error, finished, count) from error
                again.append((number, task))
    except RuntimeError as error:  # an executor that takes no more tasks
        raise _failed(error, finished, count) from error
    finally:
        begun = [future for future in running if not future.cancel()]
        if isinstance(executor, ThreadPoolExecutor):
            wait(begun)  # they have the model in their hands


class Pool:
    """Processes that take so many threads each, begun anew when one of them dies.

    Parameters
    ----------
    workers : int
    threads : int
        Said before any library is imported there.
    """

    def __init__(self, workers: int, threads: int = 1) -> None:
        self._max_workers, self._threads = workers, threads
        self._made: dict[Any, ProcessPoolExecutor] = {}
        self._executor = self._begun()

    def submit(self, act: Callable[[Task], Result], task: Task) -> Any:
        """Have a task done."""
        try:
            future = self._executor.submit(act, task)
        except BrokenExecutor:
            self._executor = self._begun()
            future = self._executor.submit(act, task)
        self._made = {known: at for known, at in self._made.items() if not known.done()}
        self._made[future] = self._executor
        return future

    def renew(self, future: Any) -> bool:
        """Begin anew if the processes that a future was of are those at work; True."""
        if self._made.get(future) is self._executor:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = self._begun()
        return True

    def stop(self) -> None:
        """End the processes; what was not begun is not done."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _begun(self) -> ProcessPoolExecutor:
        """Start processes; each reads how many threads to take when it imports its libraries."""
        before = {name: os.environ.get(name) for name in _THREADS}
        context = multiprocessing.get_context("spawn")  # a fork of a threaded framework hangs
        executor = ProcessPoolExecutor(self._max_workers, mp_context=context)
        os.environ.update(dict.fromkeys(_THREADS, str(self._threads)))
        try:
            for future in [executor.submit(os.getpid) for _ in range(self._max_workers)]:
                future.result()
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
        return executor


@contextmanager
def pool(workers: int, threads: int = 1) -> Iterator[Pool]:
    """Start processes that take so many threads each, and stop them in the end.

    Parameters
    ----------
    workers : int
    threads : int

    Yields
    ------
    Pool
    """
    held = Pool(workers, threads)
    try:
        yield held
    finally:
        held.stop()


def _workers_of(executor: Executor) -> int:
    said = getattr(executor, "_max_workers", 0) or getattr(executor, "num_workers", 0)
    return int(said or os.cpu_count() or 1)


def _is_broken(error: BaseException) -> bool:
    return any("Broken" in kind.__name__ for kind in type(error).__mro__)


def _failed(error: BaseException, finished: int, count: int) -> StudyError:
    reason = str(error).strip().splitlines()
    return StudyError(
        f"{finished} of {count} tasks done, then one failed: {type(error).__name__}"
        f"{': ' + reason[0][:200] if reason else ''}.",
        "Wanted an executor that does them all.",
        "Call it again to go on: with run= what is finished is kept.",
    )
