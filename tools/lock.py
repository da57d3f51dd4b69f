"""Completes ``web/package-lock.json``: an entry for every system's packages, not only this one's.

npm leaves out optional packages that it could not look up, as behind a mirror that lacks those for
other systems, and elsewhere ``npm ci`` then refuses the whole lock file. Run after every change of
packages; ``--check`` only says what is missing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parent.parent / "web" / "package-lock.json"
_SYSTEMS = ("aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "sunos", "win32")
_PROCESSORS = ("arm", "arm64", "ia32", "loong64", "ppc64", "riscv64", "s390x", "x64")


def missing(lock: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the entries that the lock file lacks, by their place in it."""
    entries = {}
    for package in lock["packages"].values():
        for name, version in package.get("optionalDependencies", {}).items():
            path = f"node_modules/{name}"
            if path not in lock["packages"]:
                entries[path] = entry(name, version, dev=package.get("dev", False))
    return entries


def entry(name: str, version: str, *, dev: bool) -> dict[str, Any]:
    """Return what npm would have noted of a package that carries a program for one system."""
    words = name.replace("/", "-").split("-")
    noted: dict[str, Any] = {"version": version}
    noted["cpu"] = [word for word in words if word in _PROCESSORS]
    if dev:
        noted["dev"] = True
    noted["optional"] = True
    noted["os"] = [word for word in words if word in _SYSTEMS]
    if not noted["cpu"] or not noted["os"]:
        raise SystemExit(f"{name} does not say in its name which system it is for. Add it by hand.")
    if "linux" in noted["os"]:
        noted["libc"] = ["musl" if "musl" in words else "glibc"]
    return noted


def main(arguments: list[str]) -> int:
    """Write the completed lock file, or with ``--check`` return 1 if it is incomplete."""
    lock = json.loads(LOCK.read_text(encoding="utf-8"))
    lacking = missing(lock)
    if "--check" in arguments:
        print("\n".join(f"{LOCK.name} lacks {path}. Run: python tools/lock.py" for path in lacking))
        return int(bool(lacking))
    lock["packages"] = dict(sorted((lock["packages"] | lacking).items()))
    LOCK.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
