"""limelight: the attention and weight observatory for TensorBoard.

``import limelight as ll`` is light: what a name needs is loaded when the name is first used, and
no framework is loaded before a model of its own comes in.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from limelight import errors as errors
from limelight import renamed

if TYPE_CHECKING:
    from limelight.analyses.distance import distance as distance
    from limelight.analyses.entropy import entropy as entropy
    from limelight.analyses.first_key_share import first_key_share as first_key_share
    from limelight.analyses.maximum import maximum as maximum
    from limelight.apps.keras import KerasCallback as KerasCallback
    from limelight.apps.lightning import LightningCallback as LightningCallback
    from limelight.apps.transformers import TrainerCallback as TrainerCallback
    from limelight.capture import Probe as Probe
    from limelight.capture import capture as capture
    from limelight.capture import gate as gate
    from limelight.capture import stack as stack
    from limelight.record import Recorder as Recorder
    from limelight.store import open_run as open_run

__version__ = "0.1.0"

# Name to the module that holds it. ``capture`` is the module itself, which can be called.
_HOMES = {
    "KerasCallback": "limelight.apps.keras",
    "LightningCallback": "limelight.apps.lightning",
    "Probe": "limelight.capture",
    "Recorder": "limelight.record",
    "TrainerCallback": "limelight.apps.transformers",
    "capture": "limelight.capture",
    "distance": "limelight.analyses.distance",
    "entropy": "limelight.analyses.entropy",
    "first_key_share": "limelight.analyses.first_key_share",
    "gate": "limelight.capture",
    "maximum": "limelight.analyses.maximum",
    "open_run": "limelight.store",
    "stack": "limelight.capture",
}

# Names of the release before; they go with the next one.
_RENAMED = {"sink": "first_key_share"}

__all__ = [
    "KerasCallback",
    "LightningCallback",
    "Probe",
    "Recorder",
    "TrainerCallback",
    "capture",
    "distance",
    "entropy",
    "errors",
    "first_key_share",
    "gate",
    "maximum",
    "open_run",
    "stack",
]


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        renamed.warn(f"limelight.{name}", f"limelight.{_RENAMED[name]}")
        return __getattr__(_RENAMED[name])
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'limelight' has no attribute {name!r}")
    module = importlib.import_module(home)
    value = module if name == "capture" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
