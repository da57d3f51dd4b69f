"""A recording says its own sizes; whatever they are, and whoever wrote it, it is read with them."""

from __future__ import annotations

import json
import shutil
import warnings
import zipfile
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
import zarr
from factored import site_of, vectors
from ondisk import described, redescribe
from recordings import record, site

from limelight.answer import answer, extent
from limelight.capture.parameters import summarise
from limelight.errors import NotRecordedError, StoreError
from limelight.query import Query
from limelight.store import Writer, open_run
from limelight.store.format.files import sidecar
from limelight.store.format.sizes import FIRST, Sizes
from limelight.wire import decode, encode

#: Each size changed alone; large also where strides or sides are, as small maps are not pooled.
CHANGED = {
    "bins": FIRST,  # they come with the histograms
    "overview": replace(FIRST, overview=10),
    "larger overview": replace(FIRST, overview=50),
    "tile": replace(FIRST, tile=16),
    "part": replace(FIRST, part=20),
    "large": replace(FIRST, large=1000, sides=(4, 16)),
    "stride": replace(FIRST, large=1000, sides=(1, 64), stride=8),
    "sides": replace(FIRST, large=1000, sides=(1, 5)),
    "statistics": replace(FIRST, statistics=("high", "low", "norm")),
    "all": Sizes(24, 30, 12, 64, 500, 4, (2, 9), ("low", "high", "mean")),
}
POSITIONS = 75


def sites(step):
    return {
        "whole": site(step, (2, 2, POSITIONS, POSITIONS), causal=True, padded=3),
        "vectors": site_of(vectors(step, positions=POSITIONS, examples=2, kind="causal")),
    }


def parameters(step, bins):
    values = np.random.default_rng(step).normal(size=(20, 30))
    return summarise({"kernel": values, "bias": np.zeros(7)}, bins)


def written(folder, sizes, bins=64, steps=(0, 1)):
    with Writer(folder, sizes=sizes) as writer:
        for step in steps:
            record(writer, step, sites(step), parameters=parameters(step, bins))
    return open_run(folder)


def description(folder):
    facts = described(folder)
    return facts["layouts"][-1] | {"sites": facts["sites"][-1]} if "layouts" in facts else facts


@pytest.fixture(scope="module", params=CHANGED)
def changed(request, tmp_path_factory):
    """A recording with other sizes, its number of bins, and its folder."""
    folder, bins = tmp_path_factory.mktemp("run"), 100 if request.param in ("bins", "all") else 64
    return written(folder, CHANGED[request.param], bins), bins, folder


def test_it_says_them_and_is_read_with_them(changed):
    run, bins, folder = changed
    facts = description(folder)
    assert facts["sizes"] == json.loads(json.dumps(asdict(run.sizes)))
    assert facts["sizes"]["bins"] == run.sizes.bins == bins
    for step in (0, 1):
        for name, made in sites(step).items():
            error = run.stored(name, step)["weights"].attrs.get("max_error", 2**-12)
            wanted = made.load()
            for variable in ("allowed", "query_valid", "key_valid"):
                np.testing.assert_array_equal(run.site(name, step)[variable], wanted[variable])
            weights = run.stored(name, step)["weights"]
            np.testing.assert_allclose(weights, wanted["weights"], rtol=0, atol=error)
            part = {"example": 1, "head": 1, "query": slice(14, 40), "key": slice(15, 33)}
            np.testing.assert_array_equal(weights.isel(part), weights.values[1, 1, 14:40, 15:33])


def test_histograms_and_statistics_are_those_that_were_recorded(changed):
    run, bins, _ = changed
    for step in (0, 1):
        wanted = parameters(step, bins)
        held = run.parameters(step=step).isel(step=0)
        np.testing.assert_array_equal(held["count"], wanted["count"])
        assert set(held.data_vars) == {"count", "edge", *run.sizes.statistics}
        for name in run.sizes.statistics:
            np.testing.assert_array_equal(held[name], wanted[name])
    asked = Query("parameters")
    answered = decode(encode(answer(run, asked)))
    assert answered["count"].shape == (2, 2, bins)
    np.testing.assert_array_equal(answered["count"], run.parameters()["count"])
    assert answered.nbytes * 0.9 <= extent(run, asked) <= 3 * answered.nbytes
    summary = answer(run, Query("summary", step=1))
    np.testing.assert_array_equal(summary["high"], run.parameters(step=1)["high"].isel(step=0))


def test_overviews_have_its_sides_and_cover_the_whole_map(changed):
    run, _, _ = changed
    side = min(POSITIONS, run.sizes.overview)
    edges = np.arange(side + 1) * POSITIONS // side
    grid = answer(run, Query("grid", step=1, example=1))
    for at, name in enumerate(run.sites):
        maps, allowed = (
            run.stored(name, 1)["weights"].values[1],
            run.site(name, 1)["allowed"].values[1],
        )
        cells, covered = grid[f"cells_{at}"].values, grid[f"allowed_{at}"].values
        assert cells.shape == (2, side, side)
        for row, column in np.ndindex(side, side):
            part = np.s_[edges[row] : edges[row + 1], edges[column] : edges[column + 1]]
            assert covered[row, column] == allowed[part].any()
            largest = 255 * np.sqrt(maps[0][part].max())
            assert abs(int(cells[0, row, column]) - largest) <= 1


def test_large_maps_are_pooled_with_its_strides(changed):
    run, _, folder = changed
    strides = run.sizes.strides(POSITIONS, POSITIONS)
    assert run.sites["vectors"].strides == strides
    (facts,) = [facts for facts in description(folder)["sites"] if facts["name"] == "vectors"]
    assert facts["strides"] == (None if strides is None else list(strides))
    pooled = run.pooled("vectors", 1, 1, 0)
    if strides is None:
        assert pooled is None
        return
    weights = run.stored("vectors", 1)["weights"].values[1, 0]
    allowed = run.site("vectors", 1)["allowed"].values[1]
    count = -(-POSITIONS // strides[0]), -(-POSITIONS // strides[1])
    every = slice(0, count[0]), slice(0, count[1])
    for row, column in np.ndindex(*count):
        part = np.s_[row * strides[0] : (row + 1) * strides[0],
                     column * strides[1] : (column + 1) * strides[1]]  # fmt: skip
        largest = pooled.cells("max", *every)[row, column]
        np.testing.assert_allclose(largest, weights[part].max(), rtol=1e-3)
        assert pooled.allowed(*every)[row, column] == allowed[part].sum()
    part = answer(run, Query("map", site="vectors", head=0, example=1, step=1, cells=9))
    assert max(part["weights"].shape) <= 9


def test_arrays_are_cut_as_it_says(changed):
    run, bins, folder = changed
    group = zarr.open_group(sidecar(folder) / "data.zarr", mode="r")
    tile, part = min(POSITIONS, run.sizes.tile), min(POSITIONS, run.sizes.part)
    assert group["weights_0"].metadata.codecs[0].chunk_shape[-2:] == (tile, tile)
    assert group["query_1"].metadata.codecs[0].chunk_shape[-2] == part
    (sealed,) = (sidecar(folder) / "rows").iterdir()
    with zarr.storage.ZipStore(sealed, mode="r") as store:
        group = zarr.open_group(store, mode="r")
        assert group["counts_0"].shape[-1] == bins
        assert group["statistics_0"].shape[-1] == len(run.sizes.statistics)


def test_it_is_continued_with_its_own_sizes(changed, tmp_path):
    run, bins, folder = changed
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = written(tmp_path, Sizes(), bins, steps=(2,))
    assert again.steps.tolist() == [0, 1, 2]
    assert again.sizes == run.sizes
    np.testing.assert_array_equal(
        again.parameters(step=2)["count"][0], parameters(2, bins)["count"]
    )


def test_other_bins_are_another_layout(tmp_path):
    written(tmp_path, FIRST, bins=64)
    run = written(tmp_path, FIRST, bins=50, steps=(2,))
    assert (run.steps.tolist(), run.sizes.bins) == ([0, 1, 2], 50)
    for step, bins in ((1, 64), (2, 50)):
        wanted = parameters(step, bins)["count"]
        np.testing.assert_array_equal(run.parameters(step=step)["count"][0], wanted)
    with pytest.raises(NotRecordedError, match=r"histograms of \[50, 64\] bins.*step=slice"):
        run.parameters()


def test_bins_come_with_the_first_histograms(tmp_path):
    with Writer(tmp_path) as writer:
        record(writer, 0, sites(0))
        record(writer, 1, sites(1), parameters=parameters(1, 50))
    run = open_run(tmp_path)
    assert (run.steps.tolist(), run.sizes.bins) == ([0, 1], 50)
    np.testing.assert_array_equal(run.parameters(step=1)["count"][0], parameters(1, 50)["count"])


def test_a_recording_that_says_none_has_those_of_the_first_version(tmp_path):
    archive = Path(__file__).parent / "kept" / "0.1.0.zip"
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path)
    assert "sizes" not in description(tmp_path / "long")
    run = open_run(tmp_path / "long")
    assert run.sizes == FIRST
    assert run.sites["long"].strides == (16, 16)
    assert run.sizes.bins == 64
    assert all(field.default is not None for field in fields(Sizes))


@pytest.mark.parametrize(
    "change",
    [
        {"bins": 10**9}, {"bins": 0}, {"bins": "64"}, {"overview": 10**9}, {"overview": 0},
        {"overview": -1}, {"tile": 1}, {"tile": 0}, {"part": 0}, {"part": True}, {"sides": [1]},
        {"stride": 0}, {"large": -1}, {"statistics": ["low", "high", "low"]}, {"constants": []},
        {"statistics": ["mean"]}, {"statistics": ["low", "high", "count"]}, {"reductions": [1]},
    ],
)  # fmt: skip
def test_absurd_sizes_are_refused_before_anything_is_allocated(tmp_path, change):
    written(tmp_path, FIRST, steps=(0,))
    facts = described(tmp_path)
    for site_facts in facts["sites"][0]:  # where an overview, or a tile, of any size fits
        site_facts["queries"] = site_facts["keys"] = 16_000
    facts["layouts"][0]["sizes"] |= change
    redescribe(tmp_path, facts)
    with pytest.raises(StoreError, match="does not describe a recording"):
        open_run(tmp_path)


@pytest.mark.parametrize("strides", [[1, 1], [0, 4], [4], "8", [2.5, 1]])
def test_absurd_strides_are_refused(tmp_path, strides):
    written(tmp_path, FIRST, steps=(0,))
    facts = described(tmp_path)
    facts["sites"][0][1] |= {"queries": 16_000, "keys": 16_000, "strides": strides}
    redescribe(tmp_path, facts)
    with pytest.raises(StoreError, match="does not describe a recording"):
        open_run(tmp_path)
