"""Exponentials of a part of a row and their sums, compiled.

Room: analyses. Comes in: scores of a part of a row. Goes out: their exponentials, in place, and
what the row sums to so far, in double precision.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from limelight.analyses.blockwise.numba_product import compiled
from limelight.analyses.blockwise.numpy_pass import LOWEST
from limelight.analyses.blockwise.sums import APART, SLOPE, TOP, TOTAL

_LOG2E: Final = np.float32(1.44269504088896341)
_ROUND: Final = np.float32(12582912.0)  # 1.5 * 2**23: adding it rounds to a whole number
#: exp(x) from -log(2)/2 to log(2)/2, within 1e-7 of itself.
_LOG2: Final = np.float32(0.6931471805599453)
_C1: Final = np.float32(0.9999997072)
_C2: Final = np.float32(0.4999914953)
_C3: Final = np.float32(0.166676362)
_C4: Final = np.float32(0.04189792951)
_C5: Final = np.float32(0.008290314747)
_ONE: Final = np.float32(1)
_NOTHING: Final = np.float32(0)
_NEVER: Final = np.float32(-np.inf)
_SHIFT: Final = np.int32(23)
_BIAS: Final = np.int32(127 << 23)
_SIGN: Final = np.int32(31)
_REST: Final = np.int32(0x7FFFFFFF)
_FEWEST: Final = np.int32(-(2**31))


def _best_plainly(bits: Any) -> Any:
    """Return the largest of some singles, given as whole numbers; a NaN if there is one, or not.

    Whole numbers are compared ten times faster, because they know no NaN. They lie in the order of
    the singles they stand for, once those of negative ones are turned round.
    """
    best = _FEWEST
    for index in range(len(bits)):
        bit = bits[index]
        best = max(best, np.int32(bit ^ (np.int32(bit >> _SIGN) & _REST)))
    return np.int32(best ^ (np.int32(best >> _SIGN) & _REST)).view(np.float32)


def _exponential_plainly(x: Any) -> Any:
    """Return ``exp(x)`` of a single from :data:`LOWEST` to 0, within 3 units in the last place."""
    shifted = x * _LOG2E + _ROUND
    rest = x - (shifted - _ROUND) * _LOG2
    power = _C5 * rest + _C4
    power = power * rest + _C3
    power = power * rest + _C2
    power = power * rest + _C1
    power = power * rest + _ONE
    bits = np.int32(np.int32(np.float32(shifted).view(np.int32) << _SHIFT) + _BIAS)
    return power * bits.view(np.float32)


def _sums_plainly(scores: Any, best: Any, away: Any) -> Any:
    """Turn a part of a row into exponentials, and sum it.

    Its first key is ``away`` positions from the query.
    """
    total, slope, apart = _NOTHING, _NOTHING, _NOTHING
    for index in range(len(scores)):
        x = scores[index] - best
        inside = LOWEST if x < LOWEST else x
        e = _exponential(inside)
        e = _NOTHING if x < LOWEST else e
        scores[index] = e
        total += e
        slope += e * inside
        apart += e * np.float32(abs(np.int32(index + away)))
    return total, slope, apart


def _add_plainly(scores: Any, away: Any, into: Any, row: Any) -> Any:
    """Add a part of a row to what is known of the row, and return what its scores were less."""
    best = _best(scores.view(np.int32))
    if best == _NEVER:
        best = _NOTHING
    total, slope, far = _sums(scores, best, np.int32(away))
    if total == 0:
        return _NEVER
    higher, known = float(best), into[TOP, row]
    if known == -np.inf:
        into[TOP, row], into[TOTAL, row], into[SLOPE, row] = higher, total, slope
        into[APART, row] = far
        return best
    top = max(known, higher)
    old, new = math.exp(known - top), math.exp(higher - top)
    into[SLOPE, row] = old * (into[SLOPE, row] + into[TOTAL, row] * (known - top)) + new * (
        slope + total * (higher - top)
    )
    into[TOTAL, row] = old * into[TOTAL, row] + new * total
    into[APART, row] = old * into[APART, row] + new * far
    into[TOP, row] = top
    return best


_best = compiled(_best_plainly)
_exponential = compiled(_exponential_plainly, "contract")  # its rounding must not be undone
_sums = compiled(_sums_plainly, "contract", "reassoc")
add = compiled(_add_plainly)
