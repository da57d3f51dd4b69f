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
from numpy.typing import NDArray

from limelight.capture.adapter import adapter_for
from limelight.errors import StudyError
from limelight.study import study
from limelight.studying.data import ROWS, Partition
from limelight.studying.heads import Head
from limelight.studying.intervals import interval
from limelight.studying.passes import Numbers
from limelight.studying.prepared import Asked, prepared
from limelight.studying.results import by_site


@study(
    title="importance",
    answers=("H9",),
    tier="gradient-attributed",
    units="the metric's",
    bounds=(0.0, np.inf),
    source="P. Michel, O. Levy and G. Neubig, NeurIPS 2019, section 4.1",
    zh=("重要性", "指标对每个头的门有多敏感：一次反向传播算出所有头的梯度。"),
)
def importance(
    model: Any,
    data: Any,
    *,
    metric: str | Callable[[Any, Any], Any] = "loss",
    heads: Any = None,
    key_groups: bool = False,
    resample_by: Sequence[Any] | None = None,
    seed: int = 0,
    each: bool = False,
    partition: int = ROWS,
    collate: Callable[[list[Any]], Any] | None = None,
    call: Callable[[Any, Any], Any] | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    run: Any = None,
    progress: bool | Callable[[int, int], None] | None = None,
    quick: bool = False,
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
    key_groups : bool
        With grouped-query attention, one gate for all heads that share their keys.
    resample_by : sequence, optional
        Labels of examples that belong together and are one unit.
    seed : int
    each : bool
        Also return the gradient of each example.
    partition : int
    collate, call : callable, optional
    executor, workers, run, progress, quick : optional
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
    if metric in ("accuracy", "change"):
        raise StudyError(
            f"Got metric={metric!r}, whose gradient is zero wherever it has one.",
            "Wanted a metric that changes smoothly.",
            "Take metric='loss' or 'margin', or measure this one by ablation.",
        )
    asked = Asked(metric, heads, key_groups, resample_by, seed, each, partition, collate, call,
                  executor, workers, run, progress, quick)  # fmt: skip
    ready = prepared(importance.card, model, data, asked, {})  # type: ignore[attr-defined]

    def reduce(numbers: Numbers, rows: NDArray[Any]) -> xr.Dataset:
        units, slopes = ready.units(rows), numbers["slopes"]
        sizes = units.means(np.abs(slopes))
        low, high = interval(sizes, seed)
        columns = {
            "importance": sizes.mean(0), "low": low, "high": high,
            "first_order": -units.means(slopes).mean(0),
        }  # fmt: skip
        if each:
            columns["each"] = slopes.T
        made = by_site(ready.known, columns, ready.labels, ready.dim)
        made = made.assign_coords(example=rows) if each else made
        baseline = float(units.means(numbers["plain"]).mean())
        return made.assign_attrs(ready.attributes(units.count, baseline, ""))

    return ready.result(Weighing(ready.measure.measure, tuple(ready.known.items()),
                                 tuple(ready.groups)), reduce, 2, 3)  # fmt: skip


@dataclass(frozen=True)
class Weighing:
    """Does one partition: the gradient of each example's metric by each gate."""

    metric: Any
    known: tuple[tuple[str, int], ...]
    groups: tuple[tuple[Head, ...], ...]

    def __call__(self, model: Any, task: Partition) -> Numbers:
        """Return ``plain`` [example] and ``slopes`` [example, group]."""
        plain, by_site = adapter_for(model).gate_gradients(
            model, task.probe, dict(self.known), self.metric, task.targets
        )
        slopes = np.stack(
            [sum(by_site[site][:, head] for site, head in group) for group in self.groups], axis=1
        )
        return {"plain": plain, "slopes": slopes}
