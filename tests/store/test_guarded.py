"""Files that are no files of ours: nothing hangs, nothing large is read, nothing leads out."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import struct
import sys
import tracemalloc
import warnings
import zipfile

import google_crc32c
import numpy as np
import pytest
from numcodecs import zstd
from ondisk import bundle, copied, described, edit, lines, unsealed
from recordings import parameters, record, site
from test_damage import held, unharmed

from limelight.errors import LimelightWarning, StoreError
from limelight.store import Writer, open_run
from limelight.store.format.checked import signed
from limelight.store.format.files import sidecar
from limelight.store.read.recorded import Recorded
from limelight.store.zarr import bundles

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="other kinds of files")

FILES = [
    "limelight.json",
    "index.jsonl",
    "data.zarr/weights_0/zarr.json",
    "data.zarr/weights_0/c.1.",
    "rows/r.1.zip",
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A small recording whose rows are not sealed yet, and what it holds."""
    folder = tmp_path_factory.mktemp("logs") / "run"
    with Writer(folder) as writer:
        for step in range(3):
            record(writer, step, {"a": site(step, (1, 2, 4, 4))}, parameters=parameters(step))
    unsealed(folder)
    return folder, held(folder)


@pytest.fixture
def copy(whole, tmp_path):
    return copied(whole[0], tmp_path / "logs" / "run")


@pytest.fixture(autouse=True)
def patience():
    """End a test that hangs, and one that takes memory."""

    def end(*_):
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(120)
    tracemalloc.start()
    yield
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    assert most < 64 << 20, f"{most >> 20} MiB were taken"


def file_of(run_dir, name):
    path = sidecar(run_dir) / name
    return path if path.exists() else next(path.parent.glob(path.name + "*"))


def a_pipe(path):
    os.mkfifo(path)


def endless(path):
    path.symlink_to("/dev/zero")


def sparse(path):
    with path.open("wb") as file:
        file.truncate(6 << 30)


def a_loop(path):
    path.symlink_to(path)


def a_folder(path):
    path.mkdir()


def nothing(path):
    path.symlink_to(path.with_name("gone"))


KINDS = [a_pipe, endless, sparse, a_loop, a_folder, nothing]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("make", KINDS)
def test_what_is_no_file_is_an_error_and_the_rest_is_there(whole, copy, name, make):
    path = file_of(copy, name)
    path.unlink()
    make(path)
    unharmed(copy, whole[1])


@pytest.mark.parametrize("name", FILES)
def test_a_link_that_leads_out_is_not_followed(whole, copy, tmp_path, name):
    path = file_of(copy, name)
    outside = tmp_path / "outside"
    shutil.move(path, outside)
    path.symlink_to(outside)
    after = held(copy)
    assert len(after) < len(whole[1])
    unharmed(copy, whole[1])


@pytest.mark.parametrize("name", ["rows", "data.zarr", "data.zarr/weights_0"])
def test_a_folder_that_leads_out_is_not_followed(whole, copy, tmp_path, name):
    path = sidecar(copy) / name
    shutil.move(path, tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")
    after = held(copy)
    assert not any(key[0] == ("parameters" if name == "rows" else "map") for key in after)
    unharmed(copy, whole[1])


def test_a_link_within_the_run_is_followed(whole, copy):
    path = file_of(copy, "data.zarr/weights_0/c.1.")
    path.rename(copy / "moved")
    path.symlink_to(copy / "moved")
    assert held(copy).keys() == whole[1].keys()


def test_a_run_that_was_put_elsewhere_by_a_link_opens(whole, copy, tmp_path):
    shutil.move(copy, tmp_path / "elsewhere")
    copy.symlink_to(tmp_path / "elsewhere")
    assert held(copy).keys() == whole[1].keys()
    shutil.move(sidecar(copy), tmp_path / "disk")
    sidecar(copy).symlink_to(tmp_path / "disk")
    assert held(copy).keys() == whole[1].keys()


def test_of_served_folders_only_what_really_lies_in_them_opens(copy, tmp_path):
    assert Recorded(copy, within=[str(tmp_path / "logs")]).steps.size == 3
    with pytest.raises(StoreError, match="leads out"):
        Recorded(copy, within=[str(tmp_path / "logs" / "ru")])


def test_a_folder_that_is_moved_while_open_stays_readable(copy, tmp_path):
    run = open_run(copy)
    run.weights("a", 0).load()
    copy.rename(copy.with_name("moved"))
    copy.symlink_to(copy.with_name("moved"))
    assert np.isfinite(run.weights("a", 1).values).all()


class TestBombs:
    """Little that claims to be much: what a file says is compared before it is believed."""

    @pytest.mark.parametrize("row", ["a file", "a member"])
    def test_a_frame_that_unpacks_to_gigabytes(self, whole, copy, row):
        bomb = zstd.compress(np.zeros(200 << 20, np.uint8), 1)
        tracemalloc.reset_peak()
        assert len(bomb) < 1 << 20
        if row == "a file":
            path = file_of(copy, "data.zarr/weights_0/c.1.")
            index = np.array([[16, len(bomb)]] * 2, "<u8").tobytes()
            sum_ = struct.pack("<I", google_crc32c.value(index))
            path.write_bytes(path.read_bytes()[:16] + bomb + index + sum_)
        else:
            path = bundle(copy, 1)
            with zipfile.ZipFile(path) as packed:
                members = {name: packed.read(name) for name in packed.namelist()}
            name = next(name for name in members if name.startswith("measures"))
            members[name] = bomb
            path.write_bytes(bundles.packed(members.items(), described(copy)["run"]))
        unharmed(copy, whole[1])

    def test_a_bundle_whose_list_is_as_long_as_a_disk(self, whole, copy):
        path = bundle(copy, 1)
        with path.open("wb") as file:
            file.truncate(2_000_000_000)
            file.seek(0, io.SEEK_END)
            file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 2_000_000_000, 0, 0))
        unharmed(copy, whole[1])

    def test_a_member_that_claims_gigabytes(self, whole, copy):
        path = bundle(copy, 1)
        data = bytearray(path.read_bytes())
        at = data.index(b"PK\1\2")
        data[at + 20 : at + 28] = struct.pack("<II", 1 << 31, 1 << 31)
        path.write_bytes(data)
        unharmed(copy, whole[1])

    @pytest.mark.parametrize(
        "text",
        [
            '{"a":' * 100_000,
            "[" * (1 << 22),
            '{"format": ' + "9" * 5000,
            "[{}," + "{}," * (1 << 21),
        ],
    )
    def test_a_description_of_nothing_but_depth(self, copy, text):
        (sidecar(copy) / "limelight.json").write_text(text)
        with pytest.raises(StoreError, match="does not describe a recording"):
            open_run(copy)

    def test_an_index_of_nothing_but_lines(self, copy):
        path = sidecar(copy) / "index.jsonl"
        path.write_bytes(path.read_bytes() + b"\n" * (8 << 20))
        run = open_run(copy)
        assert run.steps.size == 3
        assert len(run.problems) < 40


class TestLines:
    """Whatever a line of the index says, others are read."""

    @pytest.mark.parametrize(
        "change",
        [{"step": 2**63}, {"step": -(10**30)}, {"step": 10**400}, {"step": True}, {"row": 2**63},
         {"time": 10**400}, {"time": "x" * 400}, {"time": None}, {"epoch": [1]}, {"masks": {}},
         {"layout": 10**9}, {"tables": 7}, {"by_head": None}, {"step": 1.5}],
    )  # fmt: skip
    def test_a_line_that_cannot_be(self, copy, change):
        path = sidecar(copy) / "index.jsonl"
        mark = described(copy)["run"]
        facts = {name: value for name, value in lines(copy)[1].items() if name != "crc"}
        bad = signed(json.dumps({**facts, **change}), mark)
        good = path.read_bytes().splitlines()
        path.write_bytes(b"\n".join([good[0], bad, good[2], b""]))
        run = open_run(copy)
        assert run.steps.tolist() == [0, 2]
        assert run.problems
        assert held(copy)


@pytest.mark.parametrize("name", ["limelight.json", "index.jsonl"])
@pytest.mark.parametrize("make", [a_pipe, endless, sparse, a_loop, a_folder])
def test_recording_into_it_neither_hangs_nor_reads_it(copy, name, make):
    path = file_of(copy, name)
    path.unlink()
    make(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimelightWarning)
        if name == "index.jsonl":  # as with a full disk: the recorder warns and goes on
            with pytest.raises(OSError, match=r"file|loop|links|directory|File"):
                record(Writer(copy), 9, {"a": site(0, (1, 2, 4, 4))})
        else:
            record(Writer(copy), 9, {"a": site(0, (1, 2, 4, 4))})
            assert open_run(copy).steps.tolist() == [9]


def test_sites_with_half_an_emoji_in_their_names_are_sites(copy):
    edit(sidecar(copy) / "limelight.json", sites__0__0__module="a\ud83d")
    assert open_run(copy).sites["a"].module == "a\ud83d"
