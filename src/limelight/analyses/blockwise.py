"""Every analysis of attention that is kept as vectors, in one pass and without its map.

Room: analyses. Comes in: :class:`~limelight.factors.Factors` and names of analyses. Goes out: what
each gives for every query, as if the map had been there. Memory is that of the vectors, and of one
block of scores for each core.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, cast

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight import schema
from limelight.analyses import _blockwise_numpy
from limelight.analyses._blockwise_numpy import (
    APART,
    FIRST,
    NEAR,
    SLOPE,
    TOP,
    TOTAL,
    Grid,
    Shrunk,
    logs_of,
)
from limelight.catalogue import analyses
from limelight.factors import Factors

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
    found: dict[str, xr.DataArray] = {}
    if not names or any(name in _FORMS for name in names):
        raw, _ = _engine(factors)(factors, *_wanted(names))
        found = _measured(factors, raw, names)
    found |= {name: _whole(factors, name) for name in names if name not in found}
    return {name: found[name] for name in names}


def shrunk(
    factors: Factors, names: Iterable[str], grid: Grid
) -> tuple[dict[str, xr.DataArray], Shrunk]:
    """Measure every row and shrink every map, all in one pass.

    The rows' log normalisers, found on the way, are left with the factors.

    Parameters
    ----------
    factors : Factors
    names : iterable of str
        As :func:`rows` takes them.
    grid : (array [row], array [column])
        Where cells start, rising from 0; each reaches to the next, the last to the end.

    Returns
    -------
    measures : dict of str to DataArray
        As :func:`rows` gives them.
    shrunk : Shrunk
        The largest and the summed weight of each cell, and what each key receives.

    Examples
    --------
    >>> from limelight.factors import factored
    >>> from limelight.rule import Rule
    >>> q = k = np.zeros((1, 1, 4, 2), np.float32)
    >>> halves = np.array([0, 2]), np.array([0, 2])
    >>> measures, maps = shrunk(factored(q, k, Rule.causal(4, 4), 1.0), ["maximum"], halves)
    >>> maps.largest[0, 0].tolist()
    [[1.0, 0.0], [0.3333333432674408, 0.3333333432674408]]
    """
    names = list(names)
    raw, maps = _engine(factors)(factors, *_wanted(names), grid)
    found = _measured(factors, raw, names)
    found |= {name: _whole(factors, name) for name in names if name not in found}
    return {name: found[name] for name in names}, cast(Shrunk, maps)


def everything(
    factors: Factors, names: Iterable[str], side: int = SIDE
) -> tuple[dict[str, xr.DataArray], xr.Dataset]:
    """Give what :func:`rows` and :func:`pooled` give, in one pass.

    Parameters
    ----------
    factors : Factors
    names : iterable of str
        As :func:`rows` takes them.
    side : int
        As :func:`pooled` takes it.

    Returns
    -------
    measures : dict of str to DataArray
    maps : Dataset

    Examples
    --------
    >>> from limelight.factors import factored
    >>> from limelight.rule import Rule
    >>> q = k = np.zeros((1, 1, 4, 2), np.float32)
    >>> measures, maps = everything(factored(q, k, Rule.causal(4, 4), 1.0), ["maximum"], 2)
    >>> maps["received"].values[0, 0].astype(float).round(3).tolist()
    [2.083, 1.083, 0.583, 0.25]
    """
    grid = _grid(factors, side)
    measures, maps = shrunk(factors, names, grid)
    return measures, _dataset(factors, maps, grid)


def pooled(factors: Factors, side: int = SIDE) -> xr.Dataset:
    """Shrink every map, and add up what each key receives, in one pass.

    Parameters
    ----------
    factors : Factors
        With a normaliser kept, weights are those it gives.
    side : int
        Rows and columns at most; cell ``i`` of ``n`` starts at ``floor(i * size / n)``.

    Returns
    -------
    Dataset
        ``largest`` and ``mean`` weight of what a cell covers [example, head, row, column], and
        ``received`` [example, head, key], the sum over queries; float32.
    """
    grid = _grid(factors, side)
    known = factors.kept
    raw, maps = _engine(factors)(factors, False, False, grid, known)
    if known is None:
        factors.keep(logs_of(raw, _sinks(factors)))
    return _dataset(factors, cast(Shrunk, maps), grid)


def _wanted(names: list[str]) -> tuple[bool, bool]:
    """Tell whether distances, and whether the positions around the query's own, are asked for."""
    return "distance" in names, bool({*names} & {*NEAR})


def _measured(
    factors: Factors, raw: NDArray[np.float64], names: list[str]
) -> dict[str, xr.DataArray]:
    """Return the measures that follow from a pass, and leave the normaliser."""
    state = _State(raw, _sinks(factors))
    factors.keep(state.normaliser)
    found = {}
    for name in names:
        if name in _FORMS:
            values = xr.Variable(schema.SITE_DIMS[:3], _FORMS[name](state))
            found[name] = xr.DataArray(values, name=name)
    return found


def _sinks(factors: Factors) -> NDArray[np.float32] | None:
    return None if factors.sink_logit is None else factors.sink_logit[None]


def _grid(factors: Factors, side: int) -> Grid:
    """Return the cells of :func:`pooled`."""
    rows, columns = (np.arange(min(one, side)) * one // min(one, side) for one in factors.shape[2:])
    return rows, columns


def _dataset(factors: Factors, maps: Shrunk, grid: Grid) -> xr.Dataset:
    down, across = (
        np.diff(starts, append=size) for starts, size in zip(grid, factors.shape[2:], strict=True)
    )
    mean = maps.total / (down[:, None] * across)
    cell = (schema.EXAMPLE, schema.HEAD, "row", "column")
    received = maps.received.astype(np.float32)
    return xr.Dataset(
        {
            "largest": (cell, maps.largest),
            "mean": (cell, mean.astype(np.float32)),
            "received": ((schema.EXAMPLE, schema.HEAD, schema.KEY), received),
        }
    )


class _State:
    """What one pass leaves of each row, and what follows from it for all of them."""

    def __init__(self, raw: NDArray[np.float64], sink: NDArray[np.float32] | None) -> None:
        self.raw = raw
        top = np.where(np.isneginf(raw[TOP]), 0, raw[TOP])
        self.normaliser = logs_of(raw, sink)
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
    "first_key_share": lambda state: state.weight(state.raw[FIRST]),
    "diagonal": lambda state: state.weight(state.raw[NEAR["diagonal"]]),
    "previous": lambda state: state.weight(state.raw[NEAR["previous"]]),
    "next": lambda state: state.weight(state.raw[NEAR["next"]]),
    "normaliser": lambda state: state.normaliser,
}


_Pass = Callable[..., tuple[NDArray[np.float64], Shrunk | None]]


def _engine(factors: Factors) -> _Pass:
    """Choose what makes the pass.

    Where there is much to do, a GPU that torch uses already; else Numba if it is installed, else
    torch if it is loaded; else NumPy alone.
    """
    if math.prod(factors.shape) < MANY:
        return _blockwise_numpy.walk
    torch = sys.modules.get("torch")
    cores = _on_cores(torch is not None)
    if torch is None or not torch.cuda.is_initialized():
        return cores
    from limelight.analyses import _blockwise_torch

    def walk(*given: Any) -> tuple[NDArray[np.float64], Shrunk | None]:
        try:
            return partial(_blockwise_torch.walk, device="cuda")(*given)
        except RuntimeError:  # such as no memory left beside what is trained there
            return cores(*given)

    return walk


def _on_cores(loaded: bool) -> _Pass:
    if os.environ.get("NUMBA_DISABLE_JIT", "0") == "0":
        try:
            from limelight.analyses import _blockwise_numba
        except ImportError:  # not installed, or not for this NumPy
            pass
        else:
            return _blockwise_numba.walk
    if loaded:
        from limelight.analyses import _blockwise_torch

        return _blockwise_torch.walk
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
