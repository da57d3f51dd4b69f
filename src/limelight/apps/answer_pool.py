"""Where a server computes its answers: a few at a time, and behind whatever draws them.

Room: apps. A browser on the same machine asks for several tiles at once while it draws, and what
computes them on every core, with threads of its own for each product, keeps frames waiting. What
nobody waits for any more is not computed, and only so much may wait.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from limelight.errors import UnavailableError

_T = TypeVar("_T")

#: How far below others, in steps of the system's 40, answers are computed: beside a training on all
#: cores a view takes 30 ms instead of 10, and at 10 steps it would take 80.
_BELOW: Final = 5

#: Questions that may wait: more than ten browsers ask at a time.
_MOST_WAITING: Final = 64

#: Seconds after which a waiting question is looked at again: does anybody wait for it?
_PATIENCE: Final = 0.25


class Unwanted(Exception):  # noqa: N818  # no error: nobody is there to be told one
    """Nobody waits for an answer any more."""


class AnswerPool:
    """Computes on all cores but one, at a low priority where the system can give one to threads.

    From the first act on, linear algebra of the whole process stays on the thread that asks for it.

    Parameters
    ----------
    most : int
        Acts that may wait for a core.

    Examples
    --------
    >>> AnswerPool().do(lambda: 1 + 1)
    2
    """

    def __init__(self, most: int = _MOST_WAITING) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._most = most
        self._waiting = 0
        self._lock = threading.Lock()

    def do(self, act: Callable[[], _T], wanted: Callable[[], bool] = lambda: True) -> _T:
        """Do something when a core is free for it, and wait for that.

        Parameters
        ----------
        act : callable
            Of no arguments; must not use this pool itself.
        wanted : callable
            Says whether anybody still waits for it. It is asked when a core is free, and while none
            is.

        Returns
        -------
        object
            What it returns; what it raises is raised here.

        Raises
        ------
        UnavailableError
            If too much is waiting already.
        Unwanted
            If nobody waits for it any more; it was not begun then, or goes on unheard.
        """
        with self._lock:
            if self._waiting >= self._most:
                raise UnavailableError(
                    f"Got a question while {self._waiting} others wait for their answers.",
                    f"Wanted at most {self._most}.",
                    "Ask again in a moment.",
                )
            self._waiting += 1
            if self._pool is None:
                self._pool = _opened()

        def begin() -> _T:
            with self._lock:
                self._waiting -= 1
            if not wanted():
                raise Unwanted
            return act()

        future = self._pool.submit(begin)
        future.add_done_callback(self._dropped)
        return _result(future, wanted)

    def _dropped(self, future: Future[_T]) -> None:
        """Count one that was given up before it began."""
        if future.cancelled():
            with self._lock:
                self._waiting -= 1


def _result(future: Future[_T], wanted: Callable[[], bool]) -> _T:
    while True:
        try:
            return future.result(_PATIENCE)
        except TimeoutError:
            if future.done():  # it raised that itself
                return future.result()
            if not wanted():
                future.cancel()
                raise Unwanted from None


def _opened() -> ThreadPoolExecutor:
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1, user_api="blas")
    asked = getattr(os, "sched_getaffinity", None)
    cores = len(asked(0)) if asked else os.cpu_count() or 1
    return ThreadPoolExecutor(max(1, cores - 1), "limelight", initializer=_step_back)


def _step_back() -> None:
    """Lower this thread's priority; what it starts inherits that."""
    if not hasattr(os, "sched_getaffinity"):  # only Linux gives threads a priority of their own
        return
    me = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, me, os.getpriority(os.PRIO_PROCESS, me) + _BELOW)
