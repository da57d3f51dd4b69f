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
from limelight.store.format.description import Description
from limelight.store.format.layout import ArraySpec, counts_of, statistics_of
from limelight.store.write.rows import Row
from limelight.store.write.settle import Settled
from limelight.store.write.step import Measures, Step


def table_of(spec: ArraySpec, description: Description, measures: Measures) -> np.ndarray[Any, Any]:
    """Lay measures out as [site, example, (head,) measure], NaN where there is none."""
    table = np.full(spec.tail, np.nan, "<f4")
    dims = [dim for dim in spec.dims if dim in (schema.EXAMPLE, schema.HEAD)]
    for ordinal, site in enumerate(description.sites):
        for name, values in measures.get(site.name, xr.Dataset()).data_vars.items():
            numbers = values.transpose(*dims).values
            column = table[ordinal, ..., description.measures.index(str(name))]
            column[tuple(map(slice, numbers.shape))] = numbers
    return table


def statistics_rows(step: Step, settled: Settled, row: int) -> Iterator[Row]:
    """Lay out histograms and statistics."""
    shared = settled.specs.shared
    for kind, values in step.tables.items():
        table = settled.description.table(kind)
        assert table is not None, f"a layout without the step's {kind}"
        columns = [values.columns[name] for name in table.columns]
        roles = counts_of(kind), statistics_of(kind)
        yield Row(
            roles[0],
            shared[roles[0]],
            row,
            values.counts.astype(shared[roles[0]].dtype, copy=False),
        )
        yield Row(
            roles[1], shared[roles[1]], row, np.stack(columns, axis=-1).astype("<f8", copy=False)
        )
