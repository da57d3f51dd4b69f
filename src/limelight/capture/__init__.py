"""Live model in, labelled arrays out.

Room: capture. Comes in: a model and a probe. Goes out: attention per site, parameters summed up.
One adapter per framework; no framework is imported before a model of its own comes in.

The room is also its main function: ``limelight.capture(model, inputs)`` is
:func:`limelight.capture.capture`.
"""

from __future__ import annotations

import inspect
import sys
from types import ModuleType

from limelight.capture.gating import attended as attended
from limelight.capture.gating import cut as cut
from limelight.capture.gating import gate as gate
from limelight.capture.gating import prune as prune
from limelight.capture.gating import sweep as sweep
from limelight.capture.once import capture as capture
from limelight.capture.parameters import parameters as parameters
from limelight.capture.probe import Probe as Probe
from limelight.capture.softmaxes import SoftmaxTable as SoftmaxTable
from limelight.capture.softmaxes import sites as sites
from limelight.capture.stacking import stack as stack

__all__ = [
    "Probe",
    "SoftmaxTable",
    "attended",
    "capture",
    "cut",
    "gate",
    "parameters",
    "prune",
    "sites",
    "stack",
    "sweep",
]


class _Room(ModuleType):
    """A module that can be called: the name ``limelight.capture`` is a room and a function."""

    __call__ = staticmethod(capture)
    __signature__ = inspect.signature(capture)  # a method's would lack its first parameter


sys.modules[__name__].__class__ = _Room
# What help() shows of a module: what this one does when it is called.
__doc__ = f"capture{_Room.__signature__}\n\n{inspect.getdoc(capture)}".replace("'", "")
