"""What of a step goes to stock TensorBoard's own dashboards.

Room: store. Comes in: measures and parameters of one step. Goes out: scalars and histograms by tag.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import xarray as xr

from limelight import schema
from limelight.distribution import TensorTable, counting
from limelight.distribution.table import BITS
from limelight.measure import LEFT_OUT, NAN_ROWS, counts_rows

#: Bins of a histogram there.
_BINS: Final = 64

#: So many steps of a recording have each, then every other, every fourth … TensorBoard holds what
#: it reads in memory, of each tag and run, and shows some 50 histograms and 1,000 scalars of each.
HISTOGRAMS: Final = 10
SCALARS: Final = 500


def due(number: int, dense: int) -> bool:
    """Say whether a step of a recording goes to stock dashboards.

    Parameters
    ----------
    number : int
        How many steps were recorded before it.
    dense : int
        So many each have, and half as many each time their number doubles.

    Returns
    -------
    bool

    Examples
    --------
    >>> sum(due(number, HISTOGRAMS) for number in range(2000))
    48
    """
    return number % (1 << (number // dense).bit_length()) == 0


def scalars(
    sites: Mapping[str, xr.Dataset], measures: Mapping[str, xr.Dataset]
) -> dict[str, float]:
    """Return each site's mean measures, under ``attention/<site>/<measure>``.

    Parameters
    ----------
    sites : mapping of str to Dataset
    measures : mapping of str to Dataset
        Variables [example, head].

    Returns
    -------
    dict of str to float
        Means over heads and over the examples that have a valid query, as far as they have a row
        without a NaN; NaN where none has. ``nan_rows`` beside them, the sum of how many rows hold a
        NaN, only where one does. No scalar where a measure is not defined at all.
    """
    means: dict[str, float] = {}
    for name, measured in measures.items():
        site = sites[name]
        used: Any = slice(None)
        if "query_valid" in site:
            used = site["query_valid"].transpose(schema.EXAMPLE, ...).values.any(axis=-1)
        broken = measured[NAN_ROWS].values[used].sum() if NAN_ROWS in measured else 0
        if broken:
            means[f"attention/{name}/{NAN_ROWS}"] = float(broken)
        for measure, values in measured.data_vars.items():
            if counts_rows(str(measure)):
                continue
            numbers = values.transpose(schema.EXAMPLE, schema.HEAD).values[used]
            # Left out is only what is known to have no number: any other NaN is to be seen.
            if broken or f"{measure}{LEFT_OUT}" in measured:
                defined = numbers[~np.isnan(numbers)]
                numbers = defined if defined.size or not broken else numbers
            if numbers.size:
                means[f"attention/{name}/{measure}"] = float(numbers.mean(dtype=np.float64))
    return means


def training(tables: Mapping[str, TensorTable]) -> dict[str, float]:
    """Return norms of all gradients, under ``gradients/<number>``.

    Parameters
    ----------
    tables : mapping of str to TensorTable
        By kind.

    Returns
    -------
    dict of str to float
    """
    table = tables.get("training")
    names = ("norm_before", "norm_after", "clipped")
    known = {} if table is None else table.columns
    return {f"gradients/{name}": float(known[name][0]) for name in names if name in known}


def histograms(parameters: TensorTable | None) -> dict[str, np.ndarray[Any, Any]]:
    """Return each parameter's histogram as TensorBoard wants it, under ``weights/<parameter>``.

    Parameters
    ----------
    parameters : TensorTable, optional

    Returns
    -------
    dict of str to array [bin, 3]
        Left edge, right edge, count. Parameters without a finite value have none.
    """
    if parameters is None:
        return {}
    counts, bits = parameters.counts, parameters.encoding == BITS
    low, high = (parameters.columns[name] for name in (("min", "max") if bits else ("low", "high")))
    if bits:
        half = np.where(low == high, 0.5, 0.0)
        low, high = low - half, high + half
    edges = np.linspace(low, high, (_BINS if bits else counts.shape[1]) + 1, axis=-1)
    if bits:
        counts = counting.spread(counts, edges)
    bins = np.stack([edges[:, :-1], edges[:, 1:], counts], axis=-1)
    return {
        f"weights/{name}": histogram
        for name, histogram in zip(parameters.names, bins, strict=True)
        if histogram[:, 2].any() and np.isfinite(histogram).all()
    }
