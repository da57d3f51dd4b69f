"""What was written is what is read."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import parameters, record, site, two_sites

from limelight import schema
from limelight.errors import NotRecordedError
from limelight.store import Writer, open_run
from limelight.store.format.files import sidecar
from limelight.store.format.precision import halves, precision


@st.composite
def sites(draw):
    queries = draw(st.integers(1, 40))
    keys = draw(st.sampled_from([queries, draw(st.integers(2, 70))]))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 3)), queries, keys)
    padded = draw(st.integers(0, min(queries, keys) - 1))
    made = site(
        draw(st.integers(0, 1000)), shape, padded=padded,
        causal=draw(st.booleans()), by_head=draw(st.booleans()),
    )  # fmt: skip
    if draw(st.booleans()):
        made["weights"][0, 0, 0] = np.nan
    return made


class TestMaps:
    @settings(max_examples=40, deadline=None)
    @given(made=sites(), form=st.sampled_from(["float16", "compact"]))
    def test_a_map_comes_back_as_it_was_stored(self, tmp_path_factory, made, form):
        folder = tmp_path_factory.mktemp("run")
        with Writer(folder, precision=form) as writer:
            record(writer, 7, {"a/b": made})
        run = open_run(folder)
        read = run.stored("a/b", 7)
        wanted, got = made["weights"].values, read["weights"].values
        assert got.dtype == np.float32
        if form == "float16":
            np.testing.assert_array_equal(got, wanted.astype(np.float16).astype(np.float32))
        np.testing.assert_array_equal(np.isnan(got), np.isnan(wanted))
        np.testing.assert_allclose(got, wanted, rtol=0, atol=run.precision.max_error)
        for name in ("allowed", "query_valid", "key_valid"):
            xr.testing.assert_equal(read[name].variable, made[name].variable)
        schema.check(read.drop_vars("weights").assign(weights=made["weights"]))

    def test_a_large_map_is_cut_into_tiles_and_put_together(self, tmp_path):
        made = site(1, (1, 2, 513, 700))
        with Writer(tmp_path) as writer:
            record(writer, 0, {"a": made})
        run = open_run(tmp_path)
        np.testing.assert_array_equal(
            run.weights("a").values, made["weights"].values.astype("f2").astype("f4")
        )
        corner = run.weights("a").isel(
            example=0, head=1, query=slice(510, 513), key=slice(500, 600)
        )
        np.testing.assert_array_equal(
            corner.values, made["weights"].values[0, 1, 510:513, 500:600].astype("f2")
        )

    @pytest.mark.parametrize(
        "choice",
        [
            {"head": 1},
            {"head": [2, 0], "query": slice(None, None, -1)},
            {"example": slice(1, None), "key": [5, 0, 0]},
            {"example": -1, "head": -1, "query": slice(1, 5, 2)},
        ],
    )
    def test_any_selection_is_that_of_the_whole(self, run_dir, choice):
        lazy = open_run(run_dir).weights("encoder/attention", 10)
        np.testing.assert_array_equal(lazy.isel(choice).values, lazy.values[_indexer(choice)])

    def test_tokens_layouts_and_kinds_come_back(self, tmp_path):
        made = site(0, (2, 1, 1, 4), kind="pooling", key_layout=(2, 2), dtype="float16")
        words = np.array([["一", "<b>", "", "🧑‍🚀"], ["a", "b", "c", ""]], dtype=object)
        made["key_token"] = (("example", "key"), words)
        with Writer(tmp_path) as writer:
            record(writer, 0, {"pool": made})
        run = open_run(tmp_path)
        read = run.site("pool")
        assert read["key_token"].values.tolist() == words.tolist()
        assert read.attrs["key_layout"] == (2, 2)
        assert (run.sites["pool"].kind, run.sites["pool"].dtype) == ("pooling", "float16")
        assert "query_token" not in read

    def test_sites_of_unlike_shape_keep_their_order(self, tmp_path):
        made = {"c": site(0, (1, 2, 3, 3)), "a": site(1, (1, 1, 2, 5)), "b": site(2, (1, 2, 3, 3))}
        with Writer(tmp_path) as writer:
            record(writer, 0, made)
        run = open_run(tmp_path)
        assert list(run.sites) == ["c", "a", "b"]
        for name, dataset in made.items():
            np.testing.assert_allclose(run.stored(name)["weights"], dataset["weights"], atol=2**-12)

    def test_any_reader_of_zarr_understands_it(self, run_dir):
        run = open_run(run_dir)
        group = zarr.open_group(sidecar(run_dir) / "data.zarr", mode="r")
        weights = group["weights_1"]
        assert weights.shape == (64, 1, 2, 3, 6, 6)  # room for the next ones too
        assert weights.metadata.dimension_names[-2:] == ("query", "key")
        np.testing.assert_array_equal(
            weights[1, 0].astype("f4"), run.stored("encoder/attention", 10)["weights"].values
        )
        (sealed,) = (sidecar(run_dir) / "rows").iterdir()
        with zarr.storage.ZipStore(sealed, mode="r") as store:
            group = zarr.open_group(store, mode="r")
            statistics = group["statistics_0"]
            assert statistics.metadata.dimension_names == ("row", "parameter", "statistic")
            assert statistics.shape == (3, 2, 9)
            np.testing.assert_array_equal(
                statistics[2, :, 2], run.parameters(step=20)["mean"].values[0]
            )


def _indexer(choice):
    dims = ("example", "head", "query", "key")
    array = [slice(None)] * 4
    for dim, index in choice.items():
        array[dims.index(dim)] = index
    if sum(isinstance(index, list) for index in array) <= 1:
        return tuple(array)
    return np.ix_(*array)


class TestForms:
    def test_halves_round_as_the_processor_does(self):
        every = np.arange(0x7C00 // 2 + 1, dtype=np.uint16).view(np.float16).astype(np.float32)
        between = np.unique(np.concatenate([every, (every[1:] + every[:-1]) / 2]))
        values = np.concatenate(
            [np.nextafter(between, np.float32(way), dtype=np.float32) for way in (0, 1)]
            + [between, np.float32([1, 2, np.nan, 3, np.inf, -1, 1e-30])]
        )
        for part in (values, values[:-6], values[:95234].reshape(2, -1)[:, ::3]):
            with np.errstate(over="ignore"):
                np.testing.assert_array_equal(
                    halves(part).view(np.uint16), part.astype(np.float16).view(np.uint16)
                )

    def test_the_stated_error_of_the_compact_form_is_met_and_not_idle(self):
        form = precision("compact")
        values = np.linspace(0, 1, 200_001, dtype=np.float32)
        error = np.abs(form.decode(form.encode(values)) - values).max()
        assert 0.9 * form.max_error < error <= form.max_error


class TestMeasures:
    def test_what_was_measured_is_what_the_stored_map_gives(self, run_dir):
        from limelight.measuring import measures_of

        run = open_run(run_dir)
        for name in run.sites:
            again = measures_of(run.site(name, 10).load())
            for measure, values in again.data_vars.items():
                stored = run.measures(10)[measure].sel(step=10, site=name)
                stored = stored.isel(head=slice(values.sizes["head"]))
                # A half is off by 1/2048 of itself; an entropy of n keys by about log(n) of that.
                np.testing.assert_allclose(stored, values.transpose("example", "head"), atol=4e-3)

    def test_sites_without_a_measure_or_head_are_nan(self, run_dir):
        measures = open_run(run_dir).measures()
        assert measures["entropy"].dims == ("step", "site", "example", "head")
        assert measures["distance"].sel(site="pool").isnull().all()
        assert measures["entropy"].sel(site="pool").isel(head=slice(1, None)).isnull().all()
        assert measures["entropy"].sel(site="encoder/attention").notnull().all()
        assert measures["entropy"].attrs["units"] == "nat"
        assert measures["epoch"].values.tolist() == [0, 1, 2]

    def test_uniform_attention_is_over_allowed_keys(self, run_dir):
        uniform = open_run(run_dir).measures()["entropy_uniform"].sel(step=20)
        lengths = {"encoder/attention": [6, 4], "pool": None}
        expected = [np.log(np.arange(1, n + 1)).mean() for n in lengths["encoder/attention"]]
        np.testing.assert_allclose(uniform.sel(site="encoder/attention"), expected, rtol=1e-5)
        np.testing.assert_allclose(uniform.sel(site="pool"), np.log(9), rtol=1e-5)

    @pytest.mark.parametrize(
        ("asked", "given"),
        [
            (slice(None), [0, 10, 20]),
            (slice(5, 20), [10, 20]),
            (slice(None, None, 2), [0, 20]),
            (-1, [20]),
            ([20, 0], [20, 0]),
            (np.array([10]), [10]),
        ],
    )
    def test_steps_are_chosen_by_step(self, run_dir, asked, given):
        run = open_run(run_dir)
        assert run.measures(asked)["step"].values.tolist() == given
        assert run.parameters(step=asked)["step"].values.tolist() == given


class TestParameters:
    def test_histograms_and_statistics_come_back(self, run_dir):
        run = open_run(run_dir)
        assert run.parameter_names == ("dense/kernel", "dense/bias")
        numbers = run.parameters("dense/kernel").sel(parameter="dense/kernel", step=10)
        wanted = parameters(10).sel(parameter="dense/kernel")
        for name in wanted.data_vars:
            np.testing.assert_array_equal(numbers[name], wanted[name])
        assert numbers["count"].dtype == np.int64
        assert run.parameter_facts[0]["shape"] == "30×20"

    def test_one_part_may_be_missing(self, tmp_path):
        with Writer(tmp_path) as writer:
            writer.append(0, parameters=parameters())
            record(writer, 1, two_sites())
        run = open_run(tmp_path)
        assert set(run.sites) == {"encoder/attention", "pool"}
        assert run.parameters(step=1)["mean"].isnull().all()
        assert run.measures()["entropy"].sel(step=0).isnull().all()
        with pytest.raises(NotRecordedError, match=r"step 0 .* has no attention"):
            run.weights("pool", 0)


class TestProbe:
    class Probe:
        examples = 2
        labels = (np.int64(3), "猫")
        images = np.arange(8, dtype=np.float32).reshape(2, 2, 2)

        def tokens_of(self, example):
            return [("", "not", "好"), ("",)][example]

    def test_examples_are_told_apart(self, tmp_path):
        with Writer(tmp_path) as writer:
            record(writer, 0, two_sites(), probe=self.Probe())
        run = open_run(tmp_path)
        assert [example.title for example in run.examples] == ["not 好", "example 1"]
        assert [example.label for example in run.examples] == [3, "猫"]
        assert run.examples[0].tokens == ("", "not", "好")
        np.testing.assert_array_equal(run.image(1), [[4, 5], [6, 7]])
        assert run.image(2) is None

    @pytest.mark.parametrize("half", ["\ud83d", "\ude00 ", "a\udc80b"])
    def test_half_of_a_character_is_marked_and_the_rest_recorded(self, tmp_path, half):
        made = two_sites()
        made["pool"]["key_token"] = (("example", "key"), np.full((2, 9), half, object))
        probe = self.Probe()
        probe.tokens_of, probe.labels = lambda example: [half, "whole"], (half, 1)
        with Writer(tmp_path) as writer:
            record(writer, 0, made, probe=probe)
            record(writer, 1, made, probe=probe)
        run = open_run(tmp_path)
        marked = re.sub("[\ud800-\udfff]", "\ufffd", half)
        assert run.steps.tolist() == [0, 1]
        assert set(run.site("pool")["key_token"].values.flat) == {marked}
        assert run.examples[0].tokens == (marked, "whole")
        assert run.examples[0].label == marked
        assert not list(tmp_path.rglob("*.partial"))
