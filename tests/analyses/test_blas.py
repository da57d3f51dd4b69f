"""Linear algebra gets its threads back, however many contexts overlap."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from limelight.analyses.blockwise.blas import one_thread_each


def threads():
    np.eye(2) @ np.eye(2)
    return [
        library["num_threads"]
        for library in ThreadpoolController().info()
        if library["user_api"] == "blas"
    ]


@pytest.fixture
def before():
    """What the libraries may use, as this process was started."""
    numbers = threads()
    assert numbers
    return numbers


def test_each_product_runs_on_one_thread_and_then_as_before(before):
    with one_thread_each():
        assert set(threads()) == {1}
    assert threads() == before


def test_contexts_that_overlap_put_back_what_was_before_the_first(before):
    inside, first_ended = threading.Event(), threading.Event()

    def second():
        with one_thread_each():
            inside.set()
            first_ended.wait(60)

    thread = threading.Thread(target=second)
    with one_thread_each():
        thread.start()
        inside.wait(60)
    first_ended.set()
    thread.join()
    assert threads() == before


def test_an_error_inside_puts_it_back(before):
    with pytest.raises(KeyError), one_thread_each():
        raise KeyError
    assert threads() == before
