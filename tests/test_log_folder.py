"""A run's folder is the same folder at every door, whatever names it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from limelight import open_run
from limelight.apps.listing import list_runs
from limelight.apps.pace import Pace
from limelight.errors import LimelightError
from limelight.log_folder import log_folder
from limelight.record import Recorder


@pytest.fixture
def model(monkeypatch):
    """Stand in for a model with one parameter."""
    from limelight import record
    from limelight.capture.parameters import summed_up

    monkeypatch.setattr(record, "parameter_table", lambda model: summed_up({"w": np.arange(5.0)}))
    return object()


DOORS = {
    "recorder": lambda address: Recorder(address, None),
    "callback": lambda address: Pace(
        address, None, every=1, precision="float16", processes="first", name="Callback"
    ),
    "open_run": open_run,
    "list": list_runs,
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "address",
    ["s3://bucket/run", "gs://b", "memory://run", "hf://a/b", Path("s3://bucket/run"),
     "file://elsewhere/logs", "abfss://c@d/run"],
)  # fmt: skip
def test_what_is_no_folder_here_is_refused_at_every_door(door, address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LimelightError, match=r"Got the log folder .*Record into a local folder"):
        DOORS[door](address)
    assert list(tmp_path.iterdir()) == []


def test_a_later_chdir_splits_nothing(tmp_path, model, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with Recorder("logs/run", model) as recorder:
        assert recorder.record(0)
        run = open_run("logs/run")
        monkeypatch.chdir("elsewhere")
        assert recorder.record(1)
        assert run.refresh().steps.tolist() == [0, 1]
    assert not (tmp_path / "elsewhere" / "logs").exists()


def test_home_and_file_addresses_are_folders(tmp_path, model, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with Recorder("~/a run", model) as recorder:
        assert recorder.record(0)
    address = f"file://{tmp_path}/a%20run"
    assert open_run(address).path == tmp_path / "a run" == log_folder(b"~/a run")
    (listed,) = list_runs("~")
    assert listed["name"] == "a run"


@pytest.mark.parametrize("given", [None, 3, ["logs"]])
def test_what_is_no_path_is_told(given):
    with pytest.raises(LimelightError, match="for a log folder"):
        log_folder(given)
