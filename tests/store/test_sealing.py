"""What is small of many steps shares a file, at whatever moment a writer ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ondisk import bundle, lines, unsealed
from recordings import parameters, record, two_sites

from limelight.store import Writer, open_run
from limelight.store.format.files import sidecar
from limelight.store.write import mending, sealing
from limelight.store.zarr import bundles


def means(run):
    return run.parameters("dense/kernel")["mean"].values.ravel()


def wanted(count):
    return [parameters(step)["mean"].values[0] for step in range(count)]


@pytest.fixture
def few(monkeypatch):
    """Five rows are many."""
    monkeypatch.setattr(sealing, "MANY", 5)
    monkeypatch.setattr("limelight.store.write.writer.MANY", 5)
    monkeypatch.setattr(Writer._seal, "__defaults__", (5,))
    monkeypatch.setattr(sealing.seal, "__defaults__", (5,))


def names(folder):
    return sorted(path.name for path in (sidecar(folder) / "rows").iterdir())


class TestFiles:
    def test_a_long_run_has_few(self, tmp_path):
        numbers = parameters()
        with Writer(tmp_path) as writer:
            for step in range(520):
                writer.append(step, parameters=numbers)
                if step == 299:
                    live = len(names(tmp_path))
        assert live == 1 + 44
        assert names(tmp_path) == ["s.0-255.256.zip", "s.256-511.256.zip", "s.512-519.8.zip"]
        assert open_run(tmp_path).parameters("dense/kernel")["mean"].notnull().all()

    @pytest.mark.usefixtures("few")
    def test_many_short_recorders_leave_few_too(self, tmp_path):
        for first in range(0, 12, 2):
            with Writer(tmp_path) as writer:
                for step in (first, first + 1):
                    record(writer, step, two_sites(step), parameters=parameters(step))
        assert len(names(tmp_path)) <= 4
        run = open_run(tmp_path)
        np.testing.assert_array_equal(means(run), wanted(12))
        for step in range(12):
            weights = two_sites(step)["pool"]["weights"]
            np.testing.assert_allclose(run.weights("pool", step), weights, atol=2**-12)

    def test_any_tool_reads_them(self, run_dir):
        (path,) = (sidecar(run_dir) / "rows").iterdir()
        with zipfile.ZipFile(path) as packed:
            assert packed.testzip() is None
            assert {"index/0.json", "index/10.json"} & set(packed.namelist()) == {"index/0.json"}
            assert packed.read("index/2.json") == (sidecar(run_dir) / "index.jsonl").read_bytes(
            ).splitlines(keepends=True)[2]  # fmt: skip


KILLED = """
    import os, sys
    from recordings import parameters, record, two_sites
    from limelight.store import Writer
    from limelight.store.write import sealing
    after = int(sys.argv[2])
    calls = [0]

    def dying(plain):
        def act(*args, **more):
            done = plain(*args, **more)
            calls[0] += 1
            if calls[0] == after:
                os._exit(9)
            return done
        return act

    writer = Writer(sys.argv[1])
    for step in range(6):
        record(writer, step, two_sites(step), parameters=parameters(step))
    from pathlib import Path
    Path.replace, Path.unlink = dying(Path.replace), dying(Path.unlink)
    os.fsync = sealing.os.fsync = dying(os.fsync)
    writer.close()
"""


@pytest.mark.parametrize("after", [1, 2, 3, 4, 7, 99])
def test_a_writer_killed_while_it_seals_loses_nothing(tmp_path, after):
    program = textwrap.dedent(KILLED)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])}
    folder = tmp_path / "run"
    done = subprocess.run([sys.executable, "-c", program, folder, str(after)], env=env)
    assert done.returncode == (0 if after == 99 else 9)
    run = open_run(folder)
    assert run.problems == ()
    np.testing.assert_array_equal(means(run), wanted(6))
    with Writer(folder) as writer:
        record(writer, 6, two_sites(6), parameters=parameters(6))
    left = [name for name in names(folder) if not name.endswith(".partial")]
    assert left == ["s.0-6.7.zip"]
    np.testing.assert_array_equal(means(open_run(folder)), wanted(7))


def test_a_reader_goes_on_while_rows_are_sealed(tmp_path):
    writer = Writer(tmp_path)
    for step in range(4):
        record(writer, step, two_sites(step), parameters=parameters(step))
    run = open_run(tmp_path)
    np.testing.assert_array_equal(means(run)[:2], wanted(2))
    writer.close()
    np.testing.assert_array_equal(means(run), wanted(4))


class TestLostIndex:
    @pytest.fixture
    def run_dir(self, tmp_path):
        with Writer(tmp_path / "run") as writer:
            for step in range(5):
                record(writer, step, two_sites(step), parameters=parameters(step))
        return tmp_path / "run"

    @pytest.mark.parametrize("sealed", [True, False])
    @pytest.mark.parametrize("harm", ["deleted", "emptied", "last", "middle", "byte", "newline"])
    def test_it_is_a_problem_that_can_be_mended(self, run_dir, harm, sealed):
        if not sealed:
            unsealed(run_dir)
        path = sidecar(run_dir) / "index.jsonl"
        whole = path.read_bytes()
        every = whole.splitlines(keepends=True)
        if harm == "deleted":
            path.unlink()
        else:
            path.write_bytes({
                "emptied": b"", "last": b"".join(every[:4]),
                "middle": b"".join(every[:1] + every[2:]),
                "byte": whole.replace(b'"step": 2', b'"step": 7'), "newline": whole[:-1],
            }[harm])  # fmt: skip
        run = open_run(run_dir)
        assert run.problems
        assert 7 not in run.steps
        assert mending.mend(run_dir)
        assert path.read_bytes() == whole
        run = open_run(run_dir)
        assert run.problems == ()
        np.testing.assert_array_equal(means(run), wanted(5))
        assert mending.mend(run_dir) == []

    @pytest.mark.parametrize("harm", ["deleted", "last"])
    def test_the_next_recorder_overwrites_nothing(self, run_dir, harm):
        path = sidecar(run_dir) / "index.jsonl"
        every = path.read_bytes().splitlines(keepends=True)
        path.unlink() if harm == "deleted" else path.write_bytes(b"".join(every[:4]))
        with Writer(run_dir) as writer:
            record(writer, 5, two_sites(5), parameters=parameters(5))
        run = open_run(run_dir)
        assert run.problems == ()
        assert run.steps.tolist() == list(range(6))
        np.testing.assert_array_equal(means(run), wanted(6))
        assert [line["row"] for line in lines(run_dir)] == list(range(6))

    def test_half_of_a_row_that_a_killed_writer_left_is_no_problem(self, run_dir):
        torn = sidecar(run_dir) / "rows" / "r.5.zip"
        torn.write_bytes(bundle(run_dir, 4).read_bytes()[:100])
        assert open_run(run_dir).problems == ()
        with Writer(run_dir) as writer:
            record(writer, 5, two_sites(5), parameters=parameters(5))
        assert not torn.exists()
        np.testing.assert_array_equal(means(open_run(run_dir)), wanted(6))

    def test_a_row_of_another_run_is_none(self, run_dir, tmp_path):
        with Writer(tmp_path / "other") as writer:
            for step in range(5):
                record(writer, step, two_sites(9), parameters=parameters(9))
        theirs, mine = bundle(unsealed(tmp_path / "other"), 2), bundle(unsealed(run_dir), 2)
        shutil.copy(theirs, mine)
        run = open_run(run_dir)
        with pytest.raises(Exception, match=r"of step 2 cannot be read .*another run"):
            run.measures()
        assert run.measures([0, 1, 3])["entropy"].notnull().any()


def test_a_large_row_is_a_file_and_a_small_one_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr("limelight.store.zarr.shards._SMALL", 100)
    with Writer(tmp_path) as writer:
        record(writer, 0, two_sites(0))
        record(writer, 1, two_sites(1))
    assert list((sidecar(tmp_path) / "data.zarr").glob("overview_*/c.*"))
    run = open_run(tmp_path)
    cells, _ = run.overview(1, 0)["pool"]
    np.testing.assert_array_equal(
        cells[0, 0], np.rint(255 * np.sqrt(two_sites(1)["pool"]["weights"].values[0, 0, 0]))
    )
    assert bundles.listed(bundles.Files.of(tmp_path))[0].count == 2
