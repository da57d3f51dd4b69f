"""What tells cheaply whether a large array has changed.

Room: capture, below the adapters. Comes in: an array. Goes out: a mark. Models that are tuned by
few parameters hold many that are frozen, and summing them up anew at each step would take longer
than a step of training.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: Below so many values, summing up is cheap enough.
LARGE: Final = 1 << 16


def mark_of(values: NDArray[Any]) -> tuple[Any, ...] | None:
    """Return what tells whether the values of a large array have changed; None of a small one.

    Parameters
    ----------
    values : array
        In one piece.

    Returns
    -------
    tuple or None
        The sum of its bits, read as whole numbers, and some of the values. What a parameter is
        summed up to does not depend on their order either.
    """
    if values.size < LARGE or not values.flags.c_contiguous or values.dtype.hasobject:
        return None
    bits = values.reshape(-1).view(np.uint8)
    whole = bits[: bits.size // 8 * 8].view(np.uint64)
    samples = bits[:: max(bits.size // 499, 1)].tobytes()
    return values.shape, values.dtype.str, int(np.add.reduce(whole)), samples, bits[-8:].tobytes()
