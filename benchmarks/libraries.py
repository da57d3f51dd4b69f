"""The JavaScript libraries BertViz's page asks a public server for, from the npm registry.

The page names exact addresses; the browser is given these files instead, so that it draws without
a network and always with the same versions.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from hatch_build import environment, system_node, wheel_node

#: Last part of the address, to the package, its version, and the file in it. jQuery 2.0.0, which
#: BertViz names, is not in the registry; 2.1.0 is the next one.
WANTED = {
    "require.min.js": ("requirejs", "2.3.6", "require.js"),
    "d3.min.js": ("d3", "5.7.0", "dist/d3.min.js"),
    "jquery.min.js": ("jquery", "2.1.0", "dist/jquery.min.js"),
}


def fetch(folder: Path) -> dict[str, Path]:
    """Return where each file lies, downloading them once."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name, (package, version, inner) in WANTED.items():
        path = folder / f"{package}-{version}.js"
        if not path.is_file():
            path.write_bytes(_from_registry(package, version, inner, folder))
        paths[name] = path
    return paths


def _from_registry(package: str, version: str, inner: str, folder: Path) -> bytes:
    node, npm = system_node() or wheel_node()
    command = [*npm, "pack", "--silent", f"{package}@{version}", "--pack-destination", "."]
    subprocess.run(
        command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=environment(node)
    )
    archive = folder / f"{package}-{version}.tgz"
    with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as opened:
        file = opened.extractfile(f"package/{inner}")
        if file is None:
            raise OSError(f"{package} {version} holds no {inner}.")
        content = file.read()
    archive.unlink()
    return content
