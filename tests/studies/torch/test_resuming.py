"""A study gives the same bytes whoever does its tasks, and however often it is killed."""

import os
import signal
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import small
import torch

import limelight as ll
from limelight.errors import StudyError
from limelight.studying import executing
from limelight.wire import encode

MODEL = ll.Recipe("small:model")
DATA = ll.Recipe("small:batches", 50)
ROWS = 4


def studied(model=MODEL, data=DATA, **settings):
    return ll.ablation(model, data, partition=ROWS, each=True, **settings)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As in the workers: sums over several threads may end in other bits."""
    before, path = torch.get_num_threads(), os.environ.get("PYTHONPATH", "")
    torch.set_num_threads(1)
    os.environ["PYTHONPATH"] = f"{Path(__file__).parent}{os.pathsep}{path}"
    yield
    torch.set_num_threads(before)
    os.environ["PYTHONPATH"] = path


@pytest.fixture(scope="module")
def expected():
    return encode(studied(small.model(), small.batches(50)))


def read(result):
    return encode(result.assign_attrs())


class Killed(BaseException):
    """As from a signal: nothing may catch it."""


def test_killed_at_twenty_places_it_goes_on_to_the_same_bytes(tmp_path, expected):
    """Each time one task more is done before it dies, and other hands do it."""
    hands = [{}, {"executor": ThreadPoolExecutor(1)}, {"executor": ThreadPoolExecutor(3)}]
    deaths = 0

    def dies(done, _tasks):
        nonlocal deaths
        if done > deaths:
            deaths = done
            raise Killed

    while deaths < 13:
        with pytest.raises(Killed):
            studied(run=tmp_path, progress=dies, **hands[deaths % 3])
        (_, progress), *_ = ll.open_run(tmp_path).studied()
        assert progress.state == "stopped"
        if deaths < 13:
            assert progress.done >= deaths - 1
    assert read(studied(run=tmp_path)) == expected
    for executor in (hand["executor"] for hand in hands[1:]):
        executor.shutdown()


@pytest.mark.parametrize("at", [1, 2, 3, 4, 9, 16, 18])
def test_killed_while_it_writes_it_goes_on_to_the_same_bytes(tmp_path, expected, at, monkeypatch):
    """Between any two files of those that make a study: facts, progress, parts, results."""
    written = 0
    real = Path.replace

    def dies(self, target):
        nonlocal written
        written += 1
        if written == at:
            raise Killed
        return real(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", dies)
        with pytest.raises(Killed):
            studied(run=tmp_path, executor=None)
    assert read(studied(run=tmp_path)) == expected
    left = [path.name for path in tmp_path.rglob("parts/*")]
    assert not left, "they are packed"


def test_processes_give_the_same_bytes_and_one_of_them_may_die(tmp_path, expected, monkeypatch):
    workers = []
    real = executing.Pool._begun

    def noted(self):
        executor = real(self)
        workers.append(executor)
        return executor

    monkeypatch.setattr(executing.Pool, "_begun", noted)

    def kills(done, _tasks):
        if done == 3 and len(workers) == 1:
            os.kill(next(iter(workers[0]._processes)), signal.SIGKILL)

    assert read(studied(run=tmp_path, workers=2, progress=kills)) == expected
    assert len(workers) == 2, "begun anew"


def test_an_executor_of_the_users_that_breaks_ends_with_what_is_done(tmp_path, expected):
    from multiprocessing import get_context

    executor = ProcessPoolExecutor(1, mp_context=get_context("spawn"))

    def kills(done, _tasks):
        if done == 2:
            os.kill(next(iter(executor._processes)), signal.SIGKILL)

    with (
        executor,
        pytest.raises(StudyError, match=r"[23] of 13 tasks done.*Call it again to go on"),
    ):
        studied(run=tmp_path, executor=executor, progress=kills)
    (fact,) = ll.open_run(tmp_path).studied()
    assert fact[1].state == "stopped"
    assert read(studied(run=tmp_path)) == expected


def test_only_names_travel(tmp_path):
    import pickle

    sizes = []

    class Weighing(ThreadPoolExecutor):
        """Counts what would travel."""

        def submit(self, act, task):
            sizes.append(len(pickle.dumps((act, task))))
            return super().submit(act, task)

    class Far:
        """Another process, as far as a study knows."""

        def __init__(self):
            self._inner = Weighing(1)

        def submit(self, act, task):
            return self._inner.submit(act, task)

    studied(executor=Far(), data=DATA)
    assert max(sizes) < 2_000


def test_another_model_or_data_is_another_study(tmp_path):
    first = studied(run=tmp_path)
    other = studied(ll.Recipe("small:model", 5), run=tmp_path)
    data = studied(data=ll.Recipe("small:batches", 50, 9), run=tmp_path)
    digests = {(r.attrs["model_digest"], r.attrs["data_digest"]) for r in (first, other, data)}
    assert len(digests) == len(ll.open_run(tmp_path).studies) == 3


def test_other_units_of_the_same_numbers_run_nothing_again(tmp_path, monkeypatch):
    studied(run=tmp_path)

    def runs(*_):
        raise AssertionError("the model ran")

    from limelight.studies.ablation import Ablating

    monkeypatch.setattr(Ablating, "__call__", runs)
    pairs = studied(run=tmp_path, resample_by=np.arange(50) // 2)
    assert pairs.attrs["n"] == 25
    assert len(ll.open_run(tmp_path).studies) == 2
    assert ll.open_run(tmp_path).study("ablation").attrs["n"] == 25


def test_results_so_far_are_those_of_the_tasks_that_are_done(tmp_path):
    shown = []

    def look(done, tasks):
        run = ll.open_run(tmp_path)
        if 0 < done < tasks:
            _, progress, numbers = run.study_so_far("ablation")
            shown.append((progress.n, numbers))
            assert progress.state == "running"

    studied(run=tmp_path, progress=look)
    n, numbers = shown[-1]
    assert 0 < n < 50
    alone = ll.ablation(small.model(), small.data(50), each=True, partition=ROWS)
    rows = numbers["example"].values.astype(int)
    np.testing.assert_allclose(numbers["each"], alone["each"].sel(example=rows), atol=1e-6)
    assert ll.open_run(tmp_path).study("ablation").attrs["n"] == 50


def test_what_differs_in_another_process_is_told(monkeypatch):
    import random

    made = ll.Recipe("small:model")
    monkeypatch.setattr("limelight.studying.passes._checked", set())
    monkeypatch.setattr("limelight.studying.passes.weights_digest", lambda _: str(random.random()))
    with ThreadPoolExecutor(1) as executor, pytest.raises(StudyError, match="other weights"):
        studied(made, executor=executor)


def far_metric(outputs, targets):
    return outputs[:, 0]


def test_what_cannot_be_sent_is_told():
    with pytest.raises(StudyError, match="cannot be sent to another process"):
        studied(metric=lambda outputs, targets: outputs[:, 0], workers=1)
