"""Measures that have no closed form, of attention that is kept as vectors.

Room: analyses. Comes in: :class:`~limelight.factors.Factors` and cards of measures. Goes out: what
each gives of every row. A measure is handed blocks of whole rows, several maps at once where maps
are small, so that no map is ever whole; only one that sums over queries is handed whole maps.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight import schema
from limelight.analyses.blockwise.blas import one_thread_each
from limelight.catalogue import POSITION, Analysis
from limelight.factors import Factors
from limelight.measure import applied

#: Weights of a block: enough that handing it on costs little beside measuring it.
MOST: Final = 1 << 19

#: Slices of examples, heads and queries.
_Part = tuple[slice, slice, slice]


def measured(factors: Factors, cards: Sequence[Analysis]) -> dict[str, xr.DataArray]:
    """Measure blocks of rows, on several cores.

    Parameters
    ----------
    factors : Factors
        Its normaliser is computed before all else, if it is not known.
    cards : sequence of Analysis
        Whose measures suit single maps.

    Returns
    -------
    dict of str to DataArray
        By name, [example, head, query], or without ``query`` for one that sums over it; float64.
    """
    if not cards:
        return {}
    factors.normaliser  # noqa: B018  # by one thread, before all of them ask for it
    by_row = [card for card in cards if schema.QUERY not in card.over]
    by_map = [card for card in cards if schema.QUERY in card.over]
    queries = factors.shape[2]
    return {
        **_measured(factors, by_row, _parts(factors.shape, MOST)),
        **_measured(factors, by_map, _parts(factors.shape, MOST, rows=queries)),
    }


def _parts(shape: tuple[int, int, int, int], most: int, rows: int | None = None) -> list[_Part]:
    """Cut maps into blocks: several examples where they are small, some rows of one where large."""
    examples, heads, queries, keys = shape
    rows = rows or max(1, min(queries, most // max(keys, 1)))
    at_once = max(1, most // max(rows * keys, 1)) if rows == queries else 1
    heads_each = min(heads, at_once)
    examples_each = max(1, at_once // heads) if heads_each == heads else 1
    return [
        (
            slice(example, min(example + examples_each, examples)),
            slice(head, min(head + heads_each, heads)),
            slice(row, min(row + rows, queries)),
        )
        for example in range(0, examples, examples_each)
        for head in range(0, heads, heads_each)
        for row in range(0, queries, rows)
    ]


def _measured(
    factors: Factors, cards: Sequence[Analysis], parts: Sequence[_Part]
) -> dict[str, xr.DataArray]:
    sizes = dict(zip(schema.SITE_DIMS, factors.shape, strict=True))
    dims = {card.name: [dim for dim in sizes if dim not in card.over] for card in cards}
    values = {name: np.empty([sizes[dim] for dim in left]) for name, left in dims.items()}

    def measure(part: _Part) -> None:
        weights, allowed = _block(factors, part)
        for card in cards:
            result = applied(card, weights, allowed).transpose(*dims[card.name])
            values[card.name][part[: result.ndim]] = result.values

    if len(parts) == 1 and cards:
        measure(parts[0])
    elif cards:
        # NumPy lets others work meanwhile.
        with one_thread_each(), ThreadPoolExecutor(os.cpu_count()) as threads:
            list(threads.map(measure, parts))
    return {name: xr.DataArray(array, dims=dims[name], name=name) for name, array in values.items()}


def _reach(factors: Factors, examples: slice, queries: slice) -> int:
    """Return up to which key any of some queries may attend: padding behind it changes nothing."""
    rule, keys = factors.rule, factors.shape[3]
    if rule.cells is not None:
        return keys
    stop = rule.stop[examples if len(rule.stop) > 1 else slice(None), queries]
    return int(np.clip(stop.max(), 1, keys))


def _block(factors: Factors, part: _Part) -> tuple[xr.DataArray, xr.DataArray | None]:
    """Return the weights of some whole rows, and which of them may be more than 0."""
    examples, heads, queries = part
    keys = slice(0, _reach(factors, examples, queries))
    numbers = range(examples.start, examples.stop)
    weights = _stacked([factors.weights(example, heads, queries, keys) for example in numbers])
    allowed = _stacked([factors.rule.allowed(example, heads, queries, keys) for example in numbers])
    positions = {schema.QUERY + POSITION: (schema.QUERY, np.arange(queries.start, queries.stop))}
    labelled = xr.DataArray(weights, positions, schema.SITE_DIMS)
    if allowed.all():
        return labelled, None
    dims = [dim for dim in schema.SITE_DIMS if dim != schema.HEAD or allowed.ndim == weights.ndim]
    return labelled, xr.DataArray(allowed, dims=dims)


def _stacked(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    """Stack arrays of examples; a single one is not copied."""
    return arrays[0][None] if len(arrays) == 1 else np.stack(arrays)
