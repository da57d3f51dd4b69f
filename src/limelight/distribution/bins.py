"""Bins on the float's own bits: the same for every tensor, so that histograms can be added up.

Room: lowest. Comes in: numbers of bins. Goes out: where they lie. A bin is a single's sign, its
exponent and the first 3 bits of its mantissa: 8 bins an octave, each 6.7 to 12.5 % wide, from the
smallest single to the largest. They are numbered in ascending order of the values they hold.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: How many bits of a single do not count.
SHIFT: Final = 20
#: Bins of one sign: what lies above them is infinite or no number.
SIDE: Final = 0x7F800000 >> SHIFT
#: Bins in all; the first of those from 0 up is number ``SIDE``, and holds 0 itself.
BINS: Final = 2 * SIDE


@cache
def edges() -> NDArray[np.float64]:
    """Return the edges of all bins, ascending.

    Returns
    -------
    array [bin + 1]
        Bin ``b`` holds values from ``edges()[b]`` up to ``edges()[b + 1]``, where the end nearer to
        0 is the bin's own, and 0 is of bin ``SIDE``.

    Examples
    --------
    >>> bool(edges()[SIDE] == 0), len(edges()) - 1 == BINS
    (True, True)
    >>> edges()[number(np.float32(1.0))], edges()[number(np.float32(1.0)) + 1]
    (np.float64(1.0), np.float64(1.125))
    """
    bits = (np.arange(SIDE, dtype=np.uint32) << np.uint32(SHIFT)).astype(np.uint32)
    side = np.append(bits.view(np.float32).astype(np.float64), 2.0**128)
    every = np.concatenate([-side[:0:-1], side])
    every.flags.writeable = False
    return every


def number(values: NDArray[np.float32] | np.float32) -> NDArray[np.intp]:
    """Return the numbers of the bins that finite singles lie in.

    Parameters
    ----------
    values : array
        Finite.

    Returns
    -------
    array

    Examples
    --------
    >>> (number(np.float32([-1.0, -0.0, 0.0, 1.0])) - SIDE).tolist()
    [-1017, 0, 0, 1016]
    """
    bits = np.asarray(values, np.float32).view(np.uint32)
    side = ((bits & np.uint32(0x7FFFFFFF)) >> np.uint32(SHIFT)).astype(np.intp)
    negative = (bits > np.uint32(0x80000000)).astype(bool)
    return np.where(negative, SIDE - 1 - side, SIDE + side)
