"""How far each tensor is from what it was at the first recorded step.

Room: store. Comes in: a step's tables. Goes out: the same, with the columns filled that need the
first step; a later process that goes on with a recording reads that step from it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from limelight.distribution import counting
from limelight.distribution.columns import FROM_START, NEAR_START
from limelight.errors import LimelightError
from limelight.store.format.description import BITS
from limelight.store.format.files import Files
from limelight.store.format.index import Line
from limelight.store.format.layout import counts_of, statistics_of
from limelight.store.write.settle import Settled
from limelight.store.write.step import Step
from limelight.store.zarr.arrays import Arrays

#: Of a tensor at its first step: its counts in the bins in use, the first of these, and its std.
_First = tuple[np.ndarray[Any, Any], int, float]


class FromStart:
    """Remembers the first step of each tensor of each kind."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], _First] = {}
        self._read: set[str] = set()

    def compared(self, step: Step, files: Files, settled: Settled, lines: Sequence[Line]) -> Step:
        """Return a step whose tables say how far they are from the first.

        Parameters
        ----------
        step : Step
        files : Files
        settled : Settled
        lines : sequence of Line
            Those of the index.

        Returns
        -------
        Step
        """
        tables = {kind: values for kind, values in step.tables.items()
                  if set(FROM_START) <= set(values)}  # fmt: skip
        if not tables:
            return step
        filled = {}
        for kind, values in tables.items():
            if kind not in self._read:
                self._read.add(kind)
                self._look_up(kind, files, settled, lines)
            filled[kind] = self._filled(kind, values)
        parameters = filled.pop("parameter", step.parameters)
        return replace(step, parameters=parameters, tensors={**step.tensors, **filled})

    def _look_up(self, kind: str, files: Files, settled: Settled, lines: Sequence[Line]) -> None:
        """Read the first step of a recording that is continued, if it has that kind."""
        having = [line for line in lines if kind in line.tables]
        if not having:
            return
        line = min(having, key=lambda line: line.step)
        layout = settled.layouts[line.layout]
        table, shared = layout.description.table(kind), layout.specs.shared
        if table is None or table.encoding != BITS or "std" not in table.columns:
            return
        arrays = Arrays(files, settled.run)
        try:
            counts = arrays.read(shared[counts_of(kind)], line.row, line.step)
            numbers = arrays.read(shared[statistics_of(kind)], line.row, line.step)
        except LimelightError:
            return  # what is damaged is told by readers
        stds = numbers[:, table.columns.index("std")]
        for member, row, std in zip(table.members, counts, stds.tolist(), strict=True):
            self._first[kind, member.name] = _kept(row, std)

    def _filled(self, kind: str, values: xr.Dataset) -> xr.Dataset:
        counts = values["count"].transpose("parameter", "bin").values
        names, stds = values["parameter"].values.tolist(), values["std"].values.tolist()
        zeros = values["zeros"].values * counts.sum(axis=1)
        near, moved = np.full(len(names), np.nan), np.full(len(names), np.nan)
        for at, name in enumerate(names):
            if not counts[at].any():
                continue
            first = self._first.setdefault((kind, name), _kept(counts[at], stds[at]))
            limit = NEAR_START * first[2]
            near[at] = counting.within(counts[at], limit, round(zeros[at]))
            moved[at] = counting.distance(_whole(first, counts.shape[1]), counts[at])
        columns = dict(zip(FROM_START, (near, moved), strict=True))
        return values.assign({name: ("parameter", column) for name, column in columns.items()})


def _kept(counts: np.ndarray[Any, Any], std: float) -> _First:
    used = np.flatnonzero(counts)
    if not used.size:
        return counts[:0].copy(), 0, math.nan
    return counts[used[0] : used[-1] + 1].copy(), int(used[0]), std


def _whole(first: _First, bins: int) -> np.ndarray[Any, Any]:
    counts = np.zeros(bins, np.int64)
    counts[first[1] : first[1] + len(first[0])] = first[0]
    return counts
