"""Answers are computed behind what draws them: few at a time, and at a low priority."""

from __future__ import annotations

import os
import sys
import threading

import numpy as np
import pytest
import threadpoolctl

from limelight.apps.answer_pool import AnswerPool, Unwanted
from limelight.errors import UnavailableError

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="others give threads no priority")


def priority():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_what_is_done_comes_back_and_what_is_raised_too():
    pool = AnswerPool()
    assert pool.do(lambda: 41) == 41
    with pytest.raises(KeyError, match="gone"):
        pool.do(lambda: {}["gone"])
    assert pool.do(lambda: 42) == 42


@LINUX
def test_it_steps_back_and_who_asks_does_not():
    before = priority()
    assert AnswerPool().do(priority) == min(19, before + 5)
    assert priority() == before


@LINUX
@pytest.mark.parametrize(("cores", "most"), [({0}, 1), ({0, 1}, 1), ({0, 1, 2, 3}, 3)])
def test_one_core_is_left_to_others(monkeypatch, cores, most):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores)
    pool, lock = AnswerPool(), threading.Lock()
    running, highest = [], []
    full = threading.Barrier(most)

    def act():
        with lock:
            running.append(1)
            highest.append(len(running))
        full.wait(20)  # passes only if as many run together as may
        with lock:
            running.pop()

    askers = [threading.Thread(target=pool.do, args=(act,)) for _ in range(2 * most)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(30)
    assert len(highest) == 2 * most
    assert max(highest) == most


def test_products_stay_on_the_thread_that_asks():
    def act():
        np.ones((2, 2)) @ np.ones((2, 2))
        return threadpoolctl.threadpool_info()

    pools = AnswerPool().do(act)
    threads = {pool["num_threads"] for pool in pools if pool["user_api"] == "blas"}
    assert threads <= {1}


def test_only_so_much_may_wait_and_what_nobody_waits_for_is_dropped(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    pool, busy, free = AnswerPool(most=2), threading.Event(), threading.Event()
    done, outcomes = [], []

    def hold():
        busy.set()
        free.wait(30)

    def ask(number, wanted):
        try:
            outcomes.append(pool.do(lambda: done.append(number), wanted))
        except Unwanted:
            outcomes.append("unwanted")

    threads = [threading.Thread(target=pool.do, args=(hold,))]
    threads[0].start()
    assert busy.wait(30)
    gone = threading.Thread(target=ask, args=(1, lambda: False))
    gone.start()
    gone.join(30)  # comes back although nothing is free, and makes room
    assert outcomes == ["unwanted"]
    for number in (2, 3):
        threads.append(threading.Thread(target=ask, args=(number, lambda: True)))
        threads[-1].start()
    while pool._waiting < 2:
        pass
    with pytest.raises(UnavailableError, match="while 2 others wait"):
        pool.do(lambda: done.append(4))
    free.set()
    for thread in threads:
        thread.join(30)
    assert sorted(done) == [2, 3]
    assert pool.do(lambda: 5) == 5
    assert pool._waiting == 0
