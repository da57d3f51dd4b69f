"""A study made ready: what was asked is read, checked and tried before time is spent on it.

Room: studying. Comes in: a model, data, and a study's arguments. Goes out: :class:`Prepared`, whose
passes a study only has to say what to do in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

import xarray as xr

from limelight.capture.adapter import adapter_for
from limelight.errors import StudyError
from limelight.study import Study
from limelight.studying import metrics
from limelight.studying.data import Data, Partition
from limelight.studying.heads import Head, chosen, key_groups
from limelight.studying.metrics import Metric
from limelight.studying.passes import Act, Passes, Reduce, live
from limelight.studying.progress import Cost, teller
from limelight.studying.results import attributes
from limelight.studying.trying import tried
from limelight.studying.units import Units

#: ``quick``: so many examples, in partitions of so many, evenly spread over the data.
QUICK_EXAMPLES, QUICK_ROWS = 64, 8


@dataclass(frozen=True)
class Asked:
    """What every study may be asked with.

    Attributes
    ----------
    metric, heads, key_groups, resample_by, seed, each, partition, collate, call, executor, workers,
    run, progress, quick : optional
        As :func:`limelight.ablation` says them.
    """

    metric: str | Callable[[Any, Any], Any]
    heads: Any
    key_groups: bool
    resample_by: Sequence[Any] | None
    seed: int
    each: bool
    partition: int
    collate: Callable[[list[Any]], Any] | None
    call: Callable[[Any, Any], Any] | None
    executor: Executor | None
    workers: int | None
    run: Any
    progress: Any
    quick: bool


@dataclass
class Prepared:
    """A model, its data and a metric that fit each other.

    Attributes
    ----------
    card : Study
    asked : Asked
    known : dict of str to int
        Sites, and how many heads each has.
    groups : list of tuple of head
        What is taken together: heads, or all that share their keys.
    labels : list of head
        A name for each, by which it is laid out.
    measure : Metric
    passes : Passes
    first : Partition
    """

    card: Study
    asked: Asked
    known: dict[str, int]
    groups: list[tuple[Head, ...]]
    labels: list[Head]
    measure: Metric
    passes: Passes
    first: Partition
    _units: Units | None = field(default=None)

    @property
    def dim(self) -> str:
        """What the labels count within a site."""
        return "key_group" if self.asked.key_groups else "head"

    def units(self, rows: Any) -> Units:
        """Return the units of some examples.

        Parameters
        ----------
        rows : array [example]
            Their numbers in the data.

        Returns
        -------
        Units
        """
        labels = self.asked.resample_by
        return Units(len(rows), None if labels is None else [labels[int(row)] for row in rows])

    def result(self, act: Act, reduce: Reduce, passes: float, forwards: float) -> xr.Dataset:
        """Run the study, or go on with it.

        Parameters
        ----------
        act : callable
            Does a partition.
        reduce : callable
            Makes a result of numbers [example, …] and of their examples' numbers.
        passes : float
            Of the model over each partition.
        forwards : float
            How many plain passes they cost together.

        Returns
        -------
        Dataset
        """
        waiting = self.passes.waiting()
        tell = teller(self.asked.progress, self.card.name)
        if waiting:
            seconds = tried(self.passes.live, self.first, self.measure)
            if hasattr(tell, "cost"):
                tell.cost(self._cost(seconds, waiting, passes, forwards))
        return self.passes.result(act, reduce, tell)

    def attributes(
        self, n: int, baseline: float, correction: str, **settings: Any
    ) -> dict[str, Any]:
        """Return what a result says of itself.

        Parameters
        ----------
        n : int
            Units.
        baseline : float
            The metric of the whole model.
        correction : str
        **settings : object
            Of the study alone.

        Returns
        -------
        dict
        """
        quick = {"quick": 1} if self.asked.quick else {}
        return attributes(
            study=self.card.name, tier=self.card.tier, metric=self.measure.name,
            units=self.measure.units, better=self.measure.better, n=n,
            of="examples" if self.asked.resample_by is None else "units", baseline=baseline,
            seed=self.asked.seed, data_digest=self.passes.scan.digest,
            model_digest=self.passes.digest, correction=correction, settings=settings | quick,
        )  # fmt: skip

    def _cost(self, seconds: float, waiting: int, passes: float, forwards: float) -> Cost:
        at_once = self.asked.workers or getattr(self.asked.executor, "_max_workers", None) or 1
        share = self.passes.examples / max(self.first.size * len(self.passes.firsts), 1)
        whole = seconds * forwards * waiting * share / at_once
        return Cost(self.card.name, self.passes.examples, len(self.passes.firsts),
                    round(passes * waiting), whole, _memory())  # fmt: skip


def prepared(
    card: Study,
    model: Any,
    data: Any,
    asked: Asked,
    settings: Mapping[str, Any],
    views: Mapping[str, Any] | None = None,
    fewest: int = 1,
) -> Prepared:
    """Read and check what a study was asked with.

    Parameters
    ----------
    card : Study
    model, data : object
    asked : Asked
    settings : mapping
        What else decides its numbers.
    views : mapping, optional
        What else decides its result.
    fewest : int
        Examples that a partition needs.

    Returns
    -------
    Prepared

    Raises
    ------
    StudyError
        If something does not fit.
    """
    measure = metrics.read(asked.metric)
    rows = min(asked.partition, QUICK_ROWS) if asked.quick else asked.partition
    read = Data(data, rows, asked.collate, asked.call, fewest)
    here = live(model)
    first = next(read.partitions(), None)
    if first is None:
        read.scan()  # which says that there is none
        raise AssertionError
    if measure.needs_targets and first.targets is None:
        raise StudyError(
            f"Got metric={measure.name!r} for data without targets.",
            "Wanted a target for each example.",
            "Give (inputs, targets), or metric='change', which needs none and takes no gradient.",
        )
    adapter = adapter_for(here)
    known = dict(adapter.heads(here, first.probe))
    pairs = chosen(known, asked.heads)
    groups: list[tuple[Head, ...]] = [(pair,) for pair in pairs]
    labels = list(pairs)
    if asked.key_groups:
        shared = adapter.key_heads(here, known, first.probe)
        groups, labels = key_groups(known, shared, pairs)
    said = {"metric": measure.name, **settings, "heads": None if asked.heads is None else pairs,
            "key_groups": asked.key_groups or None}  # fmt: skip
    looks = {**(views or {}), "seed": asked.seed, "each": asked.each or None,
             "resample_by": _hashed(asked.resample_by), "quick": asked.quick or None}  # fmt: skip
    passes = Passes(
        model, read, {"study": card.name} | _given(said) | _code(asked.metric), asked.executor,
        asked.workers, asked.run, card.tier, measure.name, _given(looks),
        QUICK_EXAMPLES // rows if asked.quick else None,
    )  # fmt: skip
    Units(passes.scan.examples, asked.resample_by)  # one label for each, or an error, now
    return Prepared(card, asked, known, groups, labels, measure, passes, first)


def _given(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}


def _hashed(labels: Sequence[Any] | None) -> str | None:
    if labels is None:
        return None
    return hashlib.sha256(repr([str(label) for label in labels]).encode()).hexdigest()[:12]


def _code(metric: Any) -> dict[str, str]:
    """Return what tells one function of a user's from another of the same name."""
    code = getattr(metric, "__code__", None)
    if code is None:
        return {}
    plain = [item for item in code.co_consts if isinstance(item, (int, float, str, bytes))]
    text = repr((code.co_code, plain, code.co_names))
    return {"metric_code": hashlib.sha256(text.encode()).hexdigest()[:12]}


def _memory() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024
