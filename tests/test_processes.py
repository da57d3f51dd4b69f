"""Which process records, and into which folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from limelight import processes
from limelight.errors import LimelightError, LimelightWarning, UnsupportedModelError
from limelight.record import Recorder
from limelight.store import open_run
from limelight.store.write.claim import claim, release

VARIABLES = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "LOCAL_RANK")


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    for name in (*VARIABLES, "TF_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def test_alone_it_is_the_first():
    assert processes.rank() == 0


@pytest.mark.parametrize("name", VARIABLES)
def test_a_launcher_says_which(name, monkeypatch):
    monkeypatch.setenv(name, "3")
    assert processes.rank() == 3


def test_the_world_counts_before_the_machine(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("RANK", "8")
    assert processes.rank() == 8


def test_what_is_no_number_is_ignored(monkeypatch):
    monkeypatch.setenv("RANK", "first")
    assert processes.rank() == 0


@pytest.mark.parametrize(
    ("kind", "index", "rank"), [("chief", 0, 0), ("worker", 0, 1), ("worker", 1, 2), ("ps", 0, 0)]
)
def test_tensorflow_counts_the_chief_before_the_workers(kind, index, rank, monkeypatch):
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"], "ps": ["d:1"]}
    config = {"cluster": cluster, "task": {"type": kind, "index": index}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert processes.rank() == rank


@pytest.mark.parametrize("config", ["", "{", "[]", "3", '{"task": {"type": "worker"}}'])
def test_a_config_without_a_task_is_ignored(config, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config)
    monkeypatch.setenv("RANK", "4")
    assert processes.rank() == 4


def test_folders(monkeypatch):
    assert (
        processes.folder("logs/a", "first")
        == processes.folder("logs/a", "all")
        == Path("logs/a").absolute()
    )
    monkeypatch.setenv("RANK", "2")
    assert processes.folder("logs/a", "first") is None
    assert processes.folder("logs/a", "all") == Path("logs/a/rank-2").absolute()


def test_an_unknown_choice(tmp_path):
    with pytest.raises(LimelightError, match=r"Got processes='some'.*processes='all'"):
        Recorder(tmp_path, None, processes="some")


def test_others_record_nothing_and_say_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with Recorder(tmp_path / "run", object(), np.ones((2, 3))) as recorder:
        assert not recorder.record(0)
    assert not (tmp_path / "run").exists()


def test_a_sharded_model_is_refused_before_it_waits_for_others(tmp_path, monkeypatch):
    class FSDPModule:
        def modules(self):
            return [self]

        def __call__(self, *_):
            pytest.fail("it would have hung")

    monkeypatch.setitem(sys.modules, "torch", sys.modules.get("torch", sys))
    with pytest.raises(UnsupportedModelError, match="sharded"):
        processes.unwrapped(FSDPModule())
    recorder = Recorder(tmp_path, FSDPModule(), np.ones((2, 3)))
    with pytest.warns(LimelightWarning, match="records nothing .* sharded") as caught:
        done = [recorder.record(0), recorder.record(1)]
    assert done == [False, False]
    assert len(caught) == 1


OTHER = """
import sys
from limelight.store.write.claim import claim
claim(sys.argv[1])
print("claimed", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def model(monkeypatch):
    """Stand in for a model with one parameter."""
    from limelight import record
    from limelight.capture.parameters import summed_up

    monkeypatch.setattr(record, "parameter_table", lambda model: summed_up({"w": np.arange(5.0)}))
    return object()


def test_two_processes_that_record_into_one_folder(tmp_path, model):
    with Recorder(tmp_path, model) as recorder:
        assert recorder.record(0)
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with other:
        assert other.stdout.readline() == b"claimed\n"
        recorder = Recorder(tmp_path, model)
        with pytest.warns(LimelightWarning) as caught:
            done = [recorder.record(1), recorder.record(2)]
        assert done == [False, False]
        (warning,) = caught
        assert str(warning.message) == (
            "limelight records nothing of this run from here on. Another process is recording "
            f"into {tmp_path}. Wanted a folder with one recorder. Give each process a folder of "
            "its own, as processes='all' does."
        )
        assert open_run(tmp_path).steps.tolist() == [0]
        other.stdin.close()
    assert Recorder(tmp_path, model).record(1)  # the other is gone


def test_a_recorder_nobody_closed_does_not_stand_in_the_way(tmp_path, model):
    forgotten = Recorder(tmp_path, model)
    assert forgotten.record(0)
    forgotten.itself = forgotten  # only the collector finds it
    del forgotten
    with Recorder(tmp_path, model) as recorder:
        assert recorder.record(1)
    assert open_run(tmp_path).steps.tolist() == [0, 1]


def test_a_second_recorder_of_one_process_is_refused_while_the_first_lives(tmp_path, model):
    first, second = Recorder(tmp_path, model), Recorder(f"{tmp_path}/../{tmp_path.name}", model)
    assert first.record(0)
    with pytest.warns(LimelightWarning, match=r"Another recorder of this process.*close") as caught:
        done = [second.record(1), first.record(2), second.record(3)]
    assert (done, len(caught)) == ([False, True, False], 1)
    first.close()
    assert Recorder(tmp_path, model).record(4)
    assert open_run(tmp_path).steps.tolist() == [0, 2, 4]


def test_a_claim_ends_when_its_holder_gives_it_back(tmp_path):
    def other_gets_it() -> bool:
        done = subprocess.run(
            [sys.executable, "-c", OTHER, tmp_path], input="", capture_output=True, text=True
        )
        return done.returncode == 0

    held = claim(tmp_path)
    assert not other_gets_it()
    release(held)
    assert other_gets_it()
    release(None)
