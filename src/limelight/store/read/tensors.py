"""Statistics of tensors over steps, read from a recording: parameters, gradients and so on.

Room: store. Comes in: an opened recording and lines of its index. Goes out: labelled datasets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from limelight.distribution import BINS, counting, edges
from limelight.distribution.columns import TIMES
from limelight.errors import NotRecordedError
from limelight.store.format.description import BITS, Table
from limelight.store.format.index import PARAMETER, TIME, TRAINING, Line
from limelight.store.format.layout import counts_of, statistics_of
from limelight.store.read.opening import Opened, absent
from limelight.store.read.tables import coords, every


def tensors(
    opened: Opened,
    names: Sequence[str],
    lines: Sequence[Line],
    kind: str = PARAMETER,
    *,
    counts: bool = True,
) -> xr.Dataset:
    """Return histograms and numbers [step, parameter] of tensors of a kind.

    Parameters
    ----------
    opened : Opened
    names : sequence of str
    lines : sequence of Line
    kind : str
    counts : bool
        Whether histograms are read too, which takes most of the time.

    Returns
    -------
    Dataset
        As :meth:`limelight.store.Run.tensors` describes it.

    Raises
    ------
    NotRecordedError
        If there is no such tensor.
    """
    known = opened.members(kind)
    for name in names:
        if name not in known:
            raise absent(kind, name, opened.run, list(known))
    tables = [table for layout in opened.shown if (table := layout.description.table(kind))]
    sizes = opened.newest(lambda description: description.table(kind)).sizes
    columns = every(table.columns for table in tables) or sizes.statistics
    numbers = np.full((len(lines), len(names), len(columns)), np.nan)
    for at, line, table, into, source in _present(opened, names, lines, kind):
        spec = opened.layout(line).specs.shared[statistics_of(kind)]
        rows = opened.arrays.read(spec, line.row, line.step)[source]
        numbers[at][np.ix_(into, [columns.index(name) for name in table.columns])] = rows
    variables: dict[str, Any] = {}
    labels = {**coords(lines), "parameter": np.array(names, np.str_)}
    attrs = {"kind": kind}
    if counts:
        encodings = {table.encoding for _, _, table, *_ in _present(opened, names, lines, kind)}
        bits = BITS in encodings or (not encodings and any(t.encoding == BITS for t in tables))
        read = _on_bits if bits else _linear
        variables["count"], more = read(opened, names, lines, kind)
        labels |= more
    if kind == TIME:
        variables["norm"], columns, numbers = _by_time(columns, numbers)
    for number, name in enumerate(columns):
        variables[name] = (("step", "parameter"), numbers[..., number])
    if counts and "left" not in labels and {"low", "high"} <= set(columns):
        low, high = (numbers[..., columns.index(name)] for name in ("low", "high"))
        with np.errstate(invalid="ignore"):  # a tensor without a finite value has no range
            lines_of_bins = np.linspace(low, high, variables["count"][1].shape[-1] + 1, axis=-1)
        variables["edge"] = (("step", "parameter", "bin_edge"), lines_of_bins)
    return xr.Dataset(variables, labels, attrs | _first_nonfinite(opened, names, lines, kind))


def _by_time(
    columns: Sequence[str], numbers: np.ndarray[Any, Any]
) -> tuple[Any, tuple[str, ...], np.ndarray[Any, Any]]:
    """Take norms by time step out of a table's numbers, as far as any layer has them."""
    times = [columns.index(name) for name in TIMES if name in columns]
    others = [number for number, name in enumerate(columns) if name not in TIMES]
    norms = numbers[..., times]
    known = np.flatnonzero(~np.isnan(norms).all(axis=(0, 1)))
    norms = norms[..., : known[-1] + 1 if known.size else 0]
    return (
        (("step", "parameter", "time"), norms),
        tuple(columns[number] for number in others),
        numbers[..., others],
    )


def _first_nonfinite(
    opened: Opened, names: Sequence[str], lines: Sequence[Line], kind: str
) -> dict[str, Any]:
    """Return where values were first no finite numbers, and at which step, if that was recorded."""
    if kind != TRAINING:
        return {}
    for _, line, table, _, source in _present(opened, names, lines, kind):
        for note in (table.members[number].note for number in source):
            if note:
                return {"first_nonfinite": note, "first_nonfinite_step": line.step}
    return {}


def _present(
    opened: Opened, names: Sequence[str], lines: Sequence[Line], kind: str
) -> list[tuple[int, Line, Table, list[int], list[int]]]:
    """Return the lines that have some of the names: where these go, and where they come from."""
    present = []
    for at, line in enumerate(lines):
        table = opened.layout(line).description.table(kind)
        if kind not in line.tables or table is None:
            continue
        ordinals = {member.name: ordinal for ordinal, member in enumerate(table.members)}
        into = [ordinal for ordinal, name in enumerate(names) if name in ordinals]
        if into:
            present.append((at, line, table, into, [ordinals[names[at]] for at in into]))
    return present


def _linear(
    opened: Opened, names: Sequence[str], lines: Sequence[Line], kind: str
) -> tuple[Any, dict[str, Any]]:
    """Read histograms whose bins lie evenly between a tensor's own least and greatest value."""
    present = _present(opened, names, lines, kind)
    bins = {table.bins for _, _, table, *_ in present}
    if len(bins) > 1:
        raise NotRecordedError(
            f"Got steps of run {opened.run!r} with histograms of {sorted(bins)} bins.",
            "Wanted steps whose histograms have as many.",
            "Ask for some of them: step=slice(first, last).",
        )
    sizes = opened.newest(lambda description: description.table(kind)).sizes
    counts = np.zeros((len(lines), len(names), *(bins or {sizes.bins})), np.int64)
    for at, line, _, into, source in present:
        spec = opened.layout(line).specs.shared[counts_of(kind)]
        counts[at, into] = opened.arrays.read(spec, line.row, line.step)[source]
    return (("step", "parameter", "bin"), counts), {}


def _on_bits(
    opened: Opened, names: Sequence[str], lines: Sequence[Line], kind: str
) -> tuple[Any, dict[str, Any]]:
    """Read histograms on the bins that are the same for all; only bins in use are kept."""
    rows: list[tuple[int, int, int, np.ndarray[Any, Any]]] = []
    for at, line, table, into, source in _present(opened, names, lines, kind):
        shared = opened.layout(line).specs.shared
        spec, many = shared[counts_of(kind)], len(source) > len(table.members) // 2
        whole = None
        if many or table.encoding != BITS:
            whole = opened.arrays.read(spec, line.row, line.step)
        if table.encoding != BITS:
            assert whole is not None
            numbers = opened.arrays.read(shared[statistics_of(kind)], line.row, line.step)
            whole = _gathered(whole, numbers, table)
        for ordinal, number in zip(into, source, strict=True):
            counts = whole[number] if whole is not None else opened.arrays.read(
                spec, line.row, line.step, number
            )  # fmt: skip
            counts = counts.reshape(-1)
            used = np.flatnonzero(counts)
            if used.size:
                start, stop = int(used[0]), int(used[-1]) + 1
                rows.append((at, ordinal, start, counts[start:stop].copy()))
    used = np.zeros(BINS, bool)
    for *_, start, part in rows:
        used[start : start + len(part)] |= part > 0
    columns_used = np.flatnonzero(used)
    columns = np.cumsum(used) - 1
    counts = np.zeros((len(lines), len(names), columns_used.size), np.int64)
    for at, ordinal, start, part in rows:
        inside = np.flatnonzero(part)
        counts[at, ordinal, columns[start + inside]] = part[inside]
    more = {"left": ("bin", edges()[columns_used]), "right": ("bin", edges()[columns_used + 1])}
    return (("step", "parameter", "bin"), counts), more


def _gathered(
    counts: np.ndarray[Any, Any], numbers: np.ndarray[Any, Any], table: Table
) -> np.ndarray[Any, Any]:
    """Bring histograms of an earlier limelight onto these bins."""
    low, high = (numbers[:, table.columns.index(name)] for name in ("low", "high"))
    return np.stack([
        counting.gathered(row, np.linspace(least, most, table.bins + 1))
        for row, least, most in zip(counts, low.tolist(), high.tolist(), strict=True)
    ])  # fmt: skip
