"""How much memory an act takes at most, of this process. Needs Linux, which keeps the mark."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def reset() -> int:
    """Forget the highest mark so far and return the bytes of memory held now."""
    _CLEAR.write_text("5")
    return _read("VmRSS")


def peak() -> int:
    """Return the most bytes of memory held since :func:`reset`."""
    return _read("VmHWM")


def peak_above(act: Callable[[], object]) -> int:
    """Do something and return by how many bytes memory rose above its start, at most."""
    before = reset()
    act()
    return max(0, peak() - before)


def apart(module: str, name: str, tiny: bool) -> Any:
    """Run a module of benchmarks in a process of its own, and return what it prints last, as JSON.

    It gets a name and, if so, ``tiny``, and is expected to measure what goes by that name.
    """
    command = [sys.executable, "-m", module, name, *(["tiny"] if tiny else [])]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def _read(name: str) -> int:
    match = re.search(rf"^{name}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    if match is None:
        raise OSError(f"This system does not say {name} of a process.")
    return int(match[1]) * 1024
