"""Every analysis of attention that is kept as vectors, in one pass and without its map.

Room: analyses. Comes in: :class:`~limelight.factors.Factors` and names of analyses. Goes out: what
each gives for every query, as if the map had been there. Memory is that of the vectors, and of one
block of scores for each core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, cast

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight import schema
from limelight.analyses.blockwise import by_block, engine
from limelight.analyses.blockwise.cells import Grid, Pooled
from limelight.analyses.blockwise.sums import FACTS, NAMES, Sums, logs_of, sink_logits
from limelight.catalogue import Analysis, analyses
from limelight.factors import Factors

#: Sizes of a side of :func:`overview`.
SIDE: Final = 256

_Form = Callable[[Sums], NDArray[np.float64]]


def rows(factors: Factors, names: Iterable[str]) -> dict[str, xr.DataArray]:
    """Measure every row of every map in one pass over queries and keys.

    The rows' log normalisers, found on the way, are left with the factors.

    Parameters
    ----------
    factors : Factors
    names : iterable of str
        Of analyses of single maps; and ``diagonal``, ``previous`` and ``next``: the weight on the
        query's own position, the one before and the one after; and ``normaliser``, in nats.
        An analysis without a closed form is then computed of blocks of whole rows.

    Returns
    -------
    dict of str to DataArray
        By name, [example, head, query], or without ``query`` for an analysis that sums over it.

    Examples
    --------
    >>> from limelight.factors import factored
    >>> from limelight.rule import Rule
    >>> q = k = np.zeros((1, 1, 4, 2), np.float32)
    >>> values = rows(factored(q, k, Rule.causal(4, 4), 1.0), ["maximum"])
    >>> values["maximum"].values[0, 0].round(3).tolist()
    [1.0, 0.5, 0.333, 0.25]
    """
    return _passed(factors, list(names), None)[0]


def pool(
    factors: Factors, names: Iterable[str], grid: Grid
) -> tuple[dict[str, xr.DataArray], Pooled]:
    """Measure every row and pool every map, all in one pass.

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
    pooled : Pooled
        The largest and the summed weight of each cell, and what each key receives.

    Examples
    --------
    >>> from limelight.factors import factored
    >>> from limelight.rule import Rule
    >>> q = k = np.zeros((1, 1, 4, 2), np.float32)
    >>> halves = np.array([0, 2]), np.array([0, 2])
    >>> measures, maps = pool(factored(q, k, Rule.causal(4, 4), 1.0), ["maximum"], halves)
    >>> maps.largest[0, 0].tolist()
    [[1.0, 0.0], [0.3333333432674408, 0.3333333432674408]]
    """
    measures, maps = _passed(factors, list(names), grid)
    return measures, cast(Pooled, maps)


def everything(
    factors: Factors, names: Iterable[str], side: int = SIDE
) -> tuple[dict[str, xr.DataArray], xr.Dataset]:
    """Give what :func:`rows` and :func:`overview` give, in one pass.

    Parameters
    ----------
    factors : Factors
    names : iterable of str
        As :func:`rows` takes them.
    side : int
        As :func:`overview` takes it.

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
    measures, maps = pool(factors, names, grid)
    return measures, _dataset(factors, maps, grid)


def overview(factors: Factors, side: int = SIDE) -> xr.Dataset:
    """Pool every map, and add up what each key receives, in one pass.

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
    raw, maps = engine.pass_for(factors)(factors, frozenset(), grid, known)
    if known is None:
        factors.keep(logs_of(raw, sink_logits(factors)))
    return _dataset(factors, cast(Pooled, maps), grid)


def _passed(
    factors: Factors, names: list[str], grid: Grid | None
) -> tuple[dict[str, xr.DataArray], Pooled | None]:
    """Make the pass, then hand blocks of rows to whatever does not follow from it."""
    forms, wanted, others = _split(names)
    values: dict[str, xr.DataArray] = {}
    maps = None
    if forms or grid is not None or factors.kept is None:
        raw, maps = engine.pass_for(factors)(factors, wanted, grid)
        sums = Sums(raw, factors)
        factors.keep(sums.normaliser)
        for name, form in forms.items():
            numbers = np.broadcast_to(form(sums), factors.shape[:3])
            values[name] = xr.DataArray(numbers, dims=schema.SITE_DIMS[:3], name=name)
    values |= by_block.measured(factors, others)
    return {name: values[name] for name in names}, maps


def _split(names: list[str]) -> tuple[dict[str, _Form], frozenset[str], list[Analysis]]:
    """Tell what follows from a pass, which sums that takes, and what does not follow."""
    forms: dict[str, _Form] = {}
    wanted: set[str] = set()
    others: list[Analysis] = []
    cards = {} if FACTS.keys() >= {*names} else analyses()
    for name in names:
        if name in FACTS:
            forms[name] = FACTS[name]
            wanted |= {name} & {*NAMES}
        elif (form := cards[name].closed_form) is not None:
            forms[name] = form.function
            wanted |= {*form.sums}
        else:
            others.append(cards[name])
    return forms, frozenset(wanted), others


def _grid(factors: Factors, side: int) -> Grid:
    """Return the cells of :func:`overview`."""
    rows, columns = (
        np.arange(min(size, side)) * size // min(size, side) for size in factors.shape[2:]
    )
    return rows, columns


def _dataset(factors: Factors, maps: Pooled, grid: Grid) -> xr.Dataset:
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
