"""A run answers as people expect of xarray, and says in words what it does not hold."""

from __future__ import annotations

import inspect
import pydoc

import numpy as np
import pytest
import xarray as xr
from recordings import record, site

import limelight as ll
from limelight.store import Writer

SHAPE = 2, 3, 4, 6


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs") / "deep" / "lstm"
    with Writer(folder) as writer:
        for step in (0, 5, 10):
            sites = {"encoder/attention": site(step, SHAPE, padded=1, key_layout=(2, 3))}
            record(writer, step, sites if step < 10 else {**sites, "late": site(7, SHAPE)})
    return ll.open_run(folder)


@pytest.mark.parametrize(
    ("step", "steps"),
    [([0, 10], [0, 10]), (slice(0, 5), [0, 5]), (np.array([-1, 0]), [10, 0]), ((5,), [5])],
)
def test_maps_of_several_steps_stand_one_after_the_other(run, step, steps):
    weights, sites = (read("encoder/attention", step) for read in (run.weights, run.site))
    assert weights.dims == ("step", "example", "head", "query", "key")
    assert weights["step"].values.tolist() == sites["step"].values.tolist() == steps
    for at in steps:
        single = run.weights("encoder/attention", at)
        np.testing.assert_array_equal(weights.sel(step=at), single)
        np.testing.assert_array_equal(sites["weights"].sel(step=at), single)


def test_a_slice_takes_the_steps_that_have_a_site(run):
    assert run.weights("late", slice(None))["step"].values.tolist() == [10]


@pytest.mark.parametrize("step", [[0, 7], "newest", None, 0.5, [0, "x"], slice(20, 30), []])
def test_steps_that_are_none_are_refused_in_words(run, step):
    with pytest.raises(ll.NotRecordedError):
        run.weights("encoder/attention", step)


def test_what_a_run_gives_can_be_written_to_a_netcdf_file(run, tmp_path):
    for number, data in enumerate(
        [run.measures(), run.site("encoder/attention"), run.weights("encoder/attention", [0, 5])]
    ):
        data.to_netcdf(tmp_path / f"{number}.nc")
        again = xr.load_dataset(tmp_path / f"{number}.nc")
        name = "entropy" if number == 0 else "weights"
        np.testing.assert_array_equal(again[name], data if number == 2 else data[name])


def test_a_run_names_its_sites(run):
    first, *others = repr(run).splitlines()
    assert first == "<Run 'lstm': 3 steps from 0 to 10, 2 sites, 0 parameters>"
    assert sorted(others) == [
        "  encoder/attention  self, head × query × key: 3 × 4 × 6",
        "  late  self, head × query × key: 3 × 4 × 6",
    ]


def test_a_folder_of_runs_lists_them(run):
    for parent, name in ((run.path.parent, "lstm"), (run.path.parent.parent, "deep/lstm")):
        with pytest.raises(ll.NotRecordedError) as refused:
            ll.open_run(parent)
        assert f"is no run, but holds some: {name!r}" in str(refused.value)
        assert f"ll.open_run({str(run.path)!r})" in str(refused.value)
    with pytest.raises(ll.NotRecordedError, match="holds no limelight recording"):
        ll.open_run(run.path / "plugins")


def test_public_names_are_what_there_is_and_help_shows_them():
    public = {name for name in dir(ll) if not name.startswith("_")}
    assert public == set(ll.__all__)
    assert public >= {
        name
        for name, value in vars(ll.errors).items()
        if isinstance(value, type) and value.__module__ == "limelight.errors"
    }
    assert issubclass(ll.ProbeError, ll.LimelightError)
    shown = pydoc.plain(pydoc.render_doc(ll.capture))
    assert "capture(model: Any, inputs: Any, *, tokens: " in shown
    assert list(inspect.signature(ll.capture).parameters)[:2] == ["model", "inputs"]


def test_bins_of_a_histogram_have_their_edges(run_dir):
    table = ll.open_run(run_dir).parameters()
    count, edge = table["count"].values, table["edge"].values
    assert edge.shape == (*count.shape[:-1], count.shape[-1] + 1)
    np.testing.assert_array_equal(edge[..., 0], table["low"])
    np.testing.assert_array_equal(edge[..., -1], table["high"])
    values = np.random.default_rng(20).normal(size=(30, 20))  # what the last step was made of
    kernel = table["parameter"].values.tolist().index("dense/kernel")
    counted, edges = np.histogram(values.astype("f4"), count.shape[-1])
    np.testing.assert_array_equal(count[2, kernel], counted)
    np.testing.assert_allclose(edge[2, kernel], edges, atol=1e-6)
