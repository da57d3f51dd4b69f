"""Maps kept as vectors: callers cannot tell, but by their size."""

from __future__ import annotations

import tracemalloc
import zipfile

import numpy as np
import pytest
import xarray as xr
from factored import RULES, rule_of, site_of, vectors
from hypothesis import given, settings
from hypothesis import strategies as st
from ondisk import break_row, described, lines, redescribe
from recordings import record

from limelight import schema
from limelight.errors import NotRecordedError, StoreError
from limelight.factors import factored, factors_of
from limelight.rule import Rule
from limelight.store import Writer, open_run
from limelight.store.format.files import sidecar
from limelight.store.format.overview import pictures
from limelight.store.format.sizes import Sizes

#: Maps of more than a thousand weights are also stored pooled, 32 by 32 to a cell.
POOLED = Sizes(large=1000, sides=(4, 16))


def written(folder, *every, name="a", **options):
    """Record one step for each of some factors."""
    with Writer(folder, **options) as writer:
        for step, factors in enumerate(every):
            record(writer, step, {name: site_of(factors)})
    return open_run(folder)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 999),
    positions=st.integers(24, 60),
    kind=st.sampled_from(RULES),
    strength=st.sampled_from([1.0, 4.0, 300.0]),
    softcap=st.sampled_from([None, 3.0]),
    sink_logit=st.booleans(),
    form=st.sampled_from(["float16", "compact"]),
)
def test_what_is_read_is_what_was_written_within_the_stated_error(
    tmp_path_factory, seed, positions, kind, strength, softcap, sink_logit, form
):
    made = vectors(
        seed, positions=positions, examples=2, heads=4, key_heads=2, features=2, kind=kind,
        strength=strength, softcap=softcap, sink_logit=sink_logit,
    )  # fmt: skip
    run = written(tmp_path_factory.mktemp("run"), made, precision=form)
    assert run.sites["a"].features == 2
    read, wanted = run.stored("a"), site_of(made)
    error = read["weights"].attrs["max_error"]
    assert error == run.vectors("a").precision.max_error <= 1.1e-2
    np.testing.assert_allclose(read["weights"].values, made.dense(), rtol=0, atol=error)
    for name in ("allowed", "query_valid", "key_valid"):
        xr.testing.assert_equal(read[name].variable, wanted[name].variable)
    assert ("sink_weight" in read) == sink_logit
    schema.check(read.load())


@pytest.mark.parametrize(
    "choice",
    [
        {"head": 1},
        {"head": [3, 0], "query": slice(None, None, -1)},
        {"example": slice(1, None), "key": [5, 0, 0]},
        {"example": -1, "head": -1, "query": slice(1, 25, 2), "key": slice(10, 20)},
    ],
)
@pytest.mark.parametrize("kind", ["window", "by head"])
def test_any_selection_is_that_of_the_whole(tmp_path, choice, kind):
    run = written(tmp_path, vectors(examples=2, heads=4, key_heads=2, kind=kind))
    whole, part = run.site("a"), run.site("a").isel(choice)
    for name in ("weights", "allowed"):
        mine = {dim: at for dim, at in choice.items() if dim in whole[name].dims}
        wanted = whole[name].load().isel(mine)
        np.testing.assert_allclose(part[name].values, wanted.values, atol=1e-6)
    np.testing.assert_allclose(whole["weights"].mean("key"), whole["weights"].values.mean(-1))


def test_they_are_not_read_before_they_are_looked_at(tmp_path, monkeypatch):
    run = written(tmp_path, vectors(kind="causal", positions=60))
    from limelight.store.zarr.arrays import Arrays

    read = Arrays.read
    seen = []

    def noting(self, spec, row, step, *at):
        seen.append(spec.name)
        return read(self, spec, row, step, *at)

    monkeypatch.setattr(Arrays, "read", noting)
    weights = run.weights("a")
    assert not {name for name in seen if name.startswith(("query", "key", "normaliser"))}
    weights.isel(example=0, head=0, query=slice(3, 5)).load()
    assert "query_0" in seen


def test_dask_computes_parts(tmp_path):
    pytest.importorskip("dask.array")
    run = written(tmp_path, vectors(positions=60))
    chunked = run.weights("a").chunk({"query": 16})
    np.testing.assert_allclose(chunked.max("key").values, run.weights("a").values.max(-1))


def test_their_factors_are_known_again(tmp_path):
    made = vectors(kind="window", heads=4, key_heads=2, examples=2)
    factors = factors_of(written(tmp_path, made).weights("a"))
    assert factors is not None
    assert factors.key.shape == made.key.shape
    np.testing.assert_allclose(factors.dense(), made.dense(), atol=2e-3)


class TestForm:
    def test_halves_serve_until_they_err_too_much(self, tmp_path):
        mild, wild = vectors(strength=1.0), vectors(strength=2000.0)
        run = written(tmp_path, mild, wild)
        assert run.vectors("a", 0).precision.name == "float16 vectors"
        assert run.vectors("a", 1).precision.name == "float32 vectors"
        assert [line.get("wide") for line in lines(tmp_path)] == [[], ["a"]]
        np.testing.assert_allclose(run.weights("a", 1).values, wild.dense(), atol=1e-3)

    def test_no_size_of_vectors_overflows(self, tmp_path):
        query = np.full((1, 1, 40, 2), 3e5, np.float32)
        key = np.random.default_rng(0).normal(size=(1, 1, 40, 2)).astype(np.float32) * 1e-7
        made = factored(query, key, Rule.causal(40, 40), 1.0)
        run = written(tmp_path, made)
        assert run.vectors("a").precision.name == "float16 vectors"
        np.testing.assert_allclose(run.weights("a").values, made.dense(), atol=1e-3)

    def test_maps_smaller_than_their_vectors_stay_maps(self, tmp_path):
        run = written(tmp_path, vectors(positions=8, features=16))
        assert run.vectors("a") is None

    @pytest.mark.parametrize("first", ["maps", "vectors"])
    def test_maps_and_vectors_follow_each_other(self, tmp_path, first):
        made = vectors()
        with Writer(tmp_path) as writer:
            for step in range(4):
                stored = site_of(made)
                as_maps = (step % 2 == 0) == (first == "maps")
                record(writer, step, {"a": stored.load() if as_maps else stored})
        run = open_run(tmp_path)
        assert run.steps.tolist() == [0, 1, 2, 3]
        forms = [run.vectors("a", step) is None for step in range(4)]
        assert forms == ([True, False] if first == "maps" else [False, True]) * 2
        for step in range(4):
            np.testing.assert_allclose(run.weights("a", step), made.dense(), atol=2e-3)
        assert len(described(tmp_path)["layouts"]) == 2


class TestRules:
    def test_one_rule_is_written_once(self, tmp_path):
        same = [vectors(seed, kind="scattered") for seed in (0, 0, 1)]
        written(tmp_path, *same)
        assert [line["masks"] for line in lines(tmp_path)] == [0, 0, 2]

    @pytest.mark.parametrize("kind", RULES)
    def test_cells_only_where_no_runs_describe_them(self, tmp_path, kind):
        written(tmp_path, vectors(kind=kind, examples=2))
        (sealed,) = (sidecar(tmp_path) / "rows").iterdir()
        names = zipfile.ZipFile(sealed).namelist()
        cells = [name for name in names if name.startswith("allowed_0/c.0.")]
        assert bool(cells) == (kind in ("scattered", "by head"))


class TestPictures:
    @pytest.mark.parametrize("kind", ["causal", "padded", "by head"])
    def test_they_are_those_of_the_whole_map(self, tmp_path, kind):
        made = vectors(positions=67, examples=2, kind=kind)
        run = written(tmp_path, made)
        whole = run.weights("a").values
        for example in range(2):
            for at, reduce in enumerate(("max", "mean")):
                cells, nan = run.overview(0, example, reduce)["a"]
                wanted = pictures(whole, (32, 32))[0][at, example]
                assert np.abs(cells.astype(int) - wanted).max() <= 1
                assert nan is None
        dense = tmp_path / "dense"
        with Writer(dense) as writer:
            record(writer, 0, {"a": site_of(made).load()})
        wanted = open_run(dense).overview_allowed(0, 1)["a"]
        np.testing.assert_array_equal(run.overview_allowed(0, 1)["a"], wanted)

    @pytest.mark.parametrize("kinds", [("causal", "padded", "window"), ("causal", "by head")])
    def test_several_layers_keep_their_own(self, tmp_path, kinds):
        made = {
            kind: vectors(at, positions=75, examples=2, heads=3, kind=kind)
            for at, kind in enumerate(kinds)
        }
        for name, load in (("vectors", False), ("maps", True)):
            sites = {kind: site_of(factors) for kind, factors in made.items()}
            with Writer(tmp_path / name, sizes=POOLED) as writer:
                record(
                    writer,
                    0,
                    {k: factors.load() if load else factors for k, factors in sites.items()},
                )
        run, dense = open_run(tmp_path / "vectors"), open_run(tmp_path / "maps")
        for kind, factors in made.items():
            np.testing.assert_allclose(
                run.stored(kind)["weights"].values, factors.dense(), rtol=0, atol=1e-3
            )
            for example in range(2):
                wanted = dense.overview(0, example)[kind][0].astype(int)
                assert np.abs(run.overview(0, example)[kind][0].astype(int) - wanted).max() <= 1
                allowed = (each.overview_allowed(0, example)[kind] for each in (run, dense))
                np.testing.assert_array_equal(*np.broadcast_arrays(*allowed))
                for head in range(3):
                    pooled = run.pooled(kind, 0, example, head)
                    cells = pooled.cells("max", slice(0, 3), slice(0, 3))
                    largest = factors.dense()[example, head, :32, :32].max()
                    np.testing.assert_allclose(cells[0, 0], largest, rtol=0, atol=1e-3)

    def test_nan_is_marked(self, tmp_path):
        made = vectors(positions=40, kind="everything")
        made.query[0, 1, 7] = np.nan
        run = written(tmp_path, made)
        cells, nan = run.overview(0, 0)["a"]
        assert np.argwhere(nan.any(-1)).tolist() == [[1, 6]]
        assert np.isnan(run.weights("a").values[0, 1, 7]).all()
        assert not cells[nan].any()

    @pytest.mark.parametrize("kind", ["causal", "padded", "scattered", "by head"])
    def test_a_large_map_is_pooled_too(self, tmp_path, kind):
        made = vectors(positions=75, examples=2, heads=2, kind=kind)
        run = written(tmp_path, made, sizes=POOLED)
        whole, allowed = run.stored("a")["weights"].values, run.site("a")["allowed"]
        allowed = allowed.broadcast_like(run.weights("a")).values
        for example, head in np.ndindex(2, 2):
            pooled = run.pooled("a", 0, example, head)
            assert pooled.strides == (32, 32)
            every = slice(0, 3)
            for row, column in np.ndindex(3, 3):
                cell = np.s_[
                    example, head, row * 32 : row * 32 + 32, column * 32 : column * 32 + 32
                ]
                count = allowed[cell].sum()
                assert pooled.allowed(every, every)[row, column] == count
                largest = pooled.cells("max", every, every)[row, column]
                np.testing.assert_allclose(largest, whole[cell].max(), rtol=1e-3)
                mean = pooled.cells("mean", every, every)[row, column]
                wanted = whole[cell].sum() / max(count, 1)
                np.testing.assert_allclose(mean, wanted, rtol=1e-3, atol=1e-7)


class TestDamage:
    @pytest.mark.parametrize("array", ["query", "key", "normaliser", "constants"])
    @pytest.mark.parametrize("change", ["cut", "deleted", "flipped"])
    def test_a_broken_file_costs_its_own_step_only(self, tmp_path, array, change):
        made = vectors()
        run = written(tmp_path, made, made)
        break_row(tmp_path, 0, f"{array}_0", change)
        with pytest.raises(StoreError, match=f"The {array} of step 0 cannot be read"):
            run.weights("a", 0).load()
        np.testing.assert_allclose(run.weights("a", 1), made.dense(), atol=2e-3)

    def test_a_run_deleted_while_it_is_shown_says_so(self, tmp_path):
        import shutil

        run = written(tmp_path / "run", vectors())
        weights = run.weights("a").isel(example=0, head=0)
        weights.copy().load()
        shutil.rmtree(tmp_path / "run")
        with pytest.raises(NotRecordedError, match="is gone"):
            weights.load()

    @pytest.mark.parametrize(
        "change", [{"features": 10**12}, {"features": -1}, {"key_heads": 3}, {"key_heads": None}]
    )
    def test_an_absurd_description_is_refused(self, tmp_path, change):
        written(tmp_path, vectors())
        facts = described(tmp_path)
        facts["sites"][0][0] |= change
        redescribe(tmp_path, facts)
        with pytest.raises(StoreError, match="does not describe a recording"):
            open_run(tmp_path)


def test_memory_grows_with_the_length_not_with_its_square(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")  # what it compiles is none of ours
    peaks = []
    for positions in (2048, 8192):
        made = factored(
            np.zeros((1, 1, positions, 4)), np.zeros((1, 1, positions, 4)),
            rule_of("causal", 1, 1, positions), 1.0,
        )  # fmt: skip
        tracemalloc.start()
        run = written(tmp_path / str(positions), made)
        run.weights("a").isel(example=0, head=0, query=slice(9, 300), key=slice(0, 300)).load()
        run.overview(0, 0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 8192**2 * 4 / 8, "less than an eighth of the map in single precision"
    assert peaks[1] < 6 * peaks[0]
