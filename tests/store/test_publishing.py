"""A step is there when it is whole, and never before."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from ondisk import lines
from recordings import parameters, record, site, two_sites

from limelight.errors import LimelightWarning, NotRecordedError, StoreError
from limelight.store import Writer, open_run
from limelight.store.format import guarded, index
from limelight.store.format.files import sidecar
from limelight.store.zarr import shards

HERE = Path(__file__).parent


@pytest.fixture
def reads(monkeypatch):
    """Paths and bytes of what is read of arrays, as it is read."""
    seen = []
    plain = guarded.reading

    @contextmanager
    def reading(path, within):
        with plain(path, within) as source:
            read = source.read

            def told(start, length):
                if "data.zarr" in path.parts:
                    seen.append(("/".join(path.parts[-2:]), length))
                return read(start, length)

            source.read = told
            yield source

    monkeypatch.setattr(guarded, "reading", reading)
    return seen


class TestLazy:
    def test_opening_reads_no_array_and_one_head_reads_one_part(self, tmp_path, reads):
        made = site(0, (4, 8, 64, 64))
        with Writer(tmp_path) as writer:
            record(writer, 0, {"a": made})
        weights = open_run(tmp_path).weights("a")
        head = weights.isel(example=3, head=5)
        assert reads == []
        np.testing.assert_allclose(head.values, made["weights"][3, 5], atol=2**-12)
        parts = [(key, size) for key, size in reads if not key.endswith("zarr.json")]
        assert {key for key, _ in parts} == {"weights_0/c.0.0.0.0.0.0"}
        index_size = 4 * 8 * 16 + 4
        assert [size for _, size in parts if size == index_size] == [index_size]
        assert len(parts) == 3  # whose row it is, the list of its parts, one of them
        assert sum(size for _, size in parts) < 64 * 64 * 2 + index_size

    def test_masks_that_stay_the_same_are_stored_once(self, run_dir):
        rows = [line["masks"] for line in lines(run_dir)]
        assert rows == [0, 0, 0]
        with Writer(run_dir) as writer:
            for step, padded in ((30, 1), (40, 1), (50, 2)):
                sites = {**two_sites(step)}
                sites["encoder/attention"] = site(step, (2, 3, 6, 6), padded=padded, causal=True)
                record(writer, step, sites)
        rows = [line["masks"] for line in lines(run_dir)]
        assert rows == [0, 0, 0, 3, 3, 0]
        valid = open_run(run_dir).site("encoder/attention", 40)["key_valid"]
        assert valid.sum("key").values.tolist() == [6, 5]


class TestVisibility:
    def test_a_step_whose_line_is_not_written_does_not_exist(self, run_dir, monkeypatch):
        def fail(*_):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as broken:
            broken.setattr(index, "append", fail)
            with pytest.raises(OSError, match="No space"):
                record(Writer(run_dir), 30, two_sites(30))
        assert open_run(run_dir).steps.tolist() == [0, 10, 20]
        with Writer(run_dir) as writer:
            record(writer, 40, two_sites(40))
        run = open_run(run_dir)
        assert run.steps.tolist() == [0, 10, 20, 40]
        wanted = two_sites(40)["pool"]["weights"]
        np.testing.assert_allclose(run.weights("pool", 40), wanted, atol=2**-12)

    def test_a_line_without_its_newline_is_not_there_yet(self, run_dir):
        path = sidecar(run_dir) / "index.jsonl"
        whole = path.read_bytes()
        path.write_bytes(whole + whole.splitlines()[-1].replace(b'"step": 20', b'"step": 30')[:-9])
        assert open_run(run_dir).steps.tolist() == [0, 10, 20]
        with Writer(run_dir) as writer:
            record(writer, 40, two_sites(40))
        run = open_run(run_dir)
        assert run.steps.tolist() == [0, 10, 20, 40]
        assert run.problems == ()

    def test_a_damaged_line_costs_its_own_step_only(self, run_dir):
        path = sidecar(run_dir) / "index.jsonl"
        whole = path.read_bytes().splitlines(keepends=True)
        for bad in (b"\xff\x00{}\n", b'{"step": "1"}\n', b"[" * 9000 + b"\n", b"{}\n"):
            path.write_bytes(whole[0] + bad + whole[2])
            run = open_run(run_dir)
            assert run.steps.tolist() == [0, 20]
            assert run.problems == ("Line 2 of the index is damaged; its step is left out.",)

    def test_of_a_step_recorded_again_the_last_counts(self, run_dir):
        with Writer(run_dir) as writer:
            for step, seed, epoch in ((30, 0, 3.0), (40, 1, 4.0), (30, 99, 9.0)):
                record(writer, step, two_sites(seed), parameters=parameters(seed), epoch=epoch)
        run = open_run(run_dir)
        assert run.steps.tolist() == [0, 10, 20, 30, 40]
        np.testing.assert_array_equal(run.epochs, [0, 1, 2, 9, 4])
        wanted = two_sites(99)["encoder/attention"]["weights"]
        np.testing.assert_allclose(
            run.stored("encoder/attention", 30)["weights"], wanted, atol=2**-12
        )

    def test_an_open_run_shows_new_steps_when_it_looks_again(self, run_dir):
        run = open_run(run_dir)
        before = run.weights("pool").values
        with Writer(run_dir) as writer:
            record(writer, 30, two_sites(30))
        assert run.steps.tolist() == [0, 10, 20]
        np.testing.assert_array_equal(run.weights("pool").values, before)
        assert run.refresh().steps.tolist() == [0, 10, 20, 30]
        assert (run.weights("pool").values != before).any()

    def test_two_writers_do_not_tear_each_other(self, tmp_path):
        first, second = Writer(tmp_path), Writer(tmp_path)
        for step in range(6):
            record((first, second)[step % 2], step, two_sites(step))
        run = open_run(tmp_path)
        for step in range(6):
            wanted = two_sites(step)["pool"]["weights"]
            np.testing.assert_allclose(run.weights("pool", step), wanted, atol=2**-12)

    def test_a_run_is_read_while_another_process_writes_it(self, tmp_path):
        writing = subprocess.Popen([sys.executable, HERE / "writing.py", tmp_path, "25"])
        seen, looks, deadline = 0, 0, time.monotonic() + 120
        try:
            while seen < 25 and time.monotonic() < deadline:
                done = writing.poll() is not None
                try:
                    run = open_run(tmp_path)
                except NotRecordedError:
                    continue
                assert run.steps.tolist() == list(range(run.steps.size))
                for step in run.steps[seen:].tolist():
                    weights = run.weights("a", step)
                    assert (weights.argmax("key") == step % 16).all()
                    assert float(weights.min()) == 0
                    assert (run.measures(step)["maximum"].sel(site="a") == 1).all()
                    numbers = run.parameters("w", step)
                    assert numbers["mean"].item() == step
                    assert numbers["count"].sum() == 5
                    looks += 1
                seen = run.steps.size
                if done:
                    break
        finally:
            writing.kill()
            writing.wait()
        assert seen == looks == 25

    def test_a_writer_killed_in_mid_step_leaves_whole_steps(self, tmp_path):
        done = subprocess.run([sys.executable, HERE / "writing.py", tmp_path, "25", "40"])
        assert done.returncode == 9
        steps = open_run(tmp_path).steps
        assert 0 < steps.size < 25
        with Writer(tmp_path) as writer:
            record(writer, 100, {"a": site(1, (2, 2, 16, 16))}, parameters=_one(100))
        run = open_run(tmp_path)
        assert run.steps.tolist() == [*steps, 100]
        for step in steps:
            assert (run.weights("a", step).argmax("key") == step % 16).all()
        assert run.parameters("w", 100)["mean"].item() == 100


def _one(value):
    from limelight.capture.parameters import summarise

    return summarise({"w": np.full(5, value, np.float32)})


class TestFullDisk:
    def fill(self, folder):
        """Record until the disk is full; return how many steps went well."""
        with Writer(folder) as writer:
            for step in range(200):
                try:
                    record(writer, step, {"a": site(step, (2, 4, 64, 64))})
                except OSError as error:
                    return step, error
        raise AssertionError("the disk never filled up")

    def check(self, folder, steps):
        run = open_run(folder)
        assert run.steps.tolist() == list(range(steps))
        assert steps > 1
        for step in range(steps):
            wanted = site(step, (2, 4, 64, 64))["weights"]
            np.testing.assert_allclose(run.weights("a", step), wanted, atol=2**-12)
        leftovers = [path.name for path in sidecar(folder).rglob("*.partial")]
        assert leftovers == []

    @pytest.fixture
    def small_disk(self, tmp_path):
        folder = tmp_path / "disk"
        folder.mkdir()
        mount = shutil.which("mount")
        command = [mount or "mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
        if mount is None or os.geteuid() or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("mounting a small disk needs root")
        yield folder
        subprocess.run([shutil.which("umount") or "umount", str(folder)], check=True)

    def test_what_was_recorded_stays_readable(self, small_disk):
        steps, error = self.fill(small_disk)
        assert error.errno == 28
        self.check(small_disk, steps)

    def test_a_limit_on_the_size_of_files_is_no_different(self, tmp_path):
        with Writer(tmp_path) as writer:
            for step in range(2):
                record(writer, step, {"a": site(step, (2, 4, 64, 64))})
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        try:
            with Writer(tmp_path) as writer, pytest.raises(OSError, match="too large"):
                record(writer, 2, {"a": site(2, (2, 4, 64, 64))})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        self.check(tmp_path, 2)


class TestSameFolderAgain:
    def test_the_same_structure_goes_on(self, run_dir):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Writer(run_dir) as writer:
                record(writer, 30, two_sites(30), parameters=parameters(30))
        assert open_run(run_dir).steps.tolist() == [0, 10, 20, 30]

    @pytest.mark.parametrize("text", ["", "{", '{"format": "limelight", "schema": 99}'])
    def test_what_cannot_be_understood_is_kept_too(self, run_dir, text):
        (sidecar(run_dir) / "limelight.json").write_text(text)
        with pytest.warns(LimelightWarning, match="moved"), Writer(run_dir) as writer:
            record(writer, 1, two_sites(1))
        aside = run_dir / "plugins" / "limelight.1"
        assert (aside / "limelight.json").read_text() == text
        assert len((aside / "index.jsonl").read_bytes().splitlines()) == 3


def test_a_failed_row_leaves_no_file(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(shards, "_shard", fail)
    with pytest.raises(OSError, match="Input/output"), Writer(tmp_path) as writer:
        record(writer, 0, two_sites())
    assert not list(sidecar(tmp_path).rglob("c.*"))


def test_an_unknown_form_is_refused(tmp_path):
    with pytest.raises(StoreError, match=r"Got precision='float8'. Wanted one of \('float16', "):
        Writer(tmp_path, precision="float8")


def test_the_description_can_be_read_by_people(run_dir):
    facts = json.loads((sidecar(run_dir) / "limelight.json").read_text("utf-8"))
    assert facts["format"] == "limelight"
    assert facts["schema"] == 4
    assert facts["layouts"][0]["precision"] == {"name": "float16", "max_error": 2**-12}
