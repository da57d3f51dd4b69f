"""Answers are computed behind what draws them: few at a time, and at a low priority."""

from __future__ import annotations

import os
import sys
import threading

import numpy as np
import pytest
import threadpoolctl

from limelight.apps.answer_pool import Desk

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="others give threads no priority")


def priority():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_what_is_done_comes_back_and_what_is_raised_too():
    desk = Desk()
    assert desk.do(lambda: 41) == 41
    with pytest.raises(KeyError, match="gone"):
        desk.do(lambda: {}["gone"])
    assert desk.do(lambda: 42) == 42


@LINUX
def test_it_steps_back_and_the_one_who_asks_does_not():
    before = priority()
    assert Desk().do(priority) == min(19, before + 5)
    assert priority() == before


@LINUX
@pytest.mark.parametrize(("cores", "most"), [({0}, 1), ({0, 1}, 1), ({0, 1, 2, 3}, 3)])
def test_one_core_is_left_to_others(monkeypatch, cores, most):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores)
    desk, lock = Desk(), threading.Lock()
    running, highest = [], []
    full = threading.Barrier(most)

    def act():
        with lock:
            running.append(1)
            highest.append(len(running))
        full.wait(20)  # passes only if as many run together as may
        with lock:
            running.pop()

    askers = [threading.Thread(target=desk.do, args=(act,)) for _ in range(2 * most)]
    for one in askers:
        one.start()
    for one in askers:
        one.join(30)
    assert len(highest) == 2 * most
    assert max(highest) == most


def test_products_stay_on_the_thread_that_asks():
    found = Desk().do(lambda: (np.ones((2, 2)) @ np.ones((2, 2)), threadpoolctl.threadpool_info()))
    threads = {one["num_threads"] for one in found[1] if one["user_api"] == "blas"}
    assert threads <= {1}
