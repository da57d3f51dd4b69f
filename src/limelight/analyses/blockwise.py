"""Every analysis of attention that is kept as vectors, in one pass and without its map.

Room: analyses. Comes in: :class:`~limelight.factors.Factors` and names of analyses. Goes out: what
each gives for every query, as if the map had been there. Memory is that of the vectors, and of one
block of scores for each core.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight import schema
from limelight.analyses import _blockwise_numpy
from limelight.analyses._blockwise_numpy import APART, FIRST, NEAR, SLOPE, TOP, TOTAL
from limelight.catalogue import analyses
from limelight.factors import Factors, blocks

#: Below so many weights, loading Numba takes longer than it saves.
MANY: Final = 1 << 19

#: Sizes of a side of :func:`pooled`.
SIDE: Final = 256


def rows(factors: Factors, names: Iterable[str]) -> dict[str, xr.DataArray]:
    """Measure every row of every map in one pass over queries and keys.

    The rows' log normalisers, found on the way, are left with the factors.

    Parameters
    ----------
    factors : Factors
    names : iterable of str
        Of analyses of single maps; and ``diagonal``, ``previous`` and ``next``: the weight on the
        query's own position, the one before and the one after; and ``normaliser``, in nats.
        An analysis without a form for blocks is computed of whole maps, one head at a time.

    Returns
    -------
    dict of str to DataArray
        By name, [example, head, query], or without ``query`` for an analysis that sums over it.

    Examples
    --------
    >>> from limelight.factors import factored
    >>> from limelight.rule import Rule
    >>> q = k = np.zeros((1, 1, 4, 2), np.float32)
    >>> found = rows(factored(q, k, Rule.causal(4, 4), 1.0), ["maximum"])
    >>> found["maximum"].values[0, 0].round(3).tolist()
    [1.0, 0.5, 0.333, 0.25]
    """
    names = list(names)
    apart, near = "distance" in names, bool({*names} & {*NEAR})
    found: dict[str, xr.DataArray] = {}
    forms = [name for name in names if name in _FORMS]
    if forms or not names:
        raw = _engine(factors)(factors, apart, near)
        state = _State(factors, raw)
        factors.keep(state.normaliser)
        for name in forms:
            values = xr.Variable(schema.SITE_DIMS[:3], _FORMS[name](state))
            found[name] = xr.DataArray(values, name=name)
    found |= {name: _whole(factors, name) for name in names if name not in found}
    return {name: found[name] for name in names}


def pooled(factors: Factors, side: int = SIDE) -> xr.Dataset:
    """Shrink every map, and add up what each key receives, in one more pass.

    Parameters
    ----------
    factors : Factors
    side : int
        Rows and columns at most; cell ``i`` of ``n`` starts at ``floor(i * size / n)``.

    Returns
    -------
    Dataset
        ``largest`` and ``mean`` weight of what a cell covers [example, head, row, column], and
        ``received`` [example, head, key], the sum over queries; float32.
    """
    examples, heads, queries, keys = factors.shape
    across, down = min(keys, side), min(queries, side)
    columns, firsts = np.arange(across) * keys // across, np.arange(down) * queries // down
    largest = np.zeros((examples, heads, down, across), np.float32)
    total = np.zeros((examples, heads, down, across))
    received = np.zeros((examples, heads, keys))
    for example, some, part in blocks(factors.shape):
        weights = factors.weights(example, some, part, slice(None))
        received[example, some] += weights.sum(axis=1, dtype=np.float64)
        row = np.searchsorted(firsts, np.arange(part.start, part.stop), side="right") - 1
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        cells = row[starts]
        for into, ufunc in ((largest, np.maximum), (total, np.add)):
            shrunk = ufunc.reduceat(ufunc.reduceat(weights, columns, axis=2), starts, axis=1)
            here = into[example, some]
            here[:, cells] = ufunc(here[:, cells], shrunk)
    widths = np.diff(columns, append=keys)
    covered = np.diff(firsts, append=queries)[:, None] * widths
    cell = (schema.EXAMPLE, schema.HEAD, "row", "column")
    return xr.Dataset(
        {
            "largest": (cell, largest),
            "mean": (cell, (total / covered).astype(np.float32)),
            "received": ((schema.EXAMPLE, schema.HEAD, schema.KEY), received.astype(np.float32)),
        }
    )


class _State:
    """What one pass leaves of each row, and what follows from it for all of them."""

    def __init__(self, factors: Factors, raw: NDArray[np.float64]) -> None:
        self.raw = raw
        top = np.where(np.isneginf(raw[TOP]), 0, raw[TOP])
        with np.errstate(divide="ignore", invalid="ignore"):
            self.normaliser = np.log(raw[TOTAL]) + top
        if factors.sink is not None:
            extra = factors.sink[None, :, None].astype(np.float64)
            self.normaliser = np.logaddexp(self.normaliser, extra)
        self.dead = np.isneginf(self.normaliser)
        self.over = np.where(self.dead, 0, self.normaliser) - top  # of the best score, in nats
        self.best = np.where(raw[TOTAL] == 0, 0, np.exp(-self.over))

    def weight(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weight of one score of each row."""
        return np.exp(score - np.where(self.dead, 0, self.normaliser))

    def entropy(self) -> NDArray[np.float64]:
        """Return ``sum(weight * (normaliser - score))``, which is no more than rounding below 0."""
        found = (self.over * self.raw[TOTAL] - self.raw[SLOPE]) * self.best
        return np.where(found < 0, 0, found)


_FORMS: dict[str, Callable[[_State], NDArray[np.float64]]] = {
    "entropy": _State.entropy,
    "distance": lambda state: state.raw[APART] * state.best,
    "maximum": lambda state: state.best,
    "sink": lambda state: state.weight(state.raw[FIRST]),
    "diagonal": lambda state: state.weight(state.raw[NEAR["diagonal"]]),
    "previous": lambda state: state.weight(state.raw[NEAR["previous"]]),
    "next": lambda state: state.weight(state.raw[NEAR["next"]]),
    "normaliser": lambda state: state.normaliser,
}


def _engine(factors: Factors) -> Callable[[Factors, bool, bool], NDArray[np.float64]]:
    """Choose what makes the pass: Numba where it is installed and there is much to do."""
    if math.prod(factors.shape) >= MANY and os.environ.get("NUMBA_DISABLE_JIT", "0") == "0":
        try:
            from limelight.analyses import _blockwise_numba
        except ImportError:  # not installed, or not for this NumPy
            return _blockwise_numpy.walk
        return _blockwise_numba.walk
    return _blockwise_numpy.walk


def _whole(factors: Factors, name: str) -> xr.DataArray:
    """Apply an analysis to whole maps, one head at a time."""
    card = analyses()[name]
    examples, heads, *_ = factors.shape
    every = slice(None)

    def one(example: int, head: int) -> Any:
        weights = factors.weights(example, head, every, every)
        return card.function(xr.DataArray(weights, dims=(schema.QUERY, schema.KEY)))

    found = [
        xr.concat([one(example, head) for head in range(heads)], schema.HEAD)
        for example in range(examples)
    ]
    joined: xr.DataArray = xr.concat(found, schema.EXAMPLE)
    return joined
