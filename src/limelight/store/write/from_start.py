"""How far each tensor is from what it was at the first recorded step.

Room: store. Comes in: a step's tables. Goes out: the same, with the columns filled that need the
first step; a later process that goes on with a recording reads that step from it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from limelight.distribution import TensorTable, counting
from limelight.distribution.columns import FROM_START, NEAR_START
from limelight.errors import LimelightError
from limelight.store.format.description import BITS
from limelight.store.format.files import Files
from limelight.store.format.index import PARAMETER, Line
from limelight.store.format.layout import counts_of, statistics_of
from limelight.store.write.settle import Settled
from limelight.store.write.step import Step
from limelight.store.zarr.arrays import Arrays

#: Of a tensor at its first step: its counts in the bins in use, the first of these, and its std.
_First = tuple[np.ndarray[Any, Any], int, float]


#: Tensors compared at once: of very many, sums would take more than counts do.
_AT_ONCE: Final = 256


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
                  if FROM_START[0] in values.columns and values.encoding == BITS}  # fmt: skip
        if not tables:
            return step
        filled = {}
        for kind, values in tables.items():
            if kind not in self._read:
                self._read.add(kind)
                self._look_up(kind, files, settled, lines)
            filled[kind] = self._filled(kind, values)
        every = {**step.tables, **filled}
        return replace(step, parameters=every.pop(PARAMETER, None), tensors=every)

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

    def _filled(self, kind: str, values: TensorTable) -> TensorTable:
        counts, names, stds = values.counts, values.names, values.columns["std"].tolist()
        held = counts.any(axis=1)
        for at in np.flatnonzero(held).tolist():
            if (kind, names[at]) not in self._first:
                self._first[kind, names[at]] = _kept(counts[at], stds[at])
        zeros = np.nan_to_num(values.columns["zeros"]) * counts.sum(axis=1)
        parts = []
        for start in range(0, len(names), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            before, limits = self._begun(kind, names[part], counts.shape[1])
            near = counting.within(counts[part], NEAR_START * limits, np.rint(zeros[part]))
            parts.append(np.stack([near, counting.distance(before, counts[part])]))
        columns = np.concatenate(parts, axis=1)
        columns[:, ~held] = np.nan
        return values.assign(dict(zip(FROM_START, columns, strict=True)))

    def _begun(
        self, kind: str, names: Sequence[str], bins: int
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return counts and stds with which some tensors began."""
        counts, stds = np.zeros((len(names), bins), np.uint32), np.full(len(names), np.nan)
        for at, name in enumerate(names):
            first = self._first.get((kind, name))
            if first is not None:
                counts[at, first[1] : first[1] + len(first[0])], stds[at] = first[0], first[2]
        return counts, stds


def _kept(counts: np.ndarray[Any, Any], std: float) -> _First:
    used = np.flatnonzero(counts)
    if not used.size:
        return counts[:0].copy(), 0, math.nan
    return counts[used[0] : used[-1] + 1].copy(), int(used[0]), std
