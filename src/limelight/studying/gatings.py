"""A metric with any heads taken away together: what studies of several heads share.

Room: studying. Comes in: a model, data, and which heads go in which run. Goes out: the metric of
each example in each run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight.capture.adapter import adapter_for
from limelight.capture.gating.gates import Gates, Piece, Replace
from limelight.capture.recognition import Choice
from limelight.errors import StudyError
from limelight.studying import metrics
from limelight.studying.data import Data, Partition
from limelight.studying.heads import Head, chosen
from limelight.studying.looking import Settings
from limelight.studying.metrics import Metric
from limelight.studying.passes import Numbers, Passes
from limelight.studying.recipe import Recipe

#: Heads that are away in one run.
Away = frozenset[Head]


@dataclass(frozen=True)
class Asked:
    """What was asked of a model and data, checked.

    Attributes
    ----------
    model : object or Recipe
    data : Data
    metric : Metric
    known : dict of str to int
        Sites and how many heads each has.
    pairs : list of (str, int)
        The heads that are meant.
    replace : str
    settings : Settings
    """

    model: Any
    data: Data
    metric: Metric
    known: dict[str, int]
    pairs: list[Head]
    replace: str
    settings: Settings

    @property
    def sign(self) -> int:
        """1 where a higher metric is better, else −1; of a user's own, higher is taken for it."""
        return -1 if self.metric.better == "lower" or self.metric.name == "change" else 1

    def passes(self, study: str, settings: Mapping[str, Any]) -> Passes:
        """Return passes of a study over the data."""
        every = {"study": study, "metric": self.metric.name, "replace": self.replace, **settings}
        return Passes(self.model, self.data, every, self.settings.executor, self.settings.workers,
                      self.settings.run, "intervened")  # fmt: skip

    def act(self, runs: Sequence[Away]) -> Without:
        """Return what does a partition in each of several runs."""
        replace: Any = None if self.replace == "zero" else self.replace
        return Without(self.metric.measure, tuple(runs), replace)


def asked(
    model: Any,
    data: Any,
    metric: str | Callable[[Any, Any], Any],
    heads: Any,
    replace: str,
    settings: Settings,
) -> Asked:
    """Check what is asked.

    Parameters
    ----------
    model : model or Recipe
    data : object
    metric : str or callable
    heads : mapping of str to iterable of int, optional
    replace : str
    settings : Settings

    Returns
    -------
    Asked

    Raises
    ------
    StudyError
        If something does not fit.
    """
    if replace not in ("zero", "mean", "sample", "uniform"):
        raise StudyError(
            f"Got replace={replace!r}.", "Wanted 'zero', 'mean', 'sample' or 'uniform'.",
            "Correct it.",
        )  # fmt: skip
    measure = metrics.read(metric)
    read = Data(data, settings.partition, settings.collate, settings.call)
    live = model.make() if isinstance(model, Recipe) else model
    first = next(iter(read.partitions()))
    known = adapter_for(live).heads(live, first.probe)
    if measure.needs_targets and first.targets is None:
        raise StudyError(
            f"Got metric={measure.name!r} for data without targets.",
            "Wanted a target for each example.",
            "Give (inputs, targets), or metric='change', which needs none.",
        )
    return Asked(model, read, measure, known, chosen(known, heads), replace, settings)


@dataclass(frozen=True)
class Without:
    """Does one partition: the metric of each example with some heads away.

    Attributes
    ----------
    metric : str or callable
    runs : tuple of frozenset of (str, int)
    replace : str, optional
        None silences.
    """

    metric: Any
    runs: tuple[Away, ...]
    replace: Replace

    def __call__(self, model: Any, task: Partition) -> Numbers:
        """Return ``values`` [example, run]."""
        choice = Choice.of(task.probe)
        gates = []
        for away in self.runs:
            sites: dict[str, tuple[Piece, ...]] = {}
            for site, head in sorted(away):
                sites[site] = (*sites.get(site, ()), Piece(head, 0.0))
            gates.append(Gates(sites, self.replace if sites else None, None, choice))
        values = adapter_for(model).measured(model, task.probe, gates, self.metric, task.targets)
        return {"values": np.asarray(values).T}


def runs_of(coalitions: Iterable[Iterable[Head]]) -> dict[Away, int]:
    """Return each set of heads once, with its number.

    Parameters
    ----------
    coalitions : iterable of iterable of (str, int)

    Returns
    -------
    dict of frozenset to int

    Examples
    --------
    >>> len(runs_of([[], [("a", 0)], [("a", 0)]]))
    2
    """
    runs: dict[Away, int] = {}
    for away in coalitions:
        runs.setdefault(frozenset(away), len(runs))
    return runs


def by_effect(effects: xr.Dataset, pairs: Sequence[Head], units: NDArray[Any]) -> NDArray[Any]:
    """Return the mean effect of each head over some units, of an ablation's ``each``.

    Parameters
    ----------
    effects : Dataset
    pairs : sequence of (str, int)
    units : array [example]
        bool.

    Returns
    -------
    array [head]
    """
    each = effects["each"]
    rows = [each.sel(site=site, head=head).values[units] for site, head in pairs]
    return np.asarray(np.mean(rows, axis=1), np.float64)
