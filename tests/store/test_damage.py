"""Damaged, deleted, newer and hostile recordings: a clear error, and the rest stays readable."""

from __future__ import annotations

import shutil
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
from factored import site_of, vectors
from hypothesis import given, settings
from hypothesis import strategies as st
from ondisk import break_row, copied, edit, unsealed
from recordings import parameters, record, site, two_sites

from limelight import installation
from limelight.errors import NotRecordedError, StoreError
from limelight.store import Writer, open_run
from limelight.store.format.description import NEWEST
from limelight.store.format.files import sidecar
from limelight.store.zarr import arrays

ENCODER = "encoder/attention"
ENTROPIES, SUMS = ("entropy", "entropy_uniform"), ("mean", "count")


def shard(run_dir, row, array="weights_1"):
    (path,) = (sidecar(run_dir) / "data.zarr" / array).glob(f"c.{row}.*")
    return path


class TestShards:
    @pytest.mark.parametrize("form", ["float16", "compact"])
    @pytest.mark.parametrize("offset", [0, 40, -1, -40])
    def test_a_flipped_bit_is_noticed(self, tmp_path, form, offset):
        made = site(0, (1, 1, 20, 20))
        with Writer(tmp_path, precision=form) as writer:
            record(writer, 0, {"a": made})
            record(writer, 1, {"a": made})
        path = shard(tmp_path, 0, "weights_0")
        data = bytearray(path.read_bytes())
        data[offset] ^= 1
        path.write_bytes(data)
        run = open_run(tmp_path)
        with pytest.raises(
            StoreError, match=r"The weights of step 0 cannot be read .*Wanted .*c\.0"
        ):
            run.weights("a", 0).load()
        np.testing.assert_allclose(run.weights("a", 1), made["weights"], atol=0.01)

    @pytest.mark.parametrize("change", ["cut", "empty", "deleted", "flipped", "a folder"])
    @pytest.mark.parametrize("array", ["weights_1", "overview_1", "measures_0", "statistics_0"])
    def test_a_broken_file_costs_its_own_step_only(self, run_dir, array, change):
        break_row(run_dir, 1, array, change)
        run = open_run(run_dir)
        read = {
            "weights_1": lambda step: run.weights(ENCODER, step).load(),
            "overview_1": lambda step: run.overview(step, 0),
            "measures_0": run.measures,
            "statistics_0": lambda step: run.parameters(step=step),
        }[array]
        with pytest.raises(StoreError, match="of step 10 cannot be read"):
            read(10)
        assert read(0) is not None
        assert read(20) is not None

    def test_broken_masks_are_named_too(self, run_dir):
        break_row(run_dir, 0, "query_valid_1", "deleted")
        with pytest.raises(StoreError, match="The query of step 20 cannot be read"):
            open_run(run_dir).site(ENCODER, 20)


class TestHostileArrays:
    @pytest.mark.parametrize(
        "change",
        [
            {"shape": [3, 1, 2, 3, 10**9, 10**9]},
            {"shape": [10**18, 1, 2, 3, 6, 6], "chunk_grid__configuration__chunk_shape": [10**18]},
            {"data_type": "float64"},
            {"data_type": "variable_length_bytes"},
            {"chunk_grid__configuration__chunk_shape": [10**6, 1, 2, 3, 6, 6]},
            {"codecs": [{"name": "numcodecs.pickle", "configuration": {}}]},
            {"codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]},
            {"shape": "many"},
            {"shape": [True, 1, 2, 3, 6, 6]},
            {"storage_transformers": [{"name": "x"}]},
            {"zarr_format": 2},
        ],
    )
    def test_an_array_that_claims_something_else_is_not_opened(self, run_dir, change, monkeypatch):
        edit(sidecar(run_dir) / "data.zarr" / "weights_1" / "zarr.json", **change)
        names, unpacked = [], arrays.unpacked

        def noted(spec, *rest):
            names.append(spec.name)
            return unpacked(spec, *rest)

        monkeypatch.setattr(arrays, "unpacked", noted)
        run = open_run(run_dir)
        tracemalloc.start()
        with pytest.raises(StoreError, match="weights of step 10 cannot be read"):
            run.weights(ENCODER, 10).load()
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
        tracemalloc.stop()
        assert "weights_1" not in names

    def test_an_endless_description_of_an_array_is_not_read(self, run_dir):
        path = sidecar(run_dir) / "data.zarr" / "weights_1" / "zarr.json"
        path.write_text(path.read_text() + " " * (1 << 20))
        with pytest.raises(StoreError, match="too long"):
            open_run(run_dir).weights(ENCODER, 10).load()


class TestDescription:
    def test_a_newer_one_is_refused_by_name(self, run_dir):
        edit(sidecar(run_dir) / "limelight.json", schema=NEWEST + 1, limelight="9.0")
        with pytest.raises(StoreError) as caught:
            open_run(run_dir)
        assert f"schema version {NEWEST + 1}, written by limelight 9.0" in caught.value.came
        assert f"versions up to {NEWEST}" in caught.value.wanted
        assert installation.command() in caught.value.fix

    @pytest.mark.parametrize(
        "change",
        [
            {"format": "other"},
            {"schema": "1"},
            {"schema": 0},
            {"sites__0__0__heads": 10**12},
            {"sites__0__0__queries": 10**6, "sites__0__0__keys": 10**6},
            {"sites__0__0__heads": -1},
            {"sites__0__0__heads": 2.5},
            {"sites__0__0__kind": "other"},
            {"sites__0__0__name": ["x"]},
            {"sites__0__0__name": ENCODER},
            {"sites__0__0__key_text": 5},
            {"sites__0__0__key_layout": [1]},
            {"layouts__0__precision__name": "pickle"},
            {"texts__0": [["x"]]},
            {"examples__0__0__tokens": "abc"},
            {"examples__0__0__label": {}},
            {"layouts__0__images": [10**9, 10**9]},
            {"members": {"a": 1}},
            {"members__0": {"a": 1}},
            {"layouts": []},
            {"layouts__0__sites": 5},
            {"layouts__0__tables__0__bins": 10**9},
            {"layouts__0__measures": None},
        ],
    )
    def test_a_damaged_or_absurd_one_is_refused(self, run_dir, change):
        edit(sidecar(run_dir) / "limelight.json", **change)
        with pytest.raises(StoreError, match=r"limelight.json does not describe a recording"):
            open_run(run_dir)

    @pytest.mark.parametrize("text", ["", "[]", "null", '{"format"', "[" * 100_000, "\udcff"])
    def test_what_is_no_description_is_refused(self, run_dir, text):
        path = sidecar(run_dir) / "limelight.json"
        path.write_text(text, errors="surrogateescape")
        with pytest.raises(StoreError, match="does not describe a recording"):
            open_run(run_dir)

    def test_a_missing_one_is_named(self, run_dir):
        (sidecar(run_dir) / "limelight.json").unlink()
        with pytest.raises(StoreError, match=r"limelight\.json is missing"):
            open_run(run_dir)

    def test_a_folder_without_a_recording_says_so(self, tmp_path):
        with pytest.raises(NotRecordedError, match=r"no .* holds|holds no limelight recording"):
            open_run(tmp_path)
        with pytest.raises(NotRecordedError, match="Correct the path"):
            open_run(tmp_path / "nowhere")


class TestGone:
    def test_a_run_deleted_while_open_says_so(self, run_dir):
        run = open_run(run_dir)
        weights = run.weights(ENCODER, 10)
        run.overview(10, 0)
        shutil.rmtree(run_dir)
        for act in (weights.load, run.measures, lambda: run.overview(10, 0), run.parameters):
            with pytest.raises(NotRecordedError, match="is gone"):
                act()
        with pytest.raises(NotRecordedError, match="holds no limelight recording"):
            run.refresh()

    def test_recording_goes_on_in_a_deleted_folder(self, tmp_path):
        folder = tmp_path / "run"
        with Writer(folder) as writer:
            record(writer, 0, two_sites())
            shutil.rmtree(folder)
            record(writer, 1, two_sites())
        assert open_run(folder).steps.tolist() == [1]


class TestAbsent:
    @pytest.mark.parametrize(
        ("ask", "message"),
        [
            (lambda run: run.weights("no"), "Got site 'no'. Run 'lstm' holds 'pool', 'encoder/"),
            (lambda run: run.weights(ENCODER, 7), ("Got step 7 of run 'lstm'. Recorded are 3 steps "
             "from 0 to 20. Ask for a recorded step, such as 10, or -1 for the newest.")),
            (lambda run: run.weights(ENCODER, -4), "Got step -4"),
            (lambda run: run.overview(0, 2), "Got example 2. Run 'lstm' has 2, numbered from 0."),
            (lambda run: run.parameters("no"), "Got parameter 'no'. Run 'lstm' holds 'dense/ke"),
            (lambda run: run.measures([0, 11]), "Got step 11"),
        ],
    )  # fmt: skip
    def test_what_is_not_there_is_told_with_what_is(self, run_dir, ask, message):
        with pytest.raises(NotRecordedError) as caught:
            ask(open_run(run_dir))
        assert message in str(caught.value)

    def test_nothing_recorded_yet(self, tmp_path):
        with Writer(tmp_path) as writer:
            record(writer, 0, two_sites())
        (sidecar(tmp_path) / "index.jsonl").write_text("")
        run = open_run(tmp_path)
        assert run.steps.size == 0
        assert run.measures().sizes["step"] == 0
        assert run.parameters().sizes == {"step": 0, "parameter": 0, "bin": 64, "bin_edge": 65}
        with pytest.raises(NotRecordedError, match="Nothing has been recorded in it yet"):
            run.weights("pool")


@pytest.fixture(scope="module", params=["live", "closed"])
def whole(request, tmp_path_factory):
    """A small recording of maps, vectors, NaNs and parameters, and what it holds."""
    folder = tmp_path_factory.mktemp("logs") / "run"
    with Writer(folder) as writer:
        for step in range(3):
            broken = site(step, (1, 2, 5, 5))
            broken["weights"][0, 1, 2] = np.nan
            sites = {"a": site(step, (1, 2, 4, 4), by_head=True), "b": broken,
                     "v": site_of(vectors(step, positions=30))}  # fmt: skip
            record(writer, step, sites, parameters=parameters(step), epoch=step / 2)
    if request.param == "live":
        unsealed(folder)
    return folder, held(folder)


class TestAnythingAnywhere:
    """Whatever is flipped, cut or swapped: an error or a problem, never another number."""

    @settings(max_examples=25, deadline=None, derandomize=True)
    @given(data=st.data())
    def test_a_byte_or_a_cut(self, whole, tmp_path_factory, data):
        folder, before = whole
        copy = copied(folder, tmp_path_factory.mktemp("copy") / "run")
        files = [path for path in sorted(sidecar(copy).rglob("*")) if path.is_file()]
        path = data.draw(st.sampled_from(files), label="file")
        content = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1), label="at")
        if data.draw(st.booleans(), label="cut"):
            content = content[:at]
        else:
            content[at] ^= 1 << data.draw(st.integers(0, 7), label="bit")
        path.write_bytes(content)
        unharmed(copy, before)

    def test_any_two_files_of_rows_swapped(self, whole, tmp_path):
        folder, before = whole
        files = [path.relative_to(folder) for path in sidecar(folder).rglob("*")
                 if path.suffix == ".zip" or path.name.startswith("c.")]  # fmt: skip
        copy = copied(folder, tmp_path / "run")
        aside = tmp_path / "aside"
        for number, first in enumerate(files):
            for second in files[number + 1 :: 4]:  # of each file with a quarter of the others
                (copy / first).rename(aside)
                (copy / second).rename(copy / first)
                aside.rename(copy / second)
                unharmed(copy, before)
                assert len(held(copy)) < len(before), f"{first} for {second} goes unseen"
                (copy / first).rename(aside)
                (copy / second).rename(copy / first)
                aside.rename(copy / second)

    def test_any_file_in_place_of_another_runs(self, whole, tmp_path):
        folder, before = whole
        other = tmp_path / "other"
        with Writer(other) as writer:
            for step in range(3):
                sites = {"a": site(9, (1, 2, 4, 4), by_head=True), "b": site(9, (1, 2, 5, 5)),
                         "v": site_of(vectors(9, positions=30))}  # fmt: skip
                record(writer, step, sites, parameters=parameters(9), epoch=step / 2)
        if any(path.name.startswith("r.") for path in (sidecar(folder) / "rows").iterdir()):
            unsealed(other)
        for path in sidecar(other).rglob("*"):
            if path.is_file():
                copy = copied(folder, tmp_path / "copy")
                shutil.copy(path, copy / path.relative_to(other))
                unharmed(copy, before)
                shutil.rmtree(copy)

    def test_any_file_replaced_by_a_folder(self, whole, tmp_path):
        folder, before = whole
        for path in [path for path in sidecar(folder).rglob("*") if path.is_file()]:
            copy = copied(folder, tmp_path / "copy")
            harmed = copy / path.relative_to(folder)
            harmed.unlink()
            harmed.mkdir()
            unharmed(copy, before)
            shutil.rmtree(copy)


def numbers(table, columns):
    return np.concatenate([table[column].values.ravel() for column in columns])


def held(folder):
    """Return what a recording tells, by the question; what raises one of our errors is missing."""
    answers = {}

    def ask(key, act):
        with suppress(StoreError, NotRecordedError):
            answers[key] = act()

    try:
        run = open_run(folder)
    except (StoreError, NotRecordedError):
        return answers
    for step, epoch in zip(run.steps.tolist(), run.epochs.tolist(), strict=True):
        answers["epoch", step] = np.array(epoch)
        for name in run.sites:
            ask(("map", step, name), lambda: run.weights(name, step).values)  # noqa: B023
            ask(("allowed", step, name), lambda: run.site(name, step)["allowed"].values)  # noqa: B023
            ask(("valid", step, name), lambda: np.concatenate(run.valid(name, step), -1))  # noqa: B023
            ask(("small", step, name), lambda: run.overview(step, 0)[name][0])  # noqa: B023
            ask(("nan", step, name), lambda: np.array(run.overview(step, 0)[name][1] is None))  # noqa: B023
        ask(("measures", step), lambda: numbers(run.measures([step]), ENTROPIES))  # noqa: B023
        ask(("parameters", step), lambda: numbers(run.parameters(step=[step]), SUMS))  # noqa: B023
    return answers


def unharmed(folder, before):
    """Every number is the one that was recorded; where steps are missing, that is a problem."""
    after = held(folder)
    for key, value in after.items():
        np.testing.assert_array_equal(value, before[key], err_msg=str(key))
    steps = {key[1] for key in after}
    if steps < {key[1] for key in before}:
        with suppress(StoreError, NotRecordedError):
            assert open_run(folder).problems
