"""Products of a few queries with a tile of keys, compiled.

Loops over keys are written so that the compiler makes vector instructions of them: all numbers in
single precision, fixed distances between the streams, no call.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

ROWS: Final = 4  # worked on together: each key vector that is loaded serves so many queries
_LANES: Final = 8  # numbers in a register
PANEL: Final = 24  # keys worked on together: with so many queries their sums fill 12 registers
WIDTH: Final = 384  # keys in a tile, whole panels


def compiled(function: Any, *fast: str) -> Any:
    """Compile a function that needs nothing of Python.

    Parameters
    ----------
    function : callable
    *fast : str
        How its sums may be rounded differently, in LLVM's words.

    Returns
    -------
    callable
    """
    return numba.njit(nogil=True, fastmath=set(fast))(function)


def _pack_plainly(key: Any, start: Any, count: Any, tile: Any) -> None:
    """Lay a tile of keys panel by panel, in each feature by feature."""
    features = key.shape[1]
    for place in range(count):
        base = place // PANEL * PANEL * features + place % PANEL
        for feature in range(features):
            tile[base + feature * PANEL] = key[start + place, feature]


def _lift_plainly(vectors: Any, row: Any, some: Any, scale: Any, own: Any) -> None:
    """Lay a few queries out, scaled."""
    features = vectors.shape[1]
    for one in range(some):
        for feature in range(features):
            own[one * features + feature] = vectors[row + one, feature] * scale


@intrinsic  # type: ignore[untyped-decorator]
def multiply(typing: Any, own: Any, features: Any, panel: Any, scores: Any) -> Any:
    """Multiply :data:`ROWS` queries with a panel of keys; all sums stay in registers.

    In the compiler's own words: of a loop in Python it keeps none of them there.
    """
    del typing, features

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        several, whole = ir.VectorType(ir.FloatType(), _LANES), ir.IntType(64)
        first = ir.Constant(ir.VectorType(ir.IntType(32), _LANES), [0] * _LANES)
        unknown = ir.Constant(several, ir.Undefined)
        left, right, into = (
            context.make_array(signature.args[one])(context, builder, values[one]).data
            for one in (0, 2, 3)
        )

        def vector(data: Any, place: Any, offset: int) -> Any:
            place = builder.add(place, ir.Constant(place.type, offset))
            return builder.bitcast(builder.gep(data, [place]), several.as_pointer())

        blank = ir.Constant(several, [0.0] * _LANES)
        spots = [(row, key) for row in range(ROWS) for key in range(0, PANEL, _LANES)]
        sums = {spot: cgutils.alloca_once_value(builder, blank) for spot in spots}
        with cgutils.for_range(builder, values[1]) as loop:
            start = builder.mul(loop.index, ir.Constant(whole, PANEL))
            keys = {}
            for key in range(0, PANEL, _LANES):
                keys[key] = builder.load(vector(right, start, key))
                keys[key].align = 4
            for row in range(ROWS):
                place = builder.add(builder.mul(values[1], ir.Constant(whole, row)), loop.index)
                one = builder.load(builder.gep(left, [place]))
                one = builder.insert_element(unknown, one, ir.Constant(ir.IntType(32), 0))
                one = builder.shuffle_vector(one, unknown, first)
                for key, other in keys.items():
                    known = builder.load(sums[row, key])
                    product = builder.fmul(one, other, flags=("contract",))
                    product = builder.fadd(known, product, flags=("contract",))
                    builder.store(product, sums[row, key])
        for (row, key), place in sums.items():
            start = ir.Constant(whole, row * WIDTH)
            builder.store(builder.load(place), vector(into, start, key)).align = 4
        return context.get_dummy_value()

    return types.void(own, types.int64, panel, scores), build


def _cap_plainly(scores: Any, low: Any, high: Any, limit: Any) -> None:
    for place in range(low, high):
        scores[place] = math.tanh(scores[place] / limit) * limit


pack = compiled(_pack_plainly)
lift = compiled(_lift_plainly)
cap = compiled(_cap_plainly)
