"""Which heads need each other and which make up for each other: effects of pairs beyond their sum.

Room: studies. Comes in: a live model or its recipe, and data. Goes out: interactions
[head_a, head_b], and each head's Shapley value.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from math import comb
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight.errors import StudyError
from limelight.studies.ablation import ablation
from limelight.study import study
from limelight.studying.data import ROWS
from limelight.studying.gatings import Away, asked, by_effect, runs_of
from limelight.studying.heads import Head
from limelight.studying.intervals import interval
from limelight.studying.looking import Settings
from limelight.studying.pairs import coordinates
from limelight.studying.results import attributes, by_site
from limelight.studying.units import Units

#: Heads whose pairs are all measured.
MOST: Final = 16
#: So many heads have all their sets measured, and exact Shapley values; more have draws.
_EXACT: Final = 8


@study(
    title="synergy",
    answers=("H12",),
    tier="intervened",
    units="the metric's",
    bounds=(-np.inf, np.inf),
    source="M. Grabisch and M. Roubens, International Journal of Game Theory 1999",
    zh=("协同", "两个头一起去掉，与分别去掉相差多少。"),
)
def synergy(
    model: Any,
    data: Any,
    *,
    metric: str | Callable[[Any, Any], Any] = "loss",
    heads: Any = None,
    replace: str = "zero",
    permutations: int = 16,
    resample_by: Sequence[Any] | None = None,
    seed: int = 0,
    partition: int = ROWS,
    collate: Callable[[list[Any]], Any] | None = None,
    call: Callable[[Any, Any], Any] | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    run: Any = None,
) -> xr.Dataset:
    r"""Measure how much two heads do together beyond what each does alone.

    .. math:: I_{ab} = v(N) - v(N \setminus a) - v(N \setminus b) + v(N \setminus \{a, b\})

    Tier: *intervened*. :math:`v` is the metric with a set of heads on, turned so that higher is
    better.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, or Recipe
        It stays as it was.
    data : object
        Inputs and targets, as for :func:`limelight.ablation`.
    metric : str or callable
        As for :func:`limelight.ablation`; of a function of your own, higher is taken for better.
    heads : mapping of str to iterable of int, optional
        At most 16. If not given, the 16 of greatest effect, chosen on half of the units and
        measured on the other half.
    replace : ``zero``, ``mean``, ``sample`` or ``uniform``
        What stands in for a head's contribution.
    permutations : int
        Orders from which Shapley values are estimated where more than 8 heads are looked at, each
        with its reverse; 0: no Shapley values there.
    resample_by : sequence, optional
        Labels of examples that belong together and are one unit.
    seed : int
    partition : int
    collate, call, executor, workers, run : optional
        As for :func:`limelight.ablation`. With ``run``, the ablation that chooses is kept too.

    Returns
    -------
    Dataset [head_a, head_b]
        ``interaction`` in the metric's units, with ``standard_error`` over units, ``low`` and
        ``high`` (95 %). Below 0: redundant, each makes up for the other, and does so much more once
        that is gone; above 0: each needs the other. ``shapley`` [site, head], NaN for heads that
        were not looked at, with ``shapley_error``, the standard error over draws (0 where exact).
        With at most 8 heads also ``shapley_interaction``, the mean interaction over all sets of the
        other heads that are on.

    Raises
    ------
    StudyError
        If data, metric, heads or settings do not fit, or there are fewer than two heads.

    Notes
    -----
    Effects of single heads are blind to redundancy: where either of two will do, each alone has
    none, and Shapley values of a half. The sign depends on the metric: where it saturates, as
    accuracy does, heads look redundant.

    References
    ----------
    .. [1] M. Grabisch and M. Roubens, "An axiomatic approach to the concept of interaction among
       players in cooperative games", International Journal of Game Theory 28, 1999.
    .. [2] L. S. Shapley, "A value for n-person games", 1953.

    Examples
    --------
    .. code-block:: python

       result = ll.synergy(model, (x, y), metric="margin", heads={"encoder/0": [0, 1, 2]})
       result["interaction"].sel(head_a="encoder/0 0", head_b="encoder/0 1")
    """
    settings = Settings(partition, collate, call, None, executor, workers, run)
    question = asked(model, data, metric, heads, replace, settings)
    players, measuring = question.pairs, None
    if heads is not None and len(players) > MOST:
        raise StudyError(
            f"Got {len(players)} heads.",
            f"Wanted at most {MOST}: all their pairs are measured.",
            "Name fewer, or leave heads out for those of greatest effect.",
        )
    if len(players) > MOST:
        effects = ablation(
            model, data, metric=metric, replace=replace, each=True, resample_by=resample_by,  # type: ignore[arg-type]  # checked above
            seed=seed, partition=partition, collate=collate, call=call, executor=executor,
            workers=workers, run=run,
        )  # fmt: skip
        units = Units(effects.sizes["example"], resample_by)
        choosing, measuring = units.halves(seed)
        size = np.abs(by_effect(effects, players, np.isin(units.number, choosing)))
        players = [players[at] for at in sorted(np.argsort(-size, kind="stable")[:MOST])]
    if len(players) < 2:
        raise StudyError("Got one head.", "Wanted two or more.", "Name more in heads=.")
    ways = _ways(players, permutations, seed)
    runs = runs_of([
        (), *((head,) for head in players), *itertools.combinations(players, 2), *ways.away(),
    ])  # fmt: skip
    passes = question.passes("synergy", {
        "heads": players, "permutations": permutations, "seed": seed,
    })  # fmt: skip
    values = passes.numbers(question.act(list(runs)))["values"]
    of_units = question.sign * Units(len(values), resample_by).means(values)
    if measuring is not None:
        of_units = of_units[measuring]
    made = _pairs(of_units, runs, players, seed).merge(
        ways.shapley(of_units.mean(0), runs, question.known)
    )
    attrs = attributes(
        study="synergy", tier="intervened", metric=question.metric.name,
        units=question.metric.units, better="higher", n=len(of_units),
        of="examples" if resample_by is None else "units",
        baseline=float(question.sign * of_units[:, 0].mean()), seed=seed,
        data_digest=passes.scan.digest, model_digest=passes.digest, correction="",
        settings={
            "replace": replace, "evaluations": len(runs),
            "heads_chosen_on": "all asked for" if measuring is None else f"{len(choosing)} others",
        },
    )  # fmt: skip
    return passes.finish(made.assign_attrs(attrs))


def _pairs(
    values: NDArray[Any], runs: dict[Away, int], players: Sequence[Head], seed: int
) -> xr.Dataset:
    """Return the interaction of each pair of values [unit, run]."""
    count = len(players)
    whole = values[:, runs[frozenset()]]
    alone = [values[:, runs[frozenset([head])]] for head in players]
    each = np.full((len(values), count, count), np.nan)
    for a, b in itertools.combinations(range(count), 2):
        both = values[:, runs[frozenset([players[a], players[b]])]]
        each[:, a, b] = each[:, b, a] = whole - alone[a] - alone[b] + both
    low, high = interval(each, seed)
    error = each.std(0, ddof=1) / np.sqrt(len(each)) if len(each) > 1 else np.full_like(low, np.nan)
    columns = {"interaction": each.mean(0), "standard_error": error, "low": low, "high": high}
    return xr.Dataset(
        {name: (("head_a", "head_b"), numbers) for name, numbers in columns.items()},
        coordinates(players),
    )


def _ways(players: Sequence[Head], permutations: int, seed: int) -> _All | _Drawn:
    return _All(players) if len(players) <= _EXACT else _Drawn(players, permutations, seed)


class _All:
    """Every set of a few heads."""

    def __init__(self, players: Sequence[Head]) -> None:
        self.players = list(players)

    def away(self) -> list[tuple[Head, ...]]:
        """Return the heads that are off in each run."""
        return [
            away
            for size in range(len(self.players) + 1)
            for away in itertools.combinations(self.players, size)
        ]

    def shapley(self, means: Any, runs: dict[Away, int], known: dict[str, int]) -> xr.Dataset:
        """Return exact values and interactions of means [run]."""
        count = len(self.players)
        value = {away: means[number] for away, number in runs.items()}
        values, pairs = np.zeros(count), np.full((count, count), np.nan)
        for a, player in enumerate(self.players):
            others = [head for head in self.players if head != player]
            for away in _sets(others):
                weight = 1 / (count * comb(count - 1, len(away)))
                values[a] += weight * (value[away] - value[away | {player}])
        for a, b in itertools.combinations(range(count), 2):
            pair = frozenset([self.players[a], self.players[b]])
            others = [head for head in self.players if head not in pair]
            pairs[a, b] = pairs[b, a] = sum(
                (value[away] - value[away | {self.players[a]}] - value[away | {self.players[b]}]
                 + value[away | pair]) / ((count - 1) * comb(count - 2, len(away)))
                for away in _sets(others)
            )  # fmt: skip
        made = by_site(known, {"shapley": values, "shapley_error": values * 0}, self.players)
        return made.assign(shapley_interaction=(("head_a", "head_b"), pairs))


class _Drawn:
    """Sets that orders of heads pass through, each order with its reverse."""

    def __init__(self, players: Sequence[Head], permutations: int, seed: int) -> None:
        self.players = list(players)
        random = np.random.default_rng(seed)
        half = [list(random.permutation(len(players))) for _ in range((permutations + 1) // 2)]
        self.orders = [way for order in half for way in (order, order[::-1])][:permutations]

    def away(self) -> list[tuple[Head, ...]]:
        """Return the heads that are off in each run."""
        return [
            tuple(self.players[at] for at in order[:size])
            for order in self.orders
            for size in range(len(order) + 1)
        ]

    def shapley(self, means: Any, runs: dict[Away, int], known: dict[str, int]) -> xr.Dataset:
        """Return values of means [run], and their standard errors over pairs of orders."""
        if not self.orders:
            return xr.Dataset()
        drawn = np.zeros((len(self.orders), len(self.players)))
        for row, order in enumerate(self.orders):
            path = [
                means[runs[frozenset(self.players[at] for at in order[:size])]]
                for size in range(len(order) + 1)
            ]
            drawn[row, order] = -np.diff(path)
        # An order and its reverse are one draw.
        pairs = drawn[: len(drawn) // 2 * 2].reshape(-1, 2, len(self.players)).mean(1)
        error = np.full(len(self.players), np.nan)
        if len(pairs) > 1:
            error = pairs.std(0, ddof=1) / np.sqrt(len(pairs))
        columns = {"shapley": drawn.mean(0), "shapley_error": error}
        return by_site(known, columns, self.players)


def _sets(heads: Sequence[Head]) -> list[Away]:
    return [
        frozenset(away)
        for size in range(len(heads) + 1)
        for away in itertools.combinations(heads, size)
    ]
