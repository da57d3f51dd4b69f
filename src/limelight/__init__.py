"""limelight: the attention and weight observatory for TensorBoard.

``import limelight as ll`` is light: what a name needs is loaded when the name is first used, and
no framework is loaded before a model of its own comes in. Measures and studies are there under the
names of their files, such as ``ll.entropy`` and ``ll.ablation``; those of other packages are in
``ll.catalogue()``. Nothing of limelight is imported here: TensorBoard loads this file to find the
tab, which says so where another is missing or broken.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_ERRORS = (
    "CatalogueError",
    "DimensionError",
    "GateError",
    "LimelightError",
    "LimelightWarning",
    "NoAttentionError",
    "NotRecordedError",
    "ProbeError",
    "QueryError",
    "StoreError",
    "StudyError",
    "UnavailableError",
    "UnbuiltModelError",
    "UnequalSitesError",
    "UnsupportedModelError",
)

# Name to the module that holds it.
_HOMES = {
    **dict.fromkeys(_ERRORS, "limelight.errors"),
    "AttentionPooling": "limelight.layers",
    "KerasCallback": "limelight.apps.keras",
    "LightningCallback": "limelight.apps.lightning",
    "Probe": "limelight.capture",
    "Recipe": "limelight.studying.recipe",
    "Recorder": "limelight.record",
    "Run": "limelight.store",
    "TrainerCallback": "limelight.apps.transformers",
    "attended": "limelight.capture",
    "capture": "limelight.capture",
    "catalogue": "limelight.catalogue",
    "cut": "limelight.capture",
    "errors": "limelight.errors",
    "gate": "limelight.capture",
    "open_run": "limelight.store",
    "prune": "limelight.capture",
    "sites": "limelight.capture",
    "stack": "limelight.capture",
}

# Modules that can be called, and the function that is then called.
_CALLED = {"capture": "capture", "catalogue": "everything"}

# Public names that are modules.
_MODULES = {*_CALLED, "errors"}

# Names of the release before; they go with the next one.
_RENAMED = {"sink": "first_key_share"}


def _homes() -> dict[str, str]:
    """Return every public name, and the module that holds it."""
    # Not by `from limelight import`, which would ask for the name here.
    rooms = importlib.import_module("limelight.rooms")
    names: dict[str, str] = dict(_HOMES)
    for room in ("analyses", "studies"):
        names |= rooms.homes(room, beside=names)
    return names


def __getattr__(name: str) -> Any:
    if name == "__all__":  # type checkers read it in the stub beside this file
        return sorted(_homes())
    if name in _RENAMED:
        renamed = importlib.import_module("limelight.renamed")
        renamed.warn(f"limelight.{name}", f"limelight.{_RENAMED[name]}")
        return __getattr__(_RENAMED[name])
    home = _HOMES.get(name) or (None if name.startswith("_") else _homes().get(name))
    if home is None:
        raise AttributeError(
            f"module 'limelight' has no attribute {name!r}. "
            f"A measure or study of another package is limelight.catalogue()[{name!r}]."
        )
    module = importlib.import_module(home)
    value = module if name in _MODULES else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__getattr__("__all__"), *(name for name in globals() if name[:2] == "__")})
