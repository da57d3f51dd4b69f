"""Says what works in this environment, and what is wrong with a recording.

Room: apps. Comes in: nothing, or a log directory. Goes out: findings, each with what to do about
it. Finds what can be proved through the catalogue, so it knows no framework.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module, metadata, resources
from pathlib import Path
from typing import Final

from limelight import __version__, catalogue
from limelight.apps.listing import run_folders
from limelight.errors import LimelightError, NotRecordedError, UnavailableError
from limelight.store import Run, open_run
from limelight.store.format.layout import sidecar

#: A half-written file that is this old, in seconds, belongs to a writer that is gone.
_ABANDONED = 60.0

_NEEDED: Final = ("numpy", "xarray", "zarr", "safetensors", "tensorboard")

#: What is there or not: names of its packages, the extra that brings it, and what it is for.
_OPTIONAL: Final = {
    "keras": (("keras",), "tensorflow", "Keras models"),
    "tensorflow": (("tensorflow", "tensorflow-cpu"), "tensorflow", "Keras models on TensorFlow"),
    "jax": (("jax",), "jax", "Keras models on JAX"),
    "torch": (("torch",), "torch", "PyTorch models"),
    "transformers": (("transformers",), "transformers", "Hugging Face models"),
    "lightning": (("lightning", "pytorch-lightning"), "lightning", "Lightning's Trainer"),
    "numba": (("numba",), "fast", "quick measures of long sequences"),
}

#: Nothing that is proved takes so many seconds, unless it hangs.
_PATIENCE: Final = 180.0


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
    floor : str
        The oldest version that will do, of a package.
    """

    what: str
    ok: bool | None
    found: str
    fix: str = ""
    floor: str = ""


def environment() -> Iterator[Finding]:
    """Yield what was found of this Python, its packages, the plugin and the adapters.

    Yields
    ------
    Finding
    """
    yield Finding("Python", sys.version_info >= (3, 11), platform.python_version())
    yield Finding("limelight", True, __version__)
    for name in _NEEDED:
        yield _package(name, (name,), f"Run: pip install -U {name}")
    for name, (packages, extra, purpose) in _OPTIONAL.items():
        fix = f'For {purpose}, run: pip install -U "limelight[{extra}]"'
        found = _package(name, packages, fix)
        yield (
            found
            if found.found != "missing"
            else Finding(name, None, "not installed", fix, found.floor)
        )
    yield _plugin()
    yield _front_end()
    yield from _adapters()


def _package(name: str, packages: tuple[str, ...], fix: str) -> Finding:
    """Compare a package's version with the oldest that limelight says it takes."""
    found = next(filter(None, map(_version, packages)), "")
    floor = next(filter(None, map(_floor, packages)), "")
    if found and _numbers(found) >= _numbers(floor):
        return Finding(name, True, found, floor=floor)
    return Finding(name, False, f"{found}, older than {floor}" if found else "missing", fix, floor)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _floor(package: str) -> str:
    """Return the oldest version that limelight's own metadata names, if any."""
    for line in metadata.requires("limelight") or []:
        found = re.match(rf"{re.escape(package)}\s*(?:\[[^]]*])?\s*\(?>=\s*([\w.]+)", line)
        if found:
            return found[1]
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    """Read ``2.13.0+cpu`` as (2, 13, 0)."""
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0]))


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
    """Prove each framework in a process of its own, because they do not share one well."""
    names = [module.__name__ for module in catalogue.modules("apps.doctor.smallest")]
    with ThreadPoolExecutor(2) as pool:
        yield from pool.map(_proved_apart, names)


def _proved_apart(name: str) -> Finding:
    program = f"from limelight.apps import doctor; doctor.prove({name!r})"
    what = f"Attention can be captured ({import_module(name).FRAMEWORK})"
    try:
        done = subprocess.run(  # noqa: S603  # our own program
            [sys.executable, "-c", program], capture_output=True, text=True, check=False,
            timeout=_PATIENCE, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Finding(what, **json.loads(done.stdout.splitlines()[-1]))
    except subprocess.TimeoutExpired:
        found = f"no answer within {_PATIENCE:.0f} s"
    except (IndexError, ValueError, TypeError):
        said = done.stderr.strip().splitlines()
        found = f"Python ended with {done.returncode}: {said[-1] if said else 'it said nothing'}"
    return Finding(what, False, found, "Install the framework again.")


def prove(name: str) -> None:
    """Prove that capture works with one framework, and print what was found as JSON.

    Parameters
    ----------
    name : str
        Of the module with the proof.
    """
    try:
        found = Finding("", True, import_module(name).prove())
    except UnavailableError as error:
        found = Finding("", None, error.came, error.fix)
    except Exception as error:  # noqa: BLE001  # a broken framework breaks in its own ways
        fix = getattr(error, "fix", "Install the framework again.")
        found = Finding("", False, f"{type(error).__name__}: {error}", fix)
    facts = asdict(found)
    del facts["what"]
    sys.stdout.write("\n" + json.dumps(facts) + "\n")


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
