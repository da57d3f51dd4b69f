"""What happens to a metric without a head: each is taken away in turn, and the model run again.

Room: studies. Comes in: a live model or its recipe, and data. Goes out: effects [site, head] with
their intervals and tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Literal

import xarray as xr

from limelight.capture.adapter import adapter_for
from limelight.capture.gating.gates import Gates, Piece, Replace
from limelight.capture.recognition import Choice
from limelight.errors import StudyError
from limelight.studying import metrics
from limelight.studying.data import ROWS, Data, Partition
from limelight.studying.heads import Head, chosen
from limelight.studying.intervals import interval
from limelight.studying.passes import Numbers, Passes
from limelight.studying.recipe import Recipe
from limelight.studying.results import attributes, by_site
from limelight.studying.sign_flips import tested
from limelight.studying.units import Units

Scheme = Literal["one", "all-but-one", "cumulative"]


def ablation(
    model: Any,
    data: Any,
    *,
    metric: str | Callable[[Any, Any], Any] = "loss",
    heads: Any = None,
    replace: Replace | Literal["zero"] = "zero",
    scheme: Scheme = "one",
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
    """Measure what each head does for a metric, by taking it away.

    Tier: *intervened*. The effect of a head is the metric without it minus the metric with it.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, or Recipe
        It stays as it was.
    data : object
        Inputs and targets, as :class:`limelight.studying.data.Data` reads them.
    metric : str or callable
        ``loss``, ``accuracy``, ``probability``, ``margin``, ``difference``, ``change``, or a
        function of outputs and targets that returns one number for each example.
    heads : mapping of str to iterable of int, optional
        Some heads; all if not given.
    replace : ``zero``, ``mean`` or ``sample``
        What stands in for a head's contribution, as for :func:`limelight.gate`.
    scheme : ``one``, ``all-but-one`` or ``cumulative``
        Which heads are taken away: one; all of its site but one; it and all that are named before.
    resample_by : sequence, optional
        Labels of examples that belong together and are one unit.
    seed : int
        For what is drawn.
    each : bool
        Also return the effect on each example.
    partition : int
        Examples of one task.
    collate, call : callable, optional
        How rows become a batch, and how the model is called.
    executor, workers : optional
        Who does the tasks: any ``concurrent.futures.Executor``, or so many processes.
    run : str, path, or Run, optional
        A log folder where what is finished is kept, and the result; a study that was killed goes
        on from there when it is called again.

    Returns
    -------
    Dataset [site, head]
        ``effect``, ``low`` and ``high`` (95 %), ``p_value`` and ``p_adjusted`` (two-sided sign
        flips of units, Holm over heads; not for ``change``, which cannot be negative), and
        perhaps ``each`` [site, head, example]. Attributes say n, baseline, settings, and all of it
        as one ``sentence``.

    Raises
    ------
    StudyError
        If data, metric, heads or settings do not fit.

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
    measure = metrics.read(metric)
    read = Data(data, partition, collate, call)
    live = model.make() if isinstance(model, Recipe) else model
    first = next(iter(read.partitions()))
    known = adapter_for(live).heads(live, first.probe)
    pairs = chosen(known, heads)
    if measure.needs_targets and first.targets is None:
        raise StudyError(
            f"Got metric={measure.name!r} for data without targets.",
            "Wanted a target for each example.",
            "Give (inputs, targets), or metric='change', which needs none.",
        )
    groups = _groups(pairs, known, scheme)
    act = Ablating(measure.measure, tuple(groups), None if replace == "zero" else replace)
    settings = {"metric": measure.name, "replace": replace, "scheme": scheme, "seed": seed}
    passes = Passes(model, read, {"study": "ablation", **settings, "heads": pairs}, executor,
                    workers, run, "intervened")  # fmt: skip
    numbers = passes.numbers(act)
    plain, without = numbers["plain"], numbers["without"]
    effects = without - plain[:, None]
    units = Units(len(plain), resample_by)
    of_units = units.means(effects)
    low, high = interval(of_units, seed)
    columns = {"effect": of_units.mean(0), "low": low, "high": high}
    signed = measure.name != "change"
    test = tested(of_units, seed) if signed else None
    if test is not None:
        columns |= {"p_value": test.p_value, "p_adjusted": test.p_adjusted}
    if each:
        columns["each"] = effects.T
    made = by_site(known, columns, pairs)
    attrs = attributes(
        study="ablation", tier="intervened", metric=measure.name, units=measure.units,
        better=measure.better, n=units.count, of="examples" if resample_by is None else "units",
        baseline=float(units.means(plain).mean()), seed=seed, data_digest=passes.scan.digest,
        model_digest=passes.digest, correction="Holm" if signed else "",
        settings={"replace": replace, "scheme": scheme},
    )  # fmt: skip
    if test is not None:
        attrs |= {"p_floor": test.floor, "can_survive": int(test.can_survive)}
    return passes.finish(made.assign_attrs(attrs))


@dataclass(frozen=True)
class Ablating:
    """Does one partition: the metric of each example, with all heads and without some."""

    metric: Any
    groups: tuple[tuple[Head, ...], ...]
    replace: Replace

    def __call__(self, model: Any, task: Partition) -> Numbers:
        """Return ``plain`` [example] and ``without`` [example, group]."""
        choice = Choice.of(task.probe)
        gates = [Gates({}, choice=choice)]
        for group in self.groups:
            sites: dict[str, tuple[Piece, ...]] = {}
            for site, head in group:
                sites[site] = (*sites.get(site, ()), Piece(head, 0.0))
            gates.append(Gates(sites, self.replace, None, choice))
        values = adapter_for(model).measured(model, task.probe, gates, self.metric, task.targets)
        return {"plain": values[0], "without": values[1:].T}


def _groups(pairs: Sequence[Head], known: dict[str, int], scheme: str) -> list[tuple[Head, ...]]:
    """Return which heads go together in each run."""
    if scheme == "one":
        return [(pair,) for pair in pairs]
    if scheme == "cumulative":
        return [tuple(pairs[: at + 1]) for at in range(len(pairs))]
    return [
        tuple((site, other) for other in range(known[site]) if other != head)
        for site, head in pairs
    ]


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
