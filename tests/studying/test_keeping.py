"""A study kept in a run is listed and read while it runs, when it stopped, and when it is done."""

import json
import os
import time

import numpy as np
import pytest
import xarray as xr

from limelight.answer import answer
from limelight.apps import listing
from limelight.apps.runs import Runs
from limelight.errors import NotRecordedError, QueryError, StoreError, StudyError
from limelight.query import Query
from limelight.store import open_run
from limelight.studying.keeping import Kept, facts


def numbers(n, sentence="so far"):
    return xr.Dataset(
        {"effect": (("site", "head"), np.array([[0.5, np.nan]]))},
        coords={"site": ["layer/attention"], "head": [0, 1]},
        attrs={"n": n, "of": "examples", "sentence": sentence, "metric": "loss"},
    )


def kept(run, key="0123456789abcdef", replace="zero"):
    settings = {"study": "ablation", "metric": "loss", "replace": replace, "heads": None}
    return Kept(run, facts("ablation", key, settings, "m" * 32, "d" * 32, 4, "intervened"))


def fact_of(run):
    (fact,) = answer(open_run(run), Query("studies")).attrs["studies"]
    return fact


def test_a_run_of_studies_alone_shows_them_while_they_run(tmp_path):
    study = kept(tmp_path)
    with study.running(0):
        assert fact_of(tmp_path)["state"] == "running"
        with pytest.raises(StoreError, match=r"no result yet.*Wait for it"):
            answer(open_run(tmp_path), Query("study", study="ablation"))
        study.publish(numbers(32))
        study.tell(1)
        study._say(study._progress)  # else so seldom that it costs nothing
        fact = fact_of(tmp_path)
        assert (fact["name"], fact["n"], fact["of"]) == ("ablation", 32, "examples")
        assert (fact["done"], fact["tasks"], fact["tier"]) == (1, 4, "intervened")
        assert fact["settings"] == {"metric": "loss", "replace": "zero"}
        partial = answer(open_run(tmp_path), Query("study", study=fact["key"]))
        assert partial.attrs["study_fact"]["n"] == partial.attrs["n"] == 32
        assert partial["effect"].dims == ("site", "head")
        study.finish(numbers(128, "all of it"))
    fact = fact_of(tmp_path)
    assert (fact["state"], fact["n"], fact["done"]) == ("finished", 128, 4)
    assert fact["sentence"] == open_run(tmp_path).study("ablation").attrs["sentence"] == "all of it"
    assert any(tmp_path.glob("*tfevents*")), "TensorBoard lists runs by their event files"
    assert open_run(tmp_path).steps.size == 0


def test_one_that_failed_says_why_and_one_that_was_killed_is_known_by_its_silence(tmp_path):
    study = kept(tmp_path)
    with pytest.raises(ZeroDivisionError), study.running(0):
        raise ZeroDivisionError("by nothing")
    assert fact_of(tmp_path)["state"] == "stopped"
    assert fact_of(tmp_path)["sentence"] == "by nothing"
    with study.running(2):
        progress = study.folder / "progress.json"
        os.utime(progress, (time.time() - 60, time.time() - 60))
        assert (fact_of(tmp_path)["state"], fact_of(tmp_path)["done"]) == ("stopped", 2)
        with pytest.raises(StoreError, match=r"2 tasks done.*Call the study again"):
            open_run(tmp_path).study("ablation")


def test_the_newest_that_fits_is_read(tmp_path):
    for key, replace in (("a" * 16, "zero"), ("b" * 16, "mean"), ("c" * 16, "zero")):
        study = kept(tmp_path, key, replace)
        with study.running(0):
            study.finish(numbers(1, key))
    run = open_run(tmp_path)
    assert [each.key[0] for each in run.studies] == ["a", "b", "c"]
    assert run.study("ablation").attrs["sentence"][0] == "c"
    assert run.study("ablation", replace="mean").attrs["sentence"][0] == "b"
    assert run.study("a" * 16).attrs["sentence"][0] == "a"
    with kept(tmp_path, "d" * 16).running(0):  # the newest that is finished
        assert run.study("ablation").attrs["sentence"][0] == "c"
    with pytest.raises(NotRecordedError, match="'importance'"):
        run.study("importance")
    with pytest.raises(QueryError, match="without its key"):
        Query("study")


def test_the_catalogue_says_when_a_study_changed(tmp_path):
    study = kept(tmp_path / "run")
    runs = Runs([str(tmp_path)])
    with study.running(0):
        os.utime(study.folder.parent, (5, 5))
        (card,) = runs.catalogue({"run": str(tmp_path / "run")})["runs"]
        assert card["studied"] == 5
        assert (card["steps"], card["attention"], card["problem"]) == (0, False, None)
        study.publish(numbers(3))
        (card,) = runs.catalogue({"run": str(tmp_path / "run")})["runs"]
        assert card["studied"] > 5
    assert [run["name"] for run in listing.list_runs(tmp_path)] == ["run"]


@pytest.mark.parametrize("text", ["{", "[]", '{"name": 3}', "null", '{"name": "ablation"}'])
def test_what_is_no_study_is_passed_over(tmp_path, text):
    study = kept(tmp_path)
    with study.running(0):
        study.finish(numbers(1))
    odd = study.folder.with_name("odd")
    odd.mkdir()
    (odd / "study.json").write_text(text)
    assert fact_of(tmp_path)["state"] == "finished"
    (study.folder / "progress.json").write_text(text)
    assert fact_of(tmp_path)["state"] == "finished"


def test_files_are_opened_as_any_of_a_recording(tmp_path):
    study = kept(tmp_path / "run")
    with study.running(0):
        study.finish(numbers(1))
    result = study.folder / "result.safetensors"
    away = tmp_path / "away"
    result.rename(away)
    result.symlink_to(away)
    with pytest.raises(StoreError, match="leads out"):
        open_run(tmp_path / "run").study("ablation")
    facts = json.loads((study.folder / "study.json").read_text())
    (study.folder / "study.json").unlink()
    (study.folder / "study.json").symlink_to(tmp_path / "facts")
    (tmp_path / "facts").write_text(json.dumps(facts))
    with pytest.raises(NotRecordedError):
        open_run(tmp_path / "run").study("ablation")


def test_a_full_disk_says_so_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    study = kept(tmp_path)

    def full(self, _body):
        with self.open("wb") as file:
            file.write(b"half")
        raise OSError(28, "No space left on device")

    with study.running(0):
        study.publish(numbers(32))
        with monkeypatch.context() as patched:
            patched.setattr("pathlib.Path.write_bytes", full)
            with pytest.raises(StudyError, match=r"No space left.*what was finished is kept"):
                study.finish(numbers(128))
        assert answer(open_run(tmp_path), Query("study", study="ablation")).attrs["n"] == 32
    assert not [path for path in study.folder.iterdir() if path.name.startswith(".")]
