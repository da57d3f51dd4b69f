"""Answers about tensors over steps: which steps, which numbers, and what old recordings lack."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from limelight.answer import answer
from limelight.capture.metrics import Metrics
from limelight.capture.parameters import summarise
from limelight.capture.tensors import Tensor, table
from limelight.distribution import distribution
from limelight.errors import NotRecordedError, QueryError
from limelight.query import Query
from limelight.store import Step, Writer, open_run

STEPS = range(0, 100, 10)


def values(step, scale=1.0):
    return np.random.default_rng(step).normal(0, scale * (1 + step), 300).astype(np.float32)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two parameters at ten steps; a gradient of one of them at each other step."""
    folder = tmp_path_factory.mktemp("tensors") / "run"
    with Writer(folder) as writer:
        for step in STEPS:
            weights = {"a/kernel": values(step), "a/bias": values(step, 0.1)}
            described = {name: Tensor(distribution(each), (300,)) for name, each in weights.items()}
            gradient = {"a/kernel": Tensor(distribution(values(step, 1e-3)), (300,))}
            tensors = {"gradient": table(gradient)} if step % 20 else {}
            writer.publish(Step(step, parameters=table(described), tensors=tensors))
    return open_run(folder)


def test_steps_that_are_named_are_among_those_that_are_thinned(run):
    answered = answer(run, Query("tensors", steps=2, at=(30, -2)))
    assert answered["step"].values.tolist() == [0, 30, 80, 90]
    answered = answer(run, Query("histograms", steps=2, at=(50,), parameter=("a/bias",)))
    assert answered["step"].values.tolist() == [0, 50, 90]
    with pytest.raises(NotRecordedError, match="such as 30"):
        answer(run, Query("tensors", at=(31,)))


def test_what_is_recorded_less_often_is_asked_at_steps_that_have_it(run):
    answered = answer(run, Query("tensors", kind="gradient", steps=3))
    assert answered["step"].values.tolist() == [10, 50, 90]
    assert np.isfinite(answered["std"]).all()


def test_single_steps_come_with_numbers_of_other_kinds_and_no_members(run):
    answered = answer(run, Query("tensors", steps=0, at=(20, 30)))
    assert answered["step"].values.tolist() == [20, 30]
    norms = answered["gradient_norm"].sel(parameter="a/kernel").values
    expected = run.tensors("gradient", "a/kernel", 30)["norm"].item()
    assert_array_equal(norms, [np.nan, expected])
    assert np.isnan(answered["gradient_norm"].sel(parameter="a/bias")).all()
    assert "members" not in answered.attrs
    assert [each["name"] for each in answer(run, Query("tensors")).attrs["members"]] == [
        "a/kernel", "a/bias",
    ]  # fmt: skip


def test_no_step_at_all_is_no_question():
    with pytest.raises(QueryError, match="Wanted 2 to 1000"):
        Query("tensors", steps=0)
    assert Query.parse({"what": ["tensors"], "steps": ["0"], "at": ["5", "-1"]}).at == (5, -1)
    with pytest.raises(QueryError, match="Got at='x'"):
        Query.parse({"what": ["tensors"], "at": ["x"]})


def test_what_was_recorded_without_quantiles_has_them_of_its_histograms(tmp_path):
    drawn = np.random.default_rng(0).normal(3, 2, (100, 50))
    with Writer(tmp_path / "old") as writer:
        writer.append(0, parameters=summarise({"w": drawn, "lost": np.full((2, 2), np.nan)}))
    answered = answer(open_run(tmp_path / "old"), Query("tensors")).isel(step=0)
    bin_wide = (drawn.max() - drawn.min()) / 64
    for name, share in (("q05", 0.05), ("q50", 0.5), ("q999", 0.999)):
        exact = np.quantile(drawn, share)
        assert abs(answered[name].sel(parameter="w").item() - exact) <= bin_wide
        assert np.isnan(answered[name].sel(parameter="lost").item())


def test_an_old_recording_of_a_constant_has_its_value_for_every_quantile(tmp_path):
    with Writer(tmp_path / "run") as writer:
        writer.append(0, parameters=summarise({"zeros": np.zeros(8), "three": np.full(4, 3.0)}))
    recorded = answer(open_run(tmp_path / "run"), Query("tensors"))
    for name in ("q001", "q05", "q50", "q95", "q999"):
        assert_array_equal(recorded[name].isel(step=0), [0.0, 3.0], name)


def test_what_a_loop_measures_keeps_its_column_and_the_step_it_was_measured_at():
    metrics = Metrics()
    assert metrics.added(None) is None
    metrics.note({"loss": 2.0, "norm_before": 9.0, "epoch": 1, "name": "x"}, 5)
    metrics.note({"loss": np.float32(1.5), "val_loss": 3}, 7)
    first = metrics.added(None).columns
    assert (first["loss"].item(), first["loss_step"].item()) == (1.5, 7)
    assert (first["val_loss"].item(), first["val_loss_step"].item()) == (3, 7)
    assert np.isnan(first["name"].item())
    assert "norm_before" not in first
    assert "epoch" not in first
    metrics.note({"loss": 1.0}, 9)
    second = metrics.added(metrics.added(None)).columns
    assert np.isnan(second["val_loss"].item()), "not measured since"


def test_a_loop_that_logs_hundreds_of_numbers_has_its_first_ones_recorded():
    metrics = Metrics()
    metrics.note({f"class_{number}": 0.0 for number in range(200)}, 0)
    assert len(metrics.added(None).columns) <= 64
