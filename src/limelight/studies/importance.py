"""How strongly a metric answers to each head's gate, by gradient: one pass for all heads.

Room: studies. Comes in: a live model or its recipe, and data. Goes out: importances and first-order
effects [site, head].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from limelight.capture.adapter import adapter_for
from limelight.errors import StudyError
from limelight.studying import metrics
from limelight.studying.data import ROWS, Data, Partition
from limelight.studying.heads import Head, chosen
from limelight.studying.intervals import interval
from limelight.studying.passes import Numbers, Passes
from limelight.studying.recipe import Recipe
from limelight.studying.results import attributes, by_site
from limelight.studying.units import Units


def importance(
    model: Any,
    data: Any,
    *,
    metric: str | Callable[[Any, Any], Any] = "loss",
    heads: Any = None,
    resample_by: Sequence[Any] | None = None,
    seed: int = 0,
    each: bool = False,
    partition: int = ROWS,
    collate: Callable[[list[Any]], Any] | None = None,
    call: Callable[[Any, Any], Any] | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    run: Any = None,
) -> xr.Dataset:
    """Estimate what each head does for a metric, by the gradient of its gate.

    Tier: *gradient-attributed*. One forward and one backward pass serve all heads.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, or Recipe
        It stays as it was.
    data : object
        Inputs and targets, as :class:`limelight.studying.data.Data` reads them.
    metric : str or callable
        ``loss``, ``probability``, ``margin``, ``difference``, or a differentiable function of
        outputs and targets that returns one number for each example.
    heads : mapping of str to iterable of int, optional
        Some heads; all if not given.
    resample_by : sequence, optional
        Labels of examples that belong together and are one unit.
    seed : int
    each : bool
        Also return the gradient of each example.
    partition : int
    collate, call : callable, optional
    executor, workers, run : optional
        As for :func:`limelight.ablation`.

    Returns
    -------
    Dataset [site, head]
        ``importance``, the mean over examples of the absolute gradient of each, with ``low`` and
        ``high`` (95 %); it cannot be negative, so an interval above 0 says nothing. And
        ``first_order``, minus the mean gradient: what ablation's ``effect`` would be if the metric
        were linear in the gate; only this one is on ablation's axis. Perhaps ``each``
        [site, head, example].

    Raises
    ------
    StudyError
        If data, metric or heads do not fit, or the metric has no gradient.

    References
    ----------
    .. [1] P. Michel, O. Levy and G. Neubig, "Are sixteen heads really better than one?",
       NeurIPS 2019, section 4.1.

    Examples
    --------
    >>> import torch
    >>> layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> model = torch.nn.Sequential(layer, torch.nn.Flatten(), torch.nn.Linear(24, 2))
    >>> x, y = torch.randn(6, 3, 8), torch.tensor([0, 1, 0, 1, 1, 0])
    >>> bool((importance(model, (x, y))["importance"] >= 0).all())
    True
    """
    measure = metrics.read(metric)
    if measure.name in ("accuracy", "change"):
        raise StudyError(
            f"Got metric={measure.name!r}, whose gradient is zero wherever it has one.",
            "Wanted a metric that changes smoothly.",
            "Take metric='loss' or 'margin', or measure this one by ablation.",
        )
    read = Data(data, partition, collate, call)
    live = model.make() if isinstance(model, Recipe) else model
    first = next(iter(read.partitions()))
    known = adapter_for(live).heads(live, first.probe)
    pairs = chosen(known, heads)
    if measure.needs_targets and first.targets is None:
        raise StudyError(
            f"Got metric={measure.name!r} for data without targets.",
            "Wanted a target for each example.",
            "Give (inputs, targets).",
        )
    passes = Passes(model, read, {"study": "importance", "metric": measure.name, "heads": pairs},
                    executor, workers, run, "gradient-attributed")  # fmt: skip
    numbers = passes.numbers(Weighing(measure.measure, tuple(known.items()), tuple(pairs)))
    slopes = numbers["slopes"]
    units = Units(len(slopes), resample_by)
    sizes = units.means(np.abs(slopes))
    low, high = interval(sizes, seed)
    columns = {
        "importance": sizes.mean(0), "low": low, "high": high,
        "first_order": -units.means(slopes).mean(0),
    }  # fmt: skip
    if each:
        columns["each"] = slopes.T
    made = by_site(known, columns, pairs)
    return passes.finish(made.assign_attrs(attributes(
        study="importance", tier="gradient-attributed", metric=measure.name, units=measure.units,
        better=measure.better, n=units.count, of="examples" if resample_by is None else "units",
        baseline=float(units.means(numbers["plain"]).mean()), seed=seed,
        data_digest=passes.scan.digest, model_digest=passes.digest, correction="", settings={},
    )))  # fmt: skip


@dataclass(frozen=True)
class Weighing:
    """Does one partition: the gradient of each example's metric by each gate."""

    metric: Any
    known: tuple[tuple[str, int], ...]
    pairs: tuple[Head, ...]

    def __call__(self, model: Any, task: Partition) -> Numbers:
        """Return ``plain`` [example] and ``slopes`` [example, head]."""
        plain, by_site = adapter_for(model).gate_gradients(
            model, task.probe, dict(self.known), self.metric, task.targets
        )
        slopes = np.stack([by_site[site][:, head] for site, head in self.pairs], axis=1)
        return {"plain": plain, "slopes": slopes}
