"""Tasks are done by any executor, a few at a time; what is finished is never lost."""

import threading
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor

import numpy as np
import pytest

from limelight.errors import StudyError
from limelight.studying.executing import done
from limelight.studying.parts import Parts
from limelight.studying.recipe import Recipe


class Counting(ThreadPoolExecutor):
    """Notes how many tasks were under way at most."""

    def __init__(self):
        super().__init__(2)
        self.under_way = self.most = 0
        self._guard = threading.Lock()

    def submit(self, act, *args):
        with self._guard:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        future = super().submit(act, *args)
        future.add_done_callback(self._one_less)
        return future

    def _one_less(self, _):
        with self._guard:
            self.under_way -= 1


def test_no_more_than_twice_as_many_tasks_as_workers_are_under_way():
    with Counting() as executor:
        results = dict(done(range(50), 50, lambda task: task * task, executor))
    assert results == {task: task * task for task in range(50)}
    assert executor.most <= 4


def test_a_task_is_tried_three_times():
    tries = {}

    def act(task):
        tries[task] = tries.get(task, 0) + 1
        if task == 3 and tries[task] < 3:
            raise OSError("away")
        return task

    with ThreadPoolExecutor(1) as executor:
        assert sorted(dict(done(range(5), 5, act, executor))) == [0, 1, 2, 3, 4]
    assert tries[3] == 3


class Broken(Executor):
    def __init__(self, after):
        self.after = after

    def submit(self, act, *args):
        future = Future()
        self.after -= 1
        if self.after < 0:
            future.set_exception(BrokenExecutor("a worker died"))
        else:
            future.set_result(act(*args))
        return future


def test_a_broken_executor_ends_with_what_is_done():
    results = {}
    tasks = done(range(9), 9, str, Broken(4), workers=1)
    with pytest.raises(StudyError, match=r"\d of 9 tasks done, then one failed: BrokenExecutor"):
        results.update(tasks)
    assert results
    assert all(results[task] == str(task) for task in results)


def test_parts_are_whole_or_not_there(tmp_path):
    parts = Parts(tmp_path / "parts", "key")
    parts.put(32, {"plain": np.arange(3.0)})
    again = Parts(tmp_path / "parts", "key")
    assert again.finished([0, 32, 64]) == [32]
    np.testing.assert_array_equal(again.get(32)["plain"], np.arange(3.0))
    assert Parts(tmp_path / "parts", "other").get(32) is None
    (path,) = (tmp_path / "parts").iterdir()
    path.write_bytes(path.read_bytes()[:-20])
    assert Parts(tmp_path / "parts", "key").get(32) is None


def test_where_nothing_can_be_written_nothing_stays(tmp_path):
    (tmp_path / "parts").write_text("a file")
    with pytest.raises(StudyError, match="Could not write"):
        Parts(tmp_path / "parts", "key").put(0, {"plain": np.zeros(1)})


def test_recipes():
    recipe = Recipe("collections:Counter", "hello")
    assert recipe.make() is Recipe("collections:Counter", "hello").make()
    for name in ("collections", "collections:", ":Counter", "a b:c", 3):
        with pytest.raises(StudyError, match=r"'package\.module:function'"):
            Recipe(name)
    with pytest.raises(StudyError, match="cannot be imported here"):
        Recipe("collections:Counted").make()
