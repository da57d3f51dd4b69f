"""What the figures were measured on, in terms that are nobody's secret."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = (
    "numpy", "keras", "tensorflow-cpu", "tensorflow", "tensorboard", "zarr", "xarray", "attnview",
    "bertviz", "circuitsvis", "torch", "transformers", "numba", "playwright",
)  # fmt: skip


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe() -> dict[str, str]:
    """Return cores, memory, system, Python and the versions of packages."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    facts = {
        "cores": str(cores()),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} on {platform.machine()}, without a GPU in use",
        "Python": platform.python_version(),
    }
    for name in _PACKAGES:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            continue
    return facts


def load() -> float:
    """Return how many processes wanted a core in the last minute, as a share of the cores."""
    return os.getloadavg()[0] / cores()
