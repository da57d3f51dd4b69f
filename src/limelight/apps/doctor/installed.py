"""What is installed here, and whether it works.

Room: apps. Comes in: nothing. Goes out: findings, each with what to do about it. Finds what can be
proved through the catalogue, so it knows no framework.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib import import_module, metadata, resources
from typing import Final

from limelight import __version__, installation
from limelight.apps.doctor.finding import Finding
from limelight.catalogue import modules
from limelight.errors import UnavailableError

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


def environment() -> Iterator[Finding]:
    """Yield what was found of this Python, its packages, the plugin and the adapters.

    Yields
    ------
    Finding
    """
    yield Finding("Python", sys.version_info >= (3, 11), platform.python_version())
    yield Finding("limelight", True, __version__)
    for name in _needed():
        yield _package(name, (name,), f"Run: pip install -U {name}")
    for name, (packages, extra, purpose) in _OPTIONAL.items():
        fix = f"For {purpose}, run: {installation.command(extra)}"
        finding = _package(name, packages, fix)
        if finding.fact == "missing":
            finding = Finding(name, None, "not installed", fix, finding.floor)
        yield finding
    yield _plugin()
    yield _front_end()
    yield from _adapters()


def _needed() -> list[str]:
    """Name the packages that limelight's own metadata asks for, whatever the extras."""
    lines = metadata.requires("limelight") or []
    always = [line for line in lines if "extra ==" not in line]
    return sorted(match[0] for line in always if (match := re.match(r"[\w.-]+", line)))


def _package(name: str, packages: tuple[str, ...], fix: str) -> Finding:
    """Compare a package's version with the oldest that limelight says it takes."""
    version = next(filter(None, map(_version, packages)), "")
    floor = next(filter(None, map(_floor, packages)), "")
    if version and _numbers(version) >= _numbers(floor):
        return Finding(name, True, version, floor=floor)
    fact = f"{version}, older than {floor}" if version else "missing"
    return Finding(name, False, fact, fix, floor)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _floor(package: str) -> str:
    """Return the oldest version that limelight's own metadata names, if any."""
    for line in metadata.requires("limelight") or []:
        match = re.match(rf"{re.escape(package)}\s*(?:\[[^]]*])?\s*\(?>=\s*([\w.]+)", line)
        if match:
            return match[1]
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    """Read ``2.13.0+cpu`` as (2, 13, 0)."""
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0]))


def _plugin() -> Finding:
    what = "TensorBoard sees the plugin"
    points = metadata.entry_points(group="tensorboard_plugins", name="limelight")
    if not points:
        return Finding(
            what, False, "it is not registered", f"Install it again: {installation.command()}"
        )
    try:
        next(iter(points)).load()
    except Exception as error:  # noqa: BLE001  # whatever it is, it would stop TensorBoard too
        return Finding(what, False, f"{type(error).__name__}: {error}",
                       f"Install it again: {installation.command()}")  # fmt: skip
    return Finding(what, True, "yes")


def _front_end() -> Finding:
    built = (resources.files("limelight") / "web" / "index.js").is_file()
    fix = "" if built else f"Install it again, which builds the pages: {installation.command()}"
    return Finding("Pages of the tab", built, "built" if built else "missing", fix)


def _adapters() -> Iterator[Finding]:
    """Prove each framework in a process of its own, because they do not share one well."""
    names = [module.__name__ for module in modules("apps.doctor.smallest")]
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
        fact = f"no answer within {_PATIENCE:.0f} s"
    except (IndexError, ValueError, TypeError):
        words = done.stderr.strip().splitlines()
        fact = f"Python ended with {done.returncode}: {words[-1] if words else 'it said nothing'}"
    return Finding(what, False, fact, "Install the framework again.")


def prove(name: str) -> None:
    """Prove that capture works with one framework, and print what was found as JSON.

    Parameters
    ----------
    name : str
        Of the module with the proof.
    """
    try:
        finding = Finding("", True, import_module(name).prove())
    except UnavailableError as error:
        finding = Finding("", None, error.came, error.fix)
    except Exception as error:  # noqa: BLE001  # a broken framework breaks in its own ways
        fix = getattr(error, "fix", "Install the framework again.")
        finding = Finding("", False, f"{type(error).__name__}: {error}", fix)
    facts = asdict(finding)
    del facts["what"]
    sys.stdout.write("\n" + json.dumps(facts) + "\n")
