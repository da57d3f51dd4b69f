"""Where a server computes its answers: a few at a time, and behind whatever draws them.

Room: apps. A browser on the same machine asks for several tiles at once while it draws, and what
computes them on every core, with threads of its own for each product, keeps frames waiting.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

_T = TypeVar("_T")

#: How far below others, in steps of the system's 40, answers are computed: beside a training on all
#: cores a view takes 30 ms instead of 10, and at 10 steps it would take 80.
_BELOW: Final = 5


class AnswerPool:
    """Computes on all cores but one, at a low priority where the system can give one to threads.

    From the first act on, linear algebra of the whole process stays on the thread that asks for it.

    Examples
    --------
    >>> AnswerPool().do(lambda: 1 + 1)
    2
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def do(self, act: Callable[[], _T]) -> _T:
        """Do something when a core is free for it, and wait for that.

        Parameters
        ----------
        act : callable
            Of no arguments; must not use this pool itself.

        Returns
        -------
        object
            What it returns; what it raises is raised here.
        """
        with self._lock:
            if self._pool is None:
                self._pool = _opened()
        return self._pool.submit(act).result()


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
