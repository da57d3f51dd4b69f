"""Chooses what makes the pass over the scores.

Room: analyses. Comes in: vectors. Goes out: the pass that is fastest for them here.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.analyses.blockwise import numpy_pass
from limelight.analyses.blockwise.cells import Pooled
from limelight.factors import Factors

#: Below so many weights, loading Numba takes longer than it saves.
MANY: Final = 1 << 19

Pass = Callable[..., tuple[NDArray[np.float64], Pooled | None]]


def pass_for(factors: Factors) -> Pass:
    """Choose what makes the pass.

    Where there is much to do, a GPU that torch uses already; else Numba if it is installed, else
    torch if it is loaded; else NumPy alone.

    Parameters
    ----------
    factors : Factors

    Returns
    -------
    callable
        As :func:`limelight.analyses.blockwise.numpy_pass.walk`.
    """
    if math.prod(factors.shape) < MANY:
        return numpy_pass.walk
    torch = sys.modules.get("torch")
    cores = _on_cores(torch is not None)
    if torch is None or not torch.cuda.is_initialized():
        return cores
    from limelight.analyses.blockwise import torch_pass

    def walk(*given: Any) -> tuple[NDArray[np.float64], Pooled | None]:
        try:
            return partial(torch_pass.walk, device="cuda")(*given)
        except RuntimeError:  # such as no memory left beside what is trained there
            return cores(*given)

    return walk


def _on_cores(loaded: bool) -> Pass:
    if os.environ.get("NUMBA_DISABLE_JIT", "0") == "0":
        try:
            from limelight.analyses.blockwise import numba_pass
        except ImportError:  # not installed, or not for this NumPy
            pass
        else:
            return numba_pass.walk
    if loaded:
        from limelight.analyses.blockwise import torch_pass

        return torch_pass.walk
    return numpy_pass.walk
