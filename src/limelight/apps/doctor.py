"""Says what works in this environment, and what is wrong with a recording.

Room: apps. Comes in: nothing, or a log directory. Goes out: findings, each with what to do about
it. Finds what can be proved through the catalogue, so it knows no framework.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path

from limelight import __version__, catalogue
from limelight.apps.listing import run_folders
from limelight.errors import LimelightError, NotRecordedError, UnavailableError
from limelight.store import Run, open_run
from limelight.store.layout import sidecar

#: A half-written file that is this old, in seconds, belongs to a writer that is gone.
_ABANDONED = 60.0

_NEEDED = ("numpy", "xarray", "zarr", "safetensors", "tensorboard")
_OPTIONAL = {"keras": ("keras",), "tensorflow": ("tensorflow", "tensorflow-cpu")}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    what : str
    ok : bool or None
        None: it is not there, and need not be.
    found : str
    fix : str
        What to do; empty where nothing needs doing.
    """

    what: str
    ok: bool | None
    found: str
    fix: str = ""


def environment() -> Iterator[Finding]:
    """Yield what was found of this Python, its packages, the plugin and the adapters.

    Yields
    ------
    Finding
    """
    yield Finding("Python", sys.version_info >= (3, 11), platform.python_version())
    yield Finding("limelight", True, __version__)
    for name in _NEEDED:
        found = _version(name)
        fix = "" if found else f"Run: pip install {name}"
        yield Finding(name, bool(found), found or "missing", fix)
    for name, packages in _OPTIONAL.items():
        found = next(filter(None, map(_version, packages)), "")
        fix = "" if found else 'To train with Keras, run: pip install "limelight[tensorflow]"'
        yield Finding(name, True if found else None, found or "not installed", fix)
    yield _plugin()
    yield _front_end()
    yield from _adapters()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _plugin() -> Finding:
    what = "TensorBoard sees the plugin"
    points = metadata.entry_points(group="tensorboard_plugins", name="limelight")
    if not points:
        return Finding(what, False, "it is not registered", "Install limelight with pip again.")
    try:
        next(iter(points)).load()
    except Exception as error:  # noqa: BLE001  # whatever it is, it would stop TensorBoard too
        return Finding(what, False, f"{type(error).__name__}: {error}",
                       "Install limelight with pip again.")  # fmt: skip
    return Finding(what, True, "yes")


def _front_end() -> Finding:
    built = (resources.files("limelight") / "web" / "index.js").is_file()
    fix = "" if built else "Install limelight with pip again; it builds the pages."
    return Finding("Pages of the tab", built, "built" if built else "missing", fix)


def _adapters() -> Iterator[Finding]:
    for module in catalogue.modules("cases"):
        prove = getattr(module, "prove", None)
        if prove is None:
            continue
        what = f"Attention can be captured ({module.FRAMEWORK})"
        try:
            yield Finding(what, True, prove())
        except UnavailableError as error:
            yield Finding(what, None, error.came, error.fix)
        except Exception as error:  # noqa: BLE001  # a broken framework breaks in its own ways
            fix = getattr(error, "fix", "Install the framework again.")
            yield Finding(what, False, f"{type(error).__name__}: {error}", fix)


def recordings(logdir: Path) -> Iterator[Finding]:
    """Yield what was found of each recording in a log directory; reads all of it.

    Parameters
    ----------
    logdir : Path

    Yields
    ------
    Finding

    Raises
    ------
    NotRecordedError
        If there is no such folder.
    """
    empty = True
    for name, folder in run_folders(logdir):
        empty = False
        bad = [*_damage(name, folder), *_leftovers(name, folder)]
        yield from bad
        if not bad:
            run = open_run(folder)
            found = f"{run.steps.size} recorded steps, all readable"
            yield Finding(f"Run {name}", True, found)
    if empty:
        yield Finding(f"Runs in {logdir}", None, "none recorded by limelight",
                      "Record one: limelight demo.")  # fmt: skip


def _damage(name: str, folder: Path) -> Iterator[Finding]:
    what = f"Run {name}"
    try:
        run = open_run(folder)
    except LimelightError as error:
        yield Finding(what, False, f"{error.came} {error.wanted}", error.fix)
        return
    for problem in run.problems:
        yield Finding(what, False, problem, "The other steps are readable; nothing needs doing.")
    for step in run.steps.tolist():
        try:
            _read_all(run, step)
        except LimelightError as error:
            yield Finding(f"{what}, step {step}", False, f"{error.came} {error.wanted}", error.fix)


def _read_all(run: Run, step: int) -> None:
    """Read everything of one step; what is damaged raises."""
    # A step may lack attention, which is no damage: the model refused the probe, say.
    with suppress(NotRecordedError):
        for name in run.sites:
            run.site(name, step).load()
        for example in range(len(run.examples)):
            run.overview(step, example)
            run.image(example)
    run.measures([step])
    run.parameters(step=[step])


def _leftovers(name: str, folder: Path) -> Iterator[Finding]:
    now = time.time()
    for path in sorted(sidecar(folder).rglob("*.partial")):
        try:
            age = now - path.stat().st_mtime
        except OSError:  # renamed meanwhile: it was being written, as it should be
            continue
        if age > _ABANDONED:
            yield Finding(f"Run {name}", False, f"{path} is half of a file whose writer is gone.",
                          f"Delete it: rm '{path}'")  # fmt: skip
