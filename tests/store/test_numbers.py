"""Steps, epochs and times are checked before anything of a step is written."""

from __future__ import annotations

import numpy as np
import pytest
from recordings import parameters

from limelight.errors import LimelightWarning, StoreError
from limelight.record import Recorder
from limelight.store import Writer, open_run

STEPS = [-3, 0.5, 2**63, float("nan"), float("inf"), True, np.bool_(True), "5", None, [1, 2],
         10**400, np.float32(1.5), np.array([1, 2]), 1j]  # fmt: skip


@pytest.mark.parametrize("step", STEPS, ids=lambda step: repr(step)[:20])
def test_what_is_no_step_writes_nothing(tmp_path, step):
    with pytest.raises(StoreError, match=r"as a step\. Wanted a whole number"):
        Writer(tmp_path / "run").append(step, parameters=parameters())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("step", [0, 2**63 - 1, np.int32(5), np.uint64(7), np.array(3), 4.0])
def test_every_whole_number_is_one(tmp_path, step):
    with Writer(tmp_path) as writer:
        writer.append(step, parameters=parameters())
    assert open_run(tmp_path).steps.tolist() == [int(step)]


@pytest.mark.parametrize(
    "more",
    [{"time": float("nan")}, {"time": 10**400}, {"time": -1}, {"time": "now"}, {"time": 1e300},
     {"epoch": "1"}, {"epoch": True}, {"epoch": 10**400}],
)  # fmt: skip
def test_what_is_no_time_or_epoch_writes_nothing(tmp_path, more):
    with pytest.raises(StoreError, match="Pass a number, or leave it out"):
        Writer(tmp_path / "run").append(0, parameters=parameters(), **more)
    assert not (tmp_path / "run").exists()


def test_a_recorder_says_it_once_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("limelight.record.parameter_table", lambda model: parameters())
    with Recorder(tmp_path, object()) as recorder:
        with pytest.warns(LimelightWarning, match="nothing of this step. Got -3") as caught:
            done = [recorder.record(step) for step in (0, -3, 0.5, 1)]
        assert (done, len(caught)) == ([True, False, False, True], 1)
    assert open_run(tmp_path).steps.tolist() == [0, 1]
