"""Whether passes over values are compiled: where Numba is installed, and there is much to do.

Room: lowest. Comes in: how much there is to do. Goes out: a module of compiled passes, or None.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from typing import Any, Final

#: From so many values on, in all, it is worth a second to compile a pass.
_MANY: Final = 1 << 21
_summed_up = [0]


def passes(values: int = 0) -> Any:
    """Return the compiled passes over tensors.

    Parameters
    ----------
    values : int
        How many more there are to be summed up.

    Returns
    -------
    module or None
        :mod:`limelight.distribution.numba_pass`; None where it is not worth its while, or Numba is
        not there or switched off.
    """
    _summed_up[0] += values
    return _module("numba_pass") if _summed_up[0] >= _MANY else None


def counting() -> Any:
    """Return :mod:`limelight.distribution.numba_counting` under the same conditions."""
    return _module("numba_counting") if _summed_up[0] >= _MANY else None


@cache
def _module(name: str) -> Any:
    if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        return None
    try:
        return import_module(f"limelight.distribution.{name}")
    except ImportError:  # not installed, or not for this NumPy
        return None
