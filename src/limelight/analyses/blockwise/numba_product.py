"""Products of a few queries with a tile of keys, compiled.

Room: analyses. Comes in: vectors of a tile. Goes out: its scores. Loops over keys are written so
that the compiler makes vector instructions of them: all numbers in single precision, fixed
distances between the streams, no call.
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
    for index in range(count):
        base = index // PANEL * PANEL * features + index % PANEL
        for feature in range(features):
            tile[base + feature * PANEL] = key[start + index, feature]


def _lift_plainly(vectors: Any, row: Any, count: Any, scale: Any, lifted: Any) -> None:
    """Lay a few queries out, scaled."""
    features = vectors.shape[1]
    for offset in range(count):
        for feature in range(features):
            lifted[offset * features + feature] = vectors[row + offset, feature] * scale


@intrinsic  # type: ignore[untyped-decorator]
def multiply(typing: Any, lifted: Any, features: Any, panel: Any, scores: Any) -> Any:
    """Multiply :data:`ROWS` queries with a panel of keys; all sums stay in registers.

    In the compiler's own words: of a loop in Python it keeps none of them there.
    """
    del typing, features

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        several, whole = ir.VectorType(ir.FloatType(), _LANES), ir.IntType(64)
        first = ir.Constant(ir.VectorType(ir.IntType(32), _LANES), [0] * _LANES)
        unknown = ir.Constant(several, ir.Undefined)
        left, right, into = (
            context.make_array(signature.args[at])(context, builder, values[at]).data
            for at in (0, 2, 3)
        )

        def vector(data: Any, index: Any, offset: int) -> Any:
            index = builder.add(index, ir.Constant(index.type, offset))
            return builder.bitcast(builder.gep(data, [index]), several.as_pointer())

        blank = ir.Constant(several, [0.0] * _LANES)
        cells = [(row, key) for row in range(ROWS) for key in range(0, PANEL, _LANES)]
        sums = {cell: cgutils.alloca_once_value(builder, blank) for cell in cells}
        with cgutils.for_range(builder, values[1]) as loop:
            start = builder.mul(loop.index, ir.Constant(whole, PANEL))
            keys = {}
            for key in range(0, PANEL, _LANES):
                keys[key] = builder.load(vector(right, start, key))
                keys[key].align = 4
            for row in range(ROWS):
                index = builder.add(builder.mul(values[1], ir.Constant(whole, row)), loop.index)
                number = builder.load(builder.gep(left, [index]))
                number = builder.insert_element(unknown, number, ir.Constant(ir.IntType(32), 0))
                number = builder.shuffle_vector(number, unknown, first)
                for key, other in keys.items():
                    known = builder.load(sums[row, key])
                    product = builder.fmul(number, other, flags=("contract",))
                    product = builder.fadd(known, product, flags=("contract",))
                    builder.store(product, sums[row, key])
        for (row, key), total in sums.items():
            start = ir.Constant(whole, row * WIDTH)
            builder.store(builder.load(total), vector(into, start, key)).align = 4
        return context.get_dummy_value()

    return types.void(lifted, types.int64, panel, scores), build


def _cap_plainly(scores: Any, low: Any, high: Any, limit: Any) -> None:
    for index in range(low, high):
        scores[index] = math.tanh(scores[index] / limit) * limit


pack = compiled(_pack_plainly)
lift = compiled(_lift_plainly)
cap = compiled(_cap_plainly)
