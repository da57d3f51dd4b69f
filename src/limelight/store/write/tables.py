"""Numbers of a step laid out as tables: measures of maps, statistics of parameters.

Room: store. Comes in: measures by site, or a dataset of parameters. Goes out: arrays in storage
order, and rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from limelight import schema
from limelight.measure import NAN_ROWS
from limelight.store.format.description import Description
from limelight.store.format.layout import ArraySpec
from limelight.store.write.rows import Row
from limelight.store.write.settle import Settled
from limelight.store.write.step import Measures


def table_of(spec: ArraySpec, description: Description, measures: Measures) -> np.ndarray[Any, Any]:
    """Lay measures out as [site, example, (head,) measure], NaN where there is none.

    Measures that a recording does not have, because an earlier limelight began it, are left out;
    where it does not count rows that are NaN, a mean of others is NaN, as it was before.
    """
    table = np.full(spec.tail, np.nan, "<f4")
    dims = [dim for dim in spec.dims if dim in (schema.EXAMPLE, schema.HEAD)]
    for ordinal, site in enumerate(description.sites):
        measured = measures.get(site.name, xr.Dataset())
        if NAN_ROWS in measured and NAN_ROWS not in description.measures:
            measured = measured.where(measured[NAN_ROWS] == 0)
        for name, values in measured.data_vars.items():
            if name not in description.measures:
                continue
            numbers = values.transpose(*dims).values
            column = table[ordinal, ..., description.measures.index(str(name))]
            column[tuple(map(slice, numbers.shape))] = numbers
    return table


def parameter_rows(parameters: xr.Dataset, settled: Settled, row: int) -> Iterator[Row]:
    """Lay out histograms and statistics of the model's own parameters."""
    shared = settled.specs.shared
    counts = parameters["count"].transpose("parameter", "bin").values
    columns = [parameters[name].values for name in settled.description.sizes.statistics]
    yield Row("counts", shared["counts"], row, counts.astype("<i8"))
    yield Row("statistics", shared["statistics"], row, np.stack(columns, axis=-1).astype("<f8"))
