"""Products of a few queries with a tile of keys, compiled.

Loops over keys are written so that the compiler makes vector instructions of them: all numbers in
single precision, fixed distances between the streams, no call.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numba
import numpy as np

ROWS: Final = 4  # worked on together: each key vector that is loaded serves so many queries
WIDTH: Final = 128  # keys in a tile: with 64 features as large as the nearest cache
DEEP: Final = 4  # features in a step

_NOTHING: Final = np.float32(0)


def compiled(function: Any, *fast: str) -> Any:
    """Compile a function that needs nothing of Python, and keep that on disk where there is room.

    Parameters
    ----------
    function : callable
    *fast : str
        How its sums may be rounded differently, in LLVM's words.

    Returns
    -------
    callable
    """
    try:
        return numba.njit(nogil=True, cache=True, fastmath=set(fast))(function)
    except RuntimeError:  # no folder to keep compiled code in
        return numba.njit(nogil=True, fastmath=set(fast))(function)


def _pack_plainly(key: Any, start: Any, count: Any, tile: Any) -> None:
    """Lay a tile of keys feature by feature."""
    for place in range(count):
        for feature in range(key.shape[1]):
            tile[feature * WIDTH + place] = key[start + place, feature]


def _lift_plainly(vectors: Any, row: Any, some: Any, scale: Any, deep: Any, own: Any) -> None:
    """Lay a few queries out, scaled; features beyond theirs stay 0."""
    for one in range(some):
        for feature in range(vectors.shape[1]):
            own[one * deep + feature] = vectors[row + one, feature] * scale


def _multiply_plainly(own: Any, deep: Any, tile: Any, low: Any, high: Any, scores: Any) -> None:
    """Multiply a few queries with a tile of keys."""
    found = scores[low:]
    for place in range(high - low):
        found[place] = _NOTHING
        found[place + WIDTH] = _NOTHING
        found[place + 2 * WIDTH] = _NOTHING
        found[place + 3 * WIDTH] = _NOTHING
    for step in range(0, deep, DEEP):
        a0, a1, a2, a3 = own[step], own[step + 1], own[step + 2], own[step + 3]
        second = step + deep
        b0, b1, b2, b3 = own[second], own[second + 1], own[second + 2], own[second + 3]
        third = second + deep
        c0, c1, c2, c3 = own[third], own[third + 1], own[third + 2], own[third + 3]
        fourth = third + deep
        d0, d1, d2, d3 = own[fourth], own[fourth + 1], own[fourth + 2], own[fourth + 3]
        keys = tile[step * WIDTH + low : (step + DEEP) * WIDTH]
        for place in range(high - low):
            k0 = keys[place]
            k1 = keys[place + WIDTH]
            k2 = keys[place + 2 * WIDTH]
            k3 = keys[place + 3 * WIDTH]
            found[place] += a0 * k0 + a1 * k1 + a2 * k2 + a3 * k3
            found[place + WIDTH] += b0 * k0 + b1 * k1 + b2 * k2 + b3 * k3
            found[place + 2 * WIDTH] += c0 * k0 + c1 * k1 + c2 * k2 + c3 * k3
            found[place + 3 * WIDTH] += d0 * k0 + d1 * k1 + d2 * k2 + d3 * k3


def _cap_plainly(scores: Any, some: Any, low: Any, high: Any, cap: Any) -> None:
    for one in range(some):
        for place in range(one * WIDTH + low, one * WIDTH + high):
            scores[place] = math.tanh(scores[place] / cap) * cap


pack = compiled(_pack_plainly)
lift = compiled(_lift_plainly)
multiply = compiled(_multiply_plainly, "contract", "reassoc")
cap = compiled(_cap_plainly)
