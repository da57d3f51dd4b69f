"""Answers are computed behind what draws them: few at a time, and at a low priority."""

from __future__ import annotations

import os
import sys
import threading

import numpy as np
import pytest
import threadpoolctl

from limelight.apps.answer_pool import AnswerPool

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
