"""Answers against the planted runs they were written from, through the real store."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

sys.path.insert(0, str(Path(__file__).parent / "golden"))
import planted  # the planted runs lie beside the golden answers made from them

from limelight.answer import answer, extent
from limelight.answer.bootstrap import interval
from limelight.catalogue import analyses
from limelight.errors import NotRecordedError
from limelight.measuring import measures_of, uniform_of
from limelight.query import Query
from limelight.store import Writer, open_run
from limelight.wire import decode, encode


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    return open_run(planted.write(tmp_path_factory.mktemp("logs") / "words", planted.words))


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return open_run(planted.write(tmp_path_factory.mktemp("logs") / "digits", planted.digits))


def written(step, name):
    return planted.words(step)[name].to_dataset()


def index_of(run, name):
    return list(run.sites).index(name)


class TestRun:
    def test_it_says_what_there_is(self, words):
        facts = answer(words, Query("run"))
        assert facts["step"].values.tolist() == list(planted.STEPS)
        np.testing.assert_array_equal(facts["epoch"], [np.nan, 1.0, 2.5])
        sites = {site["name"]: site for site in facts.attrs["sites"]}
        assert set(sites) == {"encoder/attention", "decoder/cross", "pool", "long"}
        cross = sites["decoder/cross"]
        assert (cross["kind"], cross["heads"], cross["queries"], cross["keys"]) == (
            "cross",
            2,
            3,
            6,
        )
        assert cross["module_class"] == "MultiHeadAttention"
        assert facts.attrs["examples"][0]["tokens"] == planted.TOKENS[0]
        assert facts.attrs["examples"][0]["image"] is False
        assert [p["name"] for p in facts.attrs["parameters"]] == list(planted.parameters_of(0))
        assert facts.attrs["parameters"][0]["shape"] == "64×8"
        assert facts.attrs["problems"] == []

    def test_it_says_when_each_step_was_recorded(self, words):
        times = answer(words, Query("run"))["wall_time"]
        assert times.attrs["units"] == "s"
        assert times.values.tolist() == list(planted.WALL_TIMES)

    def test_images_are_told(self, digits):
        facts = answer(digits, Query("run"))
        assert all(example["image"] for example in facts.attrs["examples"])
        assert facts.attrs["sites"][0]["key_layout"] == [4, 4]

    @pytest.mark.parametrize("what", ["run", "grid", "parameters", "summary"])
    def test_attributes_are_plain_json(self, words, what):
        text = json.dumps(answer(words, Query(what)).attrs, allow_nan=False)
        assert json.loads(text) == decode(encode(answer(words, Query(what)))).attrs

    def test_where_no_site_ever_changes_nothing_is_said_of_it(self, words):
        attrs = answer(words, Query("run")).attrs
        assert (attrs["forms"], attrs["changes"]) == ([], [])

    def test_sites_that_come_go_and_change_their_sizes(self, tmp_path):
        """Growing, pruned and renamed parts: each step has its own sites, in their own sizes."""
        rng = np.random.default_rng(0)

        def site(heads, length, word="w"):
            weights = rng.dirichlet(np.ones(length), (1, heads, length)).astype(np.float32)
            dims = "example", "head", "query", "key"
            valid = np.ones((1, length), bool)
            return xr.Dataset(
                {
                    "weights": (dims, weights),
                    "allowed": (("example", "query", "key"), weights[:, 0] >= 0),
                    "query_valid": (("example", "query"), valid),
                    "key_valid": (("example", "key"), valid),
                    "key_token": (("example", "key"), np.full((1, length), word)),
                },
                attrs={"module": "m", "kind": "self", "module_class": "M", "framework": "none"},
            )

        steps = {
            0: {"a": site(3, 4)},
            1: {"a": site(3, 4, "other"), "b": site(1, 5)},  # other words are no other site
            2: {"a": site(2, 6), "b": site(1, 5)},
            3: {"a": site(2, 6), "b": site(1, 5)},
            4: {"b": site(1, 5)},
        }
        with Writer(tmp_path) as writer:
            for step, sites in steps.items():
                measured = {name: measures_of(each) for name, each in sites.items()}
                uniform = {name: uniform_of(each) for name, each in sites.items()}
                tree = xr.DataTree.from_dict(sites)
                writer.append(step, tree=tree, measures=measured, uniform=uniform)
        run = open_run(tmp_path)
        attrs = answer(run, Query("run")).attrs
        assert [change["step"] for change in attrs["changes"]] == [0, 1, 2, 4]
        assert len(attrs["forms"]) == 3
        for step, sites in steps.items():
            change = [each for each in attrs["changes"] if each["step"] <= step][-1]
            forms = [attrs["forms"][form] for form in change["forms"]]
            shapes = {form["name"]: (1, form["heads"], form["queries"], form["keys"])
                      for form in forms}  # fmt: skip
            assert shapes == {name: each["weights"].shape for name, each in sites.items()}
        measured = answer(run, Query("measures", site="a"))
        assert measured["step"].values.tolist() == [0, 1, 2, 3]
        assert np.isfinite(measured["entropy"].values).sum(1).tolist() == [3, 3, 2, 2]


class TestGrid:
    @pytest.mark.parametrize("example", [0, 1])
    @pytest.mark.parametrize("reduce", ["max", "mean"])
    def test_a_small_map_is_shown_cell_by_cell(self, words, example, reduce):
        answered = answer(words, Query("grid", step=100, example=example, reduce=reduce))
        for name in ("encoder/attention", "decoder/cross", "pool"):
            cells = answered[f"cells_{index_of(words, name)}"]
            weights = written(100, name)["weights"].values[example]
            np.testing.assert_array_equal(cells, np.rint(255 * np.sqrt(weights)))
            assert cells.attrs["site"] == name

    @pytest.mark.parametrize("reduce", ["max", "mean"])
    def test_a_large_map_is_pooled(self, words, reduce):
        cells = answer(words, Query("grid", step=0, reduce=reduce))[
            f"cells_{index_of(words, 'long')}"
        ]
        weights = written(0, "long")["weights"].values[0, 0]
        assert cells.shape == (1, 32, 32)
        rows, columns = ((np.arange(33) * size) // 32 for size in weights.shape)
        for row, column in [(0, 0), (7, 11), (31, 31)]:
            block = weights[rows[row] : rows[row + 1], columns[column] : columns[column + 1]]
            share = block.max() if reduce == "max" else block.mean()
            assert abs(int(cells[0, row, column]) - 255 * np.sqrt(share)) <= 1

    @pytest.mark.parametrize("example", [0, 1])
    def test_cells_that_may_not_be_attended_are_told_from_zero(self, words, example):
        answered = answer(words, Query("grid", step=100, example=example))
        sites = 0
        for at, name in enumerate(words.sites):
            site = written(100, name)
            if max(site.sizes["query"], site.sizes["key"]) > 32 or "allowed" not in site:
                continue
            expected = site["allowed"].values[example]
            if not expected.all():
                assert f"head_{at}" not in answered[f"allowed_{at}"].dims, "all heads attend alike"
                np.testing.assert_array_equal(answered[f"allowed_{at}"], expected)
                sites += 1
            else:
                assert f"allowed_{at}" not in answered
        assert sites

    def test_a_pooled_cell_is_allowed_where_anything_of_it_is(self, tmp_path):
        allowed = np.tri(70, dtype=bool)[None]
        weights = allowed / allowed.sum(-1, keepdims=True)
        site = xr.Dataset(
            {
                "weights": (("example", "head", "query", "key"), weights[:, None]),
                "allowed": (("example", "query", "key"), allowed),
            },
            attrs={"module": "causal", "kind": "self"},
        )
        with Writer(tmp_path) as writer:
            writer.append(0, tree=xr.DataTree.from_dict({"causal": site}))
        cells = answer(open_run(tmp_path), Query("grid"))["allowed_0"].values
        starts = np.arange(33) * 70 // 32
        for row in range(32):
            for column in range(32):
                block = allowed[
                    0, starts[row] : starts[row + 1], starts[column] : starts[column + 1]
                ]
                assert cells[row, column] == block.any()

    def test_nan_is_marked_and_never_drawn_as_a_number(self, words):
        answered = answer(words, Query("grid", step=250))
        at = index_of(words, "encoder/attention")
        expected = np.isnan(written(250, "encoder/attention")["weights"].values[0])
        np.testing.assert_array_equal(answered[f"nan_{at}"], expected)
        assert not answered[f"cells_{at}"].values[expected].any()
        assert f"nan_{index_of(words, 'pool')}" not in answered
        assert f"nan_{at}" not in answer(words, Query("grid", step=100))

    @pytest.mark.parametrize("name", planted.MEASURES)
    def test_measures_are_the_analyses_of_the_written_map(self, words, name):
        card = analyses()[name]
        answered = answer(words, Query("grid", step=100, example=1))
        for at, site in enumerate(words.sites):
            if words.sites[site].kind not in card.kinds:
                assert f"{name}_{at}" not in answered
                continue
            ds = written(100, site).isel(example=1)
            values = card(ds["weights"].astype(np.float64), ds.get("allowed"))
            values = values.where(ds["query_valid"])
            np.testing.assert_allclose(answered[f"{name}_{at}"], values.mean("query"), rtol=1e-5)
            even = ds["allowed"] / ds["allowed"].sum("key")
            uniform = card(even.fillna(0), ds["allowed"]).where(ds["query_valid"]).mean("query")
            np.testing.assert_allclose(
                answered[f"{name}_uniform_{at}"], float(uniform), rtol=1e-5, atol=1e-7
            )
            assert answered[f"{name}_{at}"].attrs["units"] == card.units

    def test_a_diverged_head_is_measured_over_its_other_rows_and_says_so(self, words):
        answered = answer(words, Query("grid", step=250))
        at = index_of(words, "encoder/attention")
        assert answered[f"nan_rows_{at}"].values.tolist() == [0, 1]
        weights = written(250, "encoder/attention")["weights"].values[0, 1].astype(np.float64)
        logs = np.log(weights, where=weights > 0, out=np.zeros_like(weights))
        rows = -(weights * logs).sum(-1)
        assert answered[f"entropy_{at}"].values[1] == pytest.approx(np.nanmean(rows), rel=1e-5)
        assert f"nan_rows_{at}" not in answer(words, Query("grid", step=100))

    @pytest.mark.parametrize("step", planted.STEPS)
    def test_every_map_of_a_site_has_the_range_that_its_picture_has(self, words, step):
        grid = answer(words, Query("grid", step=step))
        for at, site in enumerate(words.sites):
            bounds = grid[f"cells_{at}"].attrs["range"]
            for head in range(words.sites[site].heads):
                mapped = answer(words, Query("map", site=site, head=head, step=step, example=1))
                assert mapped.attrs["range"] == bounds
            ds = written(step, site)
            most = float(ds["weights"].where(ds["allowed"]).max())
            assert bounds[0] == 0
            # The bytes of a picture know a weight to a few per cent, the legend two digits of it.
            assert most * 0.97 < bounds[1] < most * 1.11

    @pytest.mark.parametrize(
        ("keys", "spread"), [(60, 1), (256, 1), (700, 1), (700, 3), (700, 0.5), (700, None)]
    )
    def test_a_range_follows_the_weights_and_not_the_cells_that_join_them(
        self, tmp_path, keys, spread
    ):
        """The first queries of causal attention have to look at the first keys; None: near ones."""
        site = planted.site(
            keys, keys, 3, seed=0, module="m", kind="self", module_class="A", causal=True,
            query_length=(keys, keys), key_length=(keys, keys),
        )  # fmt: skip
        allowed = np.tri(keys)
        scores = np.random.default_rng(1).normal(0, spread or 0.1, (2, 3, keys, keys))
        if spread is None:
            scores -= np.abs(np.subtract.outer(np.arange(keys), np.arange(keys))) / 5
        weights = np.exp(scores) * allowed
        weights /= weights.sum(-1, keepdims=True)
        site["weights"] = (site["weights"].dims, weights.astype(np.float32))
        with Writer(tmp_path) as writer:
            writer.append(0, tree=xr.DataTree.from_dict({"m": site}))
        low, high = answer(open_run(tmp_path), Query("grid"))["cells_0"].attrs["range"]
        exact = np.quantile(weights[..., allowed > 0], 0.999)
        assert low == 0
        assert exact / 2 < high < 2 * exact, "1 if the cells were counted"

    @pytest.mark.parametrize(("keys", "peak"), [(64, None), (700, None), (64, 0.9)])
    def test_a_range_leaves_out_a_thousandth_of_the_cells(self, tmp_path, keys, peak):
        """Even weights over many keys fill the colours; a lone peak does not take them away."""
        site = planted.site(
            keys, keys, 4, seed=0, module="m", kind="self", module_class="A",
            query_length=(keys, keys), key_length=(keys, keys),
        )  # fmt: skip
        weights = np.full((2, 4, keys, keys), 1 / keys, np.float32)
        if peak is not None:
            weights[0, 0, 3] = (1 - peak) / (keys - 1)
            weights[0, 0, 3, 5] = peak
        site["weights"] = (site["weights"].dims, weights)
        with Writer(tmp_path) as writer:
            writer.append(0, tree=xr.DataTree.from_dict({"m": site}))
        bounds = answer(open_run(tmp_path), Query("grid"))["cells_0"].attrs["range"]
        assert bounds == [0, pytest.approx(1 / keys, rel=0.15)]


class TestMap:
    @pytest.mark.parametrize("site", ["encoder/attention", "decoder/cross", "pool", "long"])
    @pytest.mark.parametrize("example", [0, 1])
    @pytest.mark.parametrize("step", planted.STEPS)
    def test_it_is_the_map_that_was_written(self, words, site, example, step):
        head = words.sites[site].heads - 1
        answered = answer(words, Query("map", site=site, head=head, example=example, step=step))
        ds = written(step, site).isel(example=example)
        np.testing.assert_array_equal(answered["weights"], ds["weights"].isel(head=head))
        assert answered["weights"].dtype == np.float16
        for name in ("allowed", "query_valid", "key_valid"):
            np.testing.assert_array_equal(answered[name], ds[name])
            assert answered[name].dtype == bool
        assert answered.attrs["step"] == step

    def test_all_examples_at_once(self, words):
        answered = answer(words, Query("map", site="encoder/attention", head=1, step=0))
        ds = written(0, "encoder/attention")
        np.testing.assert_array_equal(answered["weights"], ds["weights"].isel(head=1))
        assert answered["allowed"].dims == ("example", "query", "key")
        assert answered.attrs["query_token"] == planted.TOKENS
        assert answered.attrs["example"] is None

    def test_tokens_are_told_for_the_example(self, words):
        answered = answer(words, Query("map", site="decoder/cross", head=0, example=1))
        assert answered.attrs["query_token"] is None
        assert answered.attrs["key_token"] == planted.TOKENS[1]

    def test_the_image_comes_with_the_map(self, digits):
        answered = answer(digits, Query("map", site="attention", head=0, example=1))
        np.testing.assert_allclose(answered["image"], planted.images()[1], atol=1 / 255)
        assert answered.attrs["key_layout"] == [4, 4]
        assert "image" not in answer(digits, Query("map", site="attention", head=0))

    def test_the_error_of_storing_is_told_and_kept(self, words, tmp_path):
        stored = answer(words, Query("map", site="pool", head=0, example=0)).attrs["stored"]
        assert stored["name"] == "float16"
        compact = open_run(planted.write(tmp_path / "c", planted.words, precision="compact"))
        answered = answer(
            compact, Query("map", site="encoder/attention", head=0, example=0, step=100)
        )
        assert answered["weights"].dtype == np.float32
        ds = written(100, "encoder/attention")["weights"].isel(example=0, head=0)
        error = float(np.abs(answered["weights"].values - ds.values).max())
        assert 0 < error <= answered.attrs["stored"]["max_error"]

    @pytest.mark.parametrize(("step", "recorded"), [(-1, 250), (-3, 0), (100, 100)])
    def test_negative_steps_count_from_the_newest(self, words, step, recorded):
        assert answer(words, Query("map", site="pool", head=0, step=step)).attrs["step"] == recorded


class TestMeasures:
    def test_rows_that_are_nan_are_counted_and_left_out(self, words):
        answered = answer(words, Query("measures", site="encoder/attention"))
        assert answered["nan_rows"].values.tolist() == [[0, 0], [0, 0], [0, 1]]
        assert answered.attrs["rows"] == 10, "six queries of one example and four of the other"
        assert np.isfinite(answered["entropy"].values).all()
        assert np.isfinite(answered["entropy_high"].values).all()
        assert "nan_rows" not in answer(words, Query("measures", site="pool"))

    def test_an_example_of_which_no_row_is_left_does_not_count(self, tmp_path):
        site = planted.words(0)["encoder/attention"].to_dataset()
        site["weights"][0, 1] = site["weights"][0, 1] * np.nan
        tree = xr.DataTree.from_dict({"m": site})
        measured = {"m": planted.chosen(measures_of(site), planted.MEASURES)}
        uniform = {"m": planted.chosen(uniform_of(site), planted.MEASURES)}
        with Writer(tmp_path) as writer:
            writer.append(0, tree=tree, measures=measured, uniform=uniform)
        run = open_run(tmp_path)
        both = answer(run, Query("measures", site="m"))
        second = answer(run, Query("measures", site="m", example=1))
        assert both["nan_rows"].values.tolist() == [[0, 6]]
        assert both["gini"].values[0, 1] == second["gini"].values[0, 1]
        assert np.isnan(both["gini_low"].values[0, 1]), "one example has no interval"
        assert np.isfinite(both["gini_low"].values[0, 0])

    def test_means_are_over_examples_that_are_means_over_queries(self, words):
        answered = answer(words, Query("measures", site="encoder/attention"))
        ds = written(100, "encoder/attention")
        values = analyses()["entropy"].function(ds["weights"].astype(np.float64))
        expected = values.where(ds["query_valid"]).mean("query").mean("example")
        np.testing.assert_allclose(answered["entropy"].sel(step=100), expected, rtol=1e-5)
        assert answered["entropy"].dims == ("step", "head")
        assert answered.attrs["examples"] == 2

    def test_one_example_has_no_interval(self, words):
        answered = answer(words, Query("measures", site="encoder/attention", example=0))
        assert answered.attrs["examples"] == 1
        assert bool(answered["entropy_low"].isnull().all())
        grid = answer(words, Query("grid", step=100, example=0))
        at = index_of(words, "encoder/attention")
        np.testing.assert_allclose(
            answered["entropy"].sel(step=100), grid[f"entropy_{at}"], rtol=1e-6
        )

    def test_intervals_hold_the_mean(self, words):
        answered = answer(words, Query("measures", site="decoder/cross"))
        for name in ("entropy", "maximum", "first_key_share"):
            assert bool((answered[f"{name}_low"] <= answered[name]).all())
            assert bool((answered[name] <= answered[f"{name}_high"]).all())

    def test_uniform_attention_is_one_line_over_steps(self, words):
        answered = answer(words, Query("measures", site="pool"))
        expected = np.mean([np.log(6), np.log(4)])
        np.testing.assert_allclose(answered["entropy_uniform"], [expected] * 3, rtol=1e-6)

    def test_distance_is_not_given_across_two_sequences(self, words):
        assert "distance" not in answer(words, Query("measures", site="decoder/cross"))
        assert "distance" in answer(words, Query("measures", site="encoder/attention"))

    def test_steps_are_thinned_keeping_first_and_newest(self, words):
        answered = answer(words, Query("measures", site="pool", steps=2))
        assert answered["step"].values.tolist() == [0, 250]


class TestParameters:
    def test_histograms_are_numpys(self, words):
        answered = answer(words, Query("parameters", parameter=("dense/kernel",)))
        for step in planted.STEPS:
            values = planted.parameters_of(step)["dense/kernel"]
            count, edges = np.histogram(values, 64)
            row = answered.sel(step=step, parameter="dense/kernel")
            np.testing.assert_array_equal(row["count"], count)
            np.testing.assert_allclose([row["low"], row["high"]], edges[[0, -1]])
        assert answered["count"].dtype == np.int32
        assert answered.sizes == {"step": 3, "parameter": 1, "bin": 64}

    def test_none_named_means_all_in_their_order(self, words):
        answered = answer(words, Query("parameters"))
        assert answered["parameter"].values.tolist() == list(planted.parameters_of(0))

    def test_names_come_in_the_order_asked(self, words):
        names = ("层/<b>scale</b>", "dense/kernel")
        answered = answer(words, Query("parameters", parameter=names))
        assert answered["parameter"].values.tolist() == list(names)
        expected = planted.parameters_of(0)["dense/kernel"].astype(np.float64)
        np.testing.assert_allclose(answered["std"].sel(step=0)[1], expected.std(), rtol=1e-5)

    def test_nan_and_infinity_are_counted_and_left_out(self, words):
        row = answer(words, Query("parameters")).sel(step=250, parameter="层/<b>scale</b>")
        assert int(row["nonfinite"]) == 2
        assert int(row["count"].sum()) == 10
        assert np.isfinite(float(row["mean"]))

    def test_steps_are_thinned(self, words):
        answered = answer(words, Query("parameters", steps=2))
        assert answered["step"].values.tolist() == [0, 250]

    def test_the_summary_is_the_last_step_beside_the_first(self, words):
        answered = answer(words, Query("summary", step=100))
        over_steps = answer(words, Query("parameters"))
        assert answered.attrs == {"step": 100, "first_step": 0}
        for name in ("mean", "std", "min", "max", "norm", "near_zero", "nonfinite"):
            np.testing.assert_array_equal(answered[name], over_steps[name].sel(step=100))
            np.testing.assert_array_equal(answered[f"{name}_first"], over_steps[name].sel(step=0))

    def test_the_summary_of_the_first_step_is_itself(self, words):
        answered = answer(words, Query("summary", step=0))
        np.testing.assert_array_equal(answered["norm"], answered["norm_first"])


class TestNotRecorded:
    @pytest.mark.parametrize(
        ("query", "message"),
        [
            (Query("grid", step=90), "Recorded are 3 steps from 0 to 250. Ask for"),
            (Query("grid", step=90), "such as 100, or -1 for the newest."),
            (Query("grid", step=-4), "Recorded are 3 steps from 0 to 250."),
            (Query("summary", step=10**30), "Ask for a recorded step, such as 250,"),
            (Query("grid", example=2), "Got example 2. Run 'words' has 2, numbered from 0."),
            (Query("grid", example=-1), "Got example -1."),
            (Query("map", site="no", head=0), "Got site 'no'. Run 'words' holds "),
            (Query("map", site="pool", head=1), "Got head 1. Site 'pool' has 1, numbered from 0."),
            (Query("measures", site="no"), "Got site 'no'."),
            (Query("parameters", parameter=("no",)), "Run 'words' holds 'dense/kernel', "),
        ],
    )  # fmt: skip
    def test_what_is_missing_is_told_with_what_there_is(self, words, query, message):
        with pytest.raises(NotRecordedError) as caught:
            answer(words, query)
        assert message in str(caught.value)

    def test_a_run_without_attention_still_answers(self, tmp_path):
        run = open_run(planted.write(tmp_path / "weights", None))
        assert answer(run, Query("run")).attrs["sites"] == []
        assert set(answer(run, Query("grid")).variables) == set()
        assert answer(run, Query("summary")).sizes["parameter"] == 3
        with pytest.raises(NotRecordedError, match="holds none"):
            answer(run, Query("measures", site="pool"))


class TestExtent:
    @pytest.mark.parametrize(
        "query",
        [
            Query("map", site="long", head=0),
            Query("map", site="long", head=0, example=1),
            Query("parameters"),
            Query("parameters", parameter=("dense/kernel",), steps=2),
        ],
    )
    def test_it_is_an_upper_estimate_and_not_a_wild_one(self, words, query):
        answered = answer(words, query)
        assert answered.nbytes * 0.9 <= extent(words, query) <= 3 * answered.nbytes


class TestInterval:
    def test_it_covers_the_true_mean_about_as_often_as_it_says(self):
        rng = np.random.default_rng(1)
        low, high = interval(rng.normal(size=(2000, 40)))
        covered = float(((low <= 0) & (high >= 0)).mean())
        assert 0.91 <= covered <= 0.97

    def test_equal_examples_have_an_interval_of_no_width(self):
        low, high = interval(np.full((3, 5), 0.25))
        np.testing.assert_array_equal([low, high], np.full((2, 3), 0.25))

    def test_the_same_numbers_give_the_same_interval(self):
        values = np.random.default_rng(2).random((4, 9))
        np.testing.assert_array_equal(interval(values), interval(values.copy()))

    def test_a_nan_example_makes_its_interval_nan_and_no_other(self):
        low, high = interval(np.array([[0.0, np.nan, 1.0], [0.0, 0.5, 1.0]]))
        assert np.isnan([low[0], high[0]]).all()
        assert np.isfinite([low[1], high[1]]).all()

    def test_it_is_numpys_percentile_of_resampled_means(self):
        values = np.random.default_rng(3).random(30)
        low, high = interval(values)
        rng = np.random.default_rng(4)
        means = values[rng.integers(0, 30, (20000, 30))].mean(-1)
        expected = np.percentile(means, [2.5, 97.5])
        np.testing.assert_allclose([low, high], expected, atol=0.02)


@pytest.mark.parametrize("what", ["run", "grid", "map", "measures", "parameters", "summary"])
def test_every_answer_crosses_the_wire(words, what):
    answered = answer(words, Query(what, site="encoder/attention", head=1, step=250))
    back = decode(encode(answered))
    for name in answered.data_vars:
        np.testing.assert_array_equal(back[name], answered[name])
        assert back[name].dims == answered[name].dims


def test_answers_are_datasets_without_a_file_behind_them(words):
    answered = answer(words, Query("map", site="pool", head=0))
    assert isinstance(answered, xr.Dataset)
    assert isinstance(answered["weights"].variable._data, np.ndarray)
