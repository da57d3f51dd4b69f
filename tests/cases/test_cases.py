"""Every worked case trains on its real data and leaves a recording that can be read.

What is special to one case is in the file of its name.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import limelight
from limelight import cases, catalogue

from .conftest import trained_runs

CASES = catalogue.cases()
RUNS = {run: name for name in CASES for run in trained_runs(name)}


def test_every_file_of_the_folder_is_a_case_of_its_name():
    (folder,) = cases.__path__
    files = {path.stem for path in Path(folder).glob("*.py")} - {"__init__"}
    assert files
    assert set(CASES) == files


@pytest.mark.parametrize("name", CASES)
def test_case_says_what_it_shows_and_costs(name):
    case = CASES[name]
    assert case.shows.endswith(".")
    assert case.seconds > 0
    assert case.memory_mb > 0
    assert case.runs
    assert all(run.partition("/")[0] == name for run in case.runs)


def test_where_all_cases_are_trained_those_with_many_runs_are_brief():
    for case in CASES.values():
        brief = case.in_brief()
        assert set(brief.runs) <= set(case.runs)
        assert brief.runs == (case.brief or case.runs)
        assert set(brief.left_out) == set(case.runs) - set(brief.runs)
        assert bool(case.brief) == (case.whole_seconds > case.seconds)


def test_all_cases_together_take_less_than_four_minutes():
    """Four questions; the first pictures are there long before."""
    assert sum(case.seconds for case in CASES.values()) < 240


@pytest.mark.training
@pytest.mark.parametrize("name", CASES)
def test_case_tells_how_far_it_is(name, trained):
    _, calls, _ = trained(name)
    assert tuple(dict.fromkeys(run for run, _, _ in calls)) == trained_runs(name)
    for run in trained_runs(name):
        done = [step for of, step, _ in calls if of == run]
        (steps,) = {total for of, _, total in calls if of == run}
        assert done == list(range(steps + 1))


@pytest.mark.training
@pytest.mark.parametrize("name", CASES)
def test_case_measures_beside_something(name, trained):
    results, _, _ = trained(name)
    assert {result.run for result in results} == set(trained_runs(name))
    for result in results:
        assert np.isfinite([result.value, result.beside]).all()
        assert result.beside_name
        assert result.n > 0


@pytest.mark.training
@pytest.mark.parametrize("run", RUNS)
def test_case_records_from_the_untrained_state_on(run, trained, recorded):
    _, calls, _ = trained(RUNS[run])
    steps = recorded(run).steps
    assert steps[0] == 0
    assert steps[-1] == max(step for of, step, _ in calls if of == run)
    assert len(steps) > 1
    changed = recorded(run).parameters()["mean"]
    assert (changed.isel(step=0) != changed.isel(step=-1)).any()


@pytest.mark.training
@pytest.mark.parametrize("run", RUNS)
def test_rows_of_its_attention_sum_to_one(run, recorded):
    of = recorded(run)
    for site in of.sites:
        maps = of.site(site, 0)
        rows = maps["weights"].sum("key").where(maps["query_valid"])
        assert float(abs(rows - 1).max()) < 2e-3  # stored as halves
        assert len(of.examples) >= 4


#: A case as another file of the folder would be: it needs no framework, and says that it ran.
OPERA = """
from limelight.catalogue import Case, Result

def train(folder, *, size=1.0, progress=print, seeds=1):
    (folder / "sung").write_text(f"{size}, {seeds} times")
    return (Result("opera", "high notes", 0.5, 0.25, "chance", 4, "notes", (0.375, 0.625)),)

CASE = Case(
    name="opera", title="An opera", shows="Nothing yet.", data="none", seconds=1, memory_mb=1,
    runs=("opera",), prepare=lambda: None, train=train, seeded=True,
)
"""


def test_a_file_in_the_folder_is_all_a_case_takes(tmp_path):
    """In a copy of the package, so that nothing else can have been touched."""
    (package,) = limelight.__path__
    ignored = shutil.ignore_patterns("__pycache__", "web")
    shutil.copytree(package, tmp_path / "copy" / "limelight", ignore=ignored)
    (tmp_path / "copy" / "limelight" / "cases" / "opera.py").write_text(OPERA)

    def call(*words: str) -> str:
        command = [sys.executable, "-m", "limelight.apps.cli", *words]
        env = {**os.environ, "PYTHONPATH": str(tmp_path / "copy")}
        done = subprocess.run(command, capture_output=True, text=True, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    listed = json.loads(call("cases", "--json"))["cases"]
    assert [case["name"] for case in listed] == sorted({*CASES, "opera"})
    assert "opera: An opera, 1 s, 1 MB" in call("cases")
    words = ("demo", "--case", "opera", "--no-serve", "--seeds", "3", "--logdir")
    shown = call(*words, str(tmp_path / "logs"))
    assert "high notes (4 notes)" in shown
    assert "0.5 (0.375 … 0.625)" in shown
    assert (tmp_path / "logs" / "opera" / "sung").read_text() == "1.0, 3 times"


def test_runs_of_several_seeds_are_numbered():
    assert CASES["weights"].runs_of(1) == CASES["weights"].runs
    assert CASES["weights"].runs_of(2)[:3] == (
        "weights/plain-1",
        "weights/plain-2",
        "weights/l1-1",
    )
