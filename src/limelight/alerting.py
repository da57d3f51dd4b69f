"""Judges a run while it is recorded, and tells people.

Room: beside capture and store. Comes in: what a step's record holds. Goes out: one warning for each
alert that begins, and a call of the user's function.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr

from limelight.alerts.judging.alert import BRIDGED, Alert
from limelight.alerts.judging.history import ATTENTION, Member
from limelight.alerts.judging.report import columns, report
from limelight.alerts.judging.rows import Recent, Row, heads, shape_of
from limelight.distribution import TensorTable
from limelight.errors import LimelightError, LimelightWarning
from limelight.measure import UNIFORM

#: What a user gives to be called with each alert that begins.
OnAlert = Callable[[Alert], object]


class Lookout:
    """Judges each new record by every rule, with the first one and the last ones beside it.

    Parameters
    ----------
    on_alert : callable, optional
        Called with each alert that begins; what it raises becomes one warning.

    Raises
    ------
    LimelightError
        If ``on_alert`` cannot be called.
    """

    def __init__(self, on_alert: OnAlert | None = None) -> None:
        if on_alert is not None and not callable(on_alert):
            raise LimelightError(
                f"Got on_alert={on_alert!r}.",
                "Wanted a function of an alert, or None.",
                "Write on_alert=print, say.",
            )
        self._on_alert = on_alert
        self._recent = Recent()
        self._steps: list[int] = []
        self._open: set[tuple[str, str]] = set()
        self._failed = False

    def see(
        self,
        step: int,
        tables: Mapping[str, TensorTable],
        measures: Mapping[str, xr.Dataset],
        uniform: Mapping[str, xr.Dataset],
    ) -> list[Alert]:
        """Judge a record, and tell of what begins with it.

        Parameters
        ----------
        step : int
        tables : mapping of str to TensorTable
            By kind.
        measures, uniform : mapping of str to Dataset
            By site, of heads, and of uniform attention.

        Returns
        -------
        list of Alert
            Those that begin.
        """
        rows = {kind: row for kind, names in columns().items() if kind in tables
                and (row := _row(step, tables[kind], names)) is not None}  # fmt: skip
        attended = _attended(step, measures, uniform, columns().get(ATTENTION, ()))
        if attended is not None:
            rows[ATTENTION] = attended
        self._recent.add(rows)
        self._steps = [*self._steps[-BRIDGED - 1 :], step]
        begun = self._begun(report(self._recent.history()).alerts)
        for alert in begun:
            self._tell(alert)
        return begun

    def _begun(self, alerts: list[Alert]) -> list[Alert]:
        """Return alerts that were not open before."""
        recent = self._steps[-BRIDGED - 1 :][0]
        going, begun = set[tuple[str, str]](), []
        for alert in alerts:
            key = alert.rule, alert.kind
            if alert.until is None and key not in self._open:
                begun.append(alert)
                self._open.add(key)
            if alert.until is None or alert.until >= recent:
                going.add(key)
        self._open &= going
        return begun

    def _tell(self, alert: Alert) -> None:
        if self._on_alert is not None:
            try:
                self._on_alert(alert)
            except Exception as cause:  # noqa: BLE001  # a user's function must not stop training
                self._excuse(cause)
        warnings.warn(LimelightWarning(f"limelight: {alert}"), stacklevel=6)

    def _excuse(self, cause: Exception) -> None:
        if self._failed:
            return
        self._failed = True
        message = (
            f"on_alert raised {type(cause).__name__}: {cause}. Training goes on, and it is called "
            "again at the next alert; that it fails is told once."
        )
        warnings.warn(LimelightWarning(message), stacklevel=7)


def _row(step: int, table: TensorTable, names: tuple[str, ...]) -> Row | None:
    """Return a table's numbers that rules look at."""
    wanted = tuple(name for name in names if name in table.columns)
    if not wanted or not table.names:
        return None
    members = _members(table.shapes, table.trainable, table.notes)
    values = np.stack([table.columns[name] for name in wanted], axis=-1)
    return Row(step, table.names, wanted, values, members)


@lru_cache(maxsize=16)  # a model's tensors stay the same from step to step
def _members(
    shapes: tuple[str, ...], trainable: tuple[bool, ...], notes: tuple[str, ...]
) -> tuple[Member, ...]:
    described = zip(shapes, trainable, notes, strict=True)
    return tuple(Member(shape_of(shape), trains, note) for shape, trains, note in described)


def _attended(
    step: int,
    measures: Mapping[str, xr.Dataset],
    uniform: Mapping[str, xr.Dataset],
    names: tuple[str, ...],
) -> Row | None:
    tensors: list[str] = []
    parts = []
    known: tuple[str, ...] = ()
    for site, measured in measures.items():
        wanted = _of_site(measured, uniform.get(site, xr.Dataset()), names)
        if not wanted:
            continue
        named, known, values = heads(site, wanted.items())
        tensors += named
        parts.append(values)
    if not parts:
        return None
    members = (Member(),) * len(tensors)
    return Row(step, tuple(tensors), known, np.concatenate(parts), members)


def _of_site(
    measured: xr.Dataset, uniform: xr.Dataset, names: tuple[str, ...]
) -> dict[str, np.ndarray[Any, Any]]:
    """Return a site's measures [example, head], those of uniform attention for each head."""
    recorded = [measured[name].transpose("example", "head").values
                for name in names if name in measured]  # fmt: skip
    if not recorded:
        return {}
    shape = recorded[0].shape
    wanted = {}
    for name in names:
        plain = name.removesuffix(UNIFORM)
        values = np.full(shape, np.nan)  # of what is not known of this site
        if plain != name and plain in uniform:
            values = np.broadcast_to(uniform[plain].values.reshape(-1, 1), shape)
        elif name in measured:
            values = measured[name].transpose("example", "head").values
        wanted[name] = values
    return wanted
