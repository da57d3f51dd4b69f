"""What happens to a metric without a head: each is taken away in turn, and the model run again.

Room: studies. Comes in: a live model or its recipe, and data. Goes out: effects [site, head] with
their intervals and tests.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight.capture.adapter import adapter_for
from limelight.capture.gating.gates import Gates, Piece, Replace
from limelight.capture.recognition import Choice
from limelight.errors import LimelightWarning, StudyError
from limelight.study import study
from limelight.studying.data import ROWS, Partition
from limelight.studying.heads import Head
from limelight.studying.intervals import interval
from limelight.studying.passes import Numbers
from limelight.studying.prepared import Asked, Prepared, prepared
from limelight.studying.results import by_site
from limelight.studying.sign_flips import tested

Scheme = Literal["one", "all-but-one", "cumulative"]

#: A half of fewer units chooses nothing.
_FEWEST_OF_HALF = 2


@study(
    title="ablation",
    answers=("H11",),
    tier="intervened",
    units="the metric's",
    bounds=(-np.inf, np.inf),
    source="P. Michel, O. Levy and G. Neubig, NeurIPS 2019",
    zh=("消融", "去掉某个头，指标会变多少：逐一去掉并重新运行模型。"),
)
def ablation(
    model: Any,
    data: Any,
    *,
    metric: str | Callable[[Any, Any], Any] = "loss",
    heads: Any = None,
    key_groups: bool = False,
    replace: Replace | Literal["zero"] = "zero",
    scheme: Scheme = "one",
    resample_by: Sequence[Any] | None = None,
    split: bool = True,
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
    """Measure what each head does for a metric, by taking it away.

    Tier: *intervened*. The effect of a head is the metric without it minus the metric with it.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, or Recipe
        It stays as it was: weights, mode, hooks, random states.
    data : object
        Inputs and targets, as :class:`limelight.studying.data.Data` reads them, in the data's own
        order, once a pass; never held whole.
    metric : str or callable
        ``loss``, ``accuracy``, ``probability``, ``margin``, ``difference``, ``change``, or a
        function of outputs and targets that returns one number for each example, of that example
        alone.
    heads : mapping of str to iterable of int, optional
        Some heads; all if not given.
    key_groups : bool
        With grouped-query attention, take all heads away together that share their keys.
    replace : ``zero``, ``mean``, ``sample`` or ``uniform``
        What stands in for a head's contribution, as for :func:`limelight.gate`: nothing; its mean
        over the partition; that of the partition's next example; or what it would be if the head
        attended evenly.
    scheme : ``one``, ``all-but-one`` or ``cumulative``
        Which heads are taken away: one; all of its site but one; it and all that are named before.
    resample_by : sequence, optional
        Labels of examples that belong together and are one unit.
    split : bool
        Whether one half of the units names the strongest head, and the other half measures it.
    seed : int
        For what is drawn: resamples, flips, halves.
    each : bool
        Also return the effect on each example.
    partition : int
        Examples of one task.
    collate, call : callable, optional
        How rows become a batch, and how the model is called.
    executor, workers : optional
        Who does the tasks: any ``concurrent.futures.Executor``, or so many processes. Numbers are
        the same whoever does.
    run : str, path, or Run, optional
        A log folder where what is finished is kept, and the result; a study that was killed goes
        on from there when it is called again. Pages show it while it runs.
    progress : bool or callable, optional
        A bar, and before it what the study costs; on a terminal, if not given. Or a function that
        is told how many tasks are done, and how many there are.
    quick : bool
        Take 64 examples, evenly spread over the data, for a first look with wide intervals.

    Returns
    -------
    Dataset [site, head]
        ``effect``, ``low`` and ``high`` (95 %), ``half_low`` and ``half_high`` (50 %), ``p_value``
        and ``p_adjusted`` (two-sided sign flips of units, Holm over heads; not for ``change``,
        which cannot be negative), and perhaps ``each`` [site, head, example]. With ``split``,
        ``effect_held_out`` with its ``held_out_low`` and ``held_out_high`` is of the half that did
        not choose; the head that the other half chose is the attribute ``strongest``. Attributes
        say n, baseline, settings, and all of it as one ``sentence``.

    Raises
    ------
    StudyError
        If data, metric, heads or settings do not fit, the model is random, or tasks fail.

    References
    ----------
    .. [1] P. Michel, O. Levy and G. Neubig, "Are sixteen heads really better than one?",
       NeurIPS 2019.

    Examples
    --------
    >>> import torch
    >>> layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> model = torch.nn.Sequential(layer, torch.nn.Flatten(), torch.nn.Linear(24, 2))
    >>> x, y = torch.randn(6, 3, 8), torch.tensor([0, 1, 0, 1, 1, 0])
    >>> ablation(model, (x, y))["effect"].shape
    (1, 2)
    """
    _check(scheme, replace)
    asked = Asked(metric, heads, key_groups, resample_by, seed, each, partition, collate, call,
                  executor, workers, run, progress, quick)  # fmt: skip
    ready = prepared(
        ablation.card, model, data, asked, {"replace": replace, "scheme": scheme},  # type: ignore[attr-defined]
        {"split": split}, fewest=2 if replace == "sample" else 1,
    )  # fmt: skip
    groups = _together(ready, scheme)
    act = Ablating(ready.measure.measure, tuple(groups), None if replace == "zero" else replace)
    share = 0.6 if replace == "zero" else 1.1  # of a whole pass, where the rest is shared

    def reduce(numbers: Numbers, rows: NDArray[Any]) -> xr.Dataset:
        return _result(ready, numbers, rows, replace=replace, scheme=scheme, split=split)

    result = ready.result(act, reduce, 1 + len(groups), 3 + share * len(groups))
    _warn_of_nan(ready, result)
    return result


def _result(
    ready: Prepared, numbers: Numbers, rows: NDArray[Any], *, replace: Any, scheme: str, split: bool
) -> xr.Dataset:
    """Sum numbers of examples up."""
    asked, plain = ready.asked, numbers["plain"]
    effects = numbers["without"] - plain[:, None]
    units = ready.units(rows)
    of_units = units.means(effects)
    low, high = interval(of_units, asked.seed)
    half_low, half_high = interval(of_units, asked.seed, 0.5)
    columns = {
        "effect": of_units.mean(0), "low": low, "high": high,
        "half_low": half_low, "half_high": half_high,
    }  # fmt: skip
    signed = ready.measure.name != "change"
    test = tested(of_units, asked.seed) if signed else None
    if test is not None:
        columns |= {"p_value": test.p_value, "p_adjusted": test.p_adjusted}
    if asked.each:
        columns["each"] = effects.T
    held_out = _held_out(ready, of_units, units.halves(asked.seed)) if split else None
    attrs = ready.attributes(
        units.count, float(units.means(plain).mean()), "Holm" if signed else "",
        replace=replace, scheme=scheme,
    )  # fmt: skip
    if held_out is not None:
        columns |= held_out[0]
        attrs |= held_out[1]
        attrs["sentence"] = f"{attrs['sentence'][:-1]}; {held_out[2]}."
    if test is not None:
        attrs |= {"p_floor": test.floor, "can_survive": int(test.can_survive)}
    made = by_site(ready.known, columns, ready.labels, ready.dim)
    return (
        made.assign_coords(example=rows).assign_attrs(attrs)
        if asked.each
        else (made.assign_attrs(attrs))
    )


def _held_out(
    ready: Prepared, of_units: NDArray[Any], halves: tuple[NDArray[Any], NDArray[Any]]
) -> tuple[dict[str, Any], dict[str, Any], str] | None:
    """Let one half of the units name the strongest head, and measure by the other."""
    choosing, measuring = halves
    if len(choosing) < _FEWEST_OF_HALF:
        return None
    chosen, shown = of_units[choosing].mean(0), of_units[measuring]
    low, high = interval(shown, ready.asked.seed)
    sign = {"lower": 1.0, "higher": -1.0}.get(ready.measure.better)
    harm = np.abs(chosen) if sign is None else sign * chosen
    if not np.isfinite(harm).any():
        return None
    at = int(np.nanargmax(harm))
    name = "{}#{}".format(*ready.labels[at])
    columns = {
        "effect_choosing": chosen, "effect_held_out": shown.mean(0), "held_out_low": low,
        "held_out_high": high,
    }  # fmt: skip
    ends = f" [{low[at]:.4g}, {high[at]:.4g}]" if np.isfinite(low[at]) else ""
    said = (
        f"strongest on one half of the {ready.attributes(0, 0.0, '')['of']}: {name}, "
        f"{shown.mean(0)[at]:.4g}{ends} on the other half (n = {len(measuring)})"
    )
    return columns, {"strongest": name, "n_held_out": len(measuring)}, said


def _warn_of_nan(ready: Prepared, result: xr.Dataset) -> None:
    """Say of which heads no effect is known though they were taken away."""
    effect = result["effect"]
    odd = [(site, head) for site, head in ready.labels
           if not np.isfinite(effect.sel({"site": site, ready.dim: head}))]  # fmt: skip
    if odd:
        more = f", nor without {len(odd) - 1} others" if odd[1:] else ""
        warnings.warn(
            LimelightWarning(
                f"Without head {odd[0][1]} of {odd[0][0]!r} the metric is not finite{more}: they "
                "have no effect in the result."
            ),
            stacklevel=3,
        )


@dataclass(frozen=True)
class Ablating:
    """Does one partition: the metric of each example, with all heads and without some."""

    metric: Any
    groups: tuple[tuple[Head, ...], ...]
    replace: Replace

    def __call__(self, model: Any, task: Partition) -> Numbers:
        """Return ``plain`` [example] and ``without`` [example, group]."""
        if self.replace == "sample" and task.size < 2:
            raise StudyError(
                f"Got replace='sample' for example {task.first}, which is alone in its partition.",
                "Wanted another example of the same shape to take a sample from.",
                "Pad examples to one length, take a larger partition=…, or replace='mean'.",
            )
        choice = Choice.of(task.probe)
        gates = [Gates({}, choice=choice)]
        for group in self.groups:
            sites: dict[str, tuple[Piece, ...]] = {}
            for site, head in group:
                sites[site] = (*sites.get(site, ()), Piece(head, 0.0))
            gates.append(Gates(sites, self.replace, None, choice))
        values = adapter_for(model).measured(model, task.probe, gates, self.metric, task.targets)
        return {"plain": values[0], "without": values[1:].T}


def _together(ready: Prepared, scheme: str) -> list[tuple[Head, ...]]:
    """Return which heads go together in each run."""
    groups = ready.groups
    if scheme == "one":
        return groups
    if scheme == "cumulative":
        return [tuple(pair for group in groups[: at + 1] for pair in group)
                for at in range(len(groups))]  # fmt: skip
    return [
        tuple((site, other) for site, _ in group[:1] for other in range(ready.known[site])
              if (site, other) not in group)
        for group in groups
    ]  # fmt: skip


def _check(scheme: str, replace: str | None) -> None:
    schemes = ("one", "all-but-one", "cumulative")
    if scheme not in schemes:
        raise StudyError(
            f"Got scheme={scheme!r}.", f"Wanted one of {', '.join(schemes)}.", "Correct it."
        )
    if replace not in ("zero", "mean", "sample", "uniform"):
        raise StudyError(
            f"Got replace={replace!r}.", "Wanted 'zero', 'mean', 'sample' or 'uniform'.",
            "Correct it.",
        )  # fmt: skip
