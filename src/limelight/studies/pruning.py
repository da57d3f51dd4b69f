"""How many heads are needed: a metric while more and more of them are taken away.

Room: studies. Comes in: a live model or its recipe, and data. Goes out: curves [order, removed].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight.errors import StudyError
from limelight.studies.ablation import ablation
from limelight.study import study
from limelight.studying.data import ROWS
from limelight.studying.gatings import Asked, asked, by_effect, runs_of
from limelight.studying.heads import Head
from limelight.studying.intervals import interval
from limelight.studying.looking import Settings
from limelight.studying.results import attributes
from limelight.studying.units import Units

_ORDERS: Final = ("chosen", "reversed", "random")


@study(
    title="pruning",
    answers=("H9",),
    tier="intervened",
    units="the metric's",
    bounds=(-np.inf, np.inf),
    source="P. Michel, O. Levy and G. Neubig, NeurIPS 2019",
    zh=("剪枝", "按某种顺序去掉越来越多的头，指标怎样变化。"),
    home=False,
)
def pruning(
    model: Any,
    data: Any,
    *,
    metric: str | Callable[[Any, Any], Any] = "loss",
    order: Sequence[Head] | None = None,
    heads: Any = None,
    replace: str = "zero",
    points: int = 13,
    draws: int = 20,
    resample_by: Sequence[Any] | None = None,
    seed: int = 0,
    partition: int = ROWS,
    collate: Callable[[list[Any]], Any] | None = None,
    call: Callable[[Any, Any], Any] | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    run: Any = None,
) -> xr.Dataset:
    """Measure a metric while more and more heads are away, those that matter least first.

    Tier: *intervened*. Half of the units choose the order, by each head's own effect; the other
    half gives the curve. Beside it are the reverse order, and orders drawn at random.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, or Recipe
        It stays as it was; ``ll.prune`` takes heads out for good.
    data : object
        Inputs and targets, as for :func:`limelight.ablation`.
    metric : str or callable
        As for :func:`limelight.ablation`; of a function of your own, higher is taken for better.
    order : sequence of (str, int), optional
        Heads in the order in which they go, chosen elsewhere: then all units give the curve.
    heads : mapping of str to iterable of int, optional
        Some heads; all if not given.
    replace : ``zero``, ``mean``, ``sample`` or ``uniform``
        What stands in for a head's contribution.
    points : int
        Numbers of heads that are tried, from none to all.
    draws : int
        Random orders.
    resample_by : sequence, optional
        Labels of examples that belong together and are one unit.
    seed : int
        For the halves, and random orders.
    partition : int
    collate, call, executor, workers, run : optional
        As for :func:`limelight.ablation`. With ``run``, the ablation that chooses is kept too.

    Returns
    -------
    Dataset [order, removed]
        ``metric`` for the orders ``chosen``, ``reversed`` and ``random`` (the mean of the draws),
        with ``low`` and ``high`` (95 %, over units). ``drawn`` [draw, removed] are the random
        orders' own, ``random_low`` and ``random_high`` [removed] the band that holds 90 % of them.
        ``site_of`` and ``head_of`` [rank] are the heads in the chosen order.

    Raises
    ------
    StudyError
        If data, metric, heads or settings do not fit.

    References
    ----------
    .. [1] P. Michel, O. Levy and G. Neubig, "Are sixteen heads really better than one?",
       NeurIPS 2019, section 4.

    Examples
    --------
    .. code-block:: python

       curve = ll.pruning(model, (x, y), metric="accuracy")
       curve["metric"].sel(order="chosen")
    """
    settings = Settings(partition, collate, call, None, executor, workers, run)
    question = asked(model, data, metric, heads, replace, settings)
    if points < 2 or draws < 1:
        raise StudyError(
            f"Got points={points}, draws={draws}.", "Wanted at least 2 points and 1 draw.",
            "Leave them out for 13 and 20.",
        )  # fmt: skip
    if order is None:
        effects = ablation(
            model, data, metric=metric, heads=heads, replace=replace, each=True,  # type: ignore[arg-type]  # checked above
            resample_by=resample_by, seed=seed, partition=partition, collate=collate, call=call,
            executor=executor, workers=workers, run=run,
        )  # fmt: skip
        units = Units(effects.sizes["example"], resample_by)
        choosing, measuring = units.halves(seed)
        harm = -question.sign * by_effect(effects, question.pairs, np.isin(units.number, choosing))
        ranked = [question.pairs[at] for at in np.argsort(harm, kind="stable")]
    else:
        ranked, measuring = _given(question, order), None
    removed = np.unique(np.linspace(0, len(ranked), points).round().astype(int))
    random = np.random.default_rng(seed)
    orders = [ranked, ranked[::-1], *(
        [ranked[at] for at in random.permutation(len(ranked))] for _ in range(draws)
    )]  # fmt: skip
    runs = runs_of(way[:count] for way in orders for count in removed)
    passes = question.passes("pruning", {
        "heads": question.pairs, "order": ranked, "points": points, "draws": draws, "seed": seed,
    })  # fmt: skip
    values = passes.numbers(question.act(list(runs)))["values"]
    units = Units(len(values), resample_by)
    of_units = units.means(values)
    if measuring is not None:
        of_units = of_units[measuring]
    at = np.array([[runs[frozenset(way[:count])] for count in removed] for way in orders])
    made = _curves(of_units[:, at], removed, ranked, seed)
    attrs = attributes(
        study="pruning", tier="intervened", metric=question.metric.name,
        units=question.metric.units, better=question.metric.better, n=len(of_units),
        of="examples" if resample_by is None else "units", baseline=float(of_units[:, 0].mean()),
        seed=seed, data_digest=passes.scan.digest, model_digest=passes.digest, correction="",
        settings={
            "replace": replace, "draws": draws,
            "order_chosen_on": "elsewhere" if measuring is None else f"{len(choosing)} others",
        },
    )  # fmt: skip
    return passes.finish(made.assign_attrs(attrs))


def _curves(
    values: NDArray[Any], removed: NDArray[Any], ranked: Sequence[Head], seed: int
) -> xr.Dataset:
    """Return curves of values [unit, order, removed]."""
    three = np.stack([values[:, 0], values[:, 1], values[:, 2:].mean(1)], 1)
    low, high = interval(three, seed)
    draws = values[:, 2:].mean(0)
    least, most = np.quantile(draws, [0.05, 0.95], axis=0)
    return xr.Dataset(
        {
            "metric": (("order", "removed"), three.mean(0)),
            "low": (("order", "removed"), low),
            "high": (("order", "removed"), high),
            "drawn": (("draw", "removed"), draws),
            "random_low": ("removed", least),
            "random_high": ("removed", most),
            "site_of": ("rank", np.array([site for site, _ in ranked], np.str_)),
            "head_of": ("rank", np.array([head for _, head in ranked])),
        },
        coords={"order": np.array(_ORDERS, np.str_), "removed": removed},
    )


def _given(question: Asked, order: Sequence[Head]) -> list[Head]:
    """Return an order that was given, if it is one."""
    ranked = [(str(site), int(head)) for site, head in order]
    if sorted(ranked) != sorted(question.pairs):
        missing = sorted(set(question.pairs) ^ set(ranked))
        raise StudyError(
            f"Got an order of {len(ranked)} heads.",
            f"Wanted each of the {len(question.pairs)} once; {missing[:3]} are not in both.",
            "Give all of heads=, or leave order out.",
        )
    return ranked
