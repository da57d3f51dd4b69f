"""Keeps linear algebra on the threads that ask for it, while several threads of ours do.

Room: analyses. Comes in: nothing. Goes out: a context. Each thread's product would start threads of
its own, on cores that the other threads are using, and all of them would wait for each other: five
times the work, and fifteen times as long beside a training.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let products of NumPy run on one thread each while the context lasts.

    Contexts may overlap, in several threads: only the first one sets the limit, and the same thread
    puts back what was before, so that no order of endings can leave it behind.

    Yields
    ------
    None

    Examples
    --------
    >>> import numpy as np
    >>> with one_thread_each():
    ...     product = np.eye(2) @ np.eye(2)
    >>> product.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if not _lock.acquire(blocking=False):
        yield
        return
    try:
        with _libraries().limit(limits=1):
            yield
    finally:
        _lock.release()


@cache  # looking for libraries takes a few milliseconds
def _libraries() -> Any:
    return ThreadpoolController().select(user_api="blas")
