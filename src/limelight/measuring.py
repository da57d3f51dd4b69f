"""Applies every measure that suits a site, and sums its rows up.

Room: above analyses. Comes in: one site's dataset. Goes out: each measure's mean over an example's
valid queries, for the site's own attention and for uniform attention over the same allowed keys;
and how many queries were left out of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight import schema
from limelight.analyses import blockwise
from limelight.catalogue import Analysis, analyses
from limelight.factors import Factors, factors_of
from limelight.labelled import shares
from limelight.measure import LARGEST_SCORE, LEFT_OUT, NAN_ROWS, applied
from limelight.rule import Rule


def measures_of(site: xr.Dataset, names: Iterable[str] | None = None) -> xr.Dataset:
    """Apply every analysis that suits a site.

    Parameters
    ----------
    site : Dataset
        One site, as :mod:`limelight.schema` describes it.
    names : iterable of str, optional
        Only these of them.

    Returns
    -------
    Dataset [example, head]
        Of shares of the row, where the model changed the weights after the softmax (``stage``).
        float32. One variable per analysis: the mean over the example's valid queries; NaN where
        none is left. Rows that hold a NaN are left out, and ``nan_rows`` counts them. Queries for
        which an analysis is not defined are left out too; ``<analysis>_left_out`` counts those,
        where its card says that there may be such. ``largest_score`` is the greatest score before
        the softmax, where it is known: from queries and keys it follows without a map.
    """
    cards = _suiting(str(site.attrs.get("kind", "self")))
    if names is not None:
        chosen = set(names)
        cards = [card for card in cards if card.name in chosen]
    weights = shares(site["weights"]) if site.attrs.get("stage") else site["weights"]
    factors = factors_of(weights)
    if factors is not None:
        extra = {"maximum"} - {card.name for card in cards}
        values = blockwise.rows(factors, [*(card.name for card in cards), *extra, "normaliser"])
        normaliser = values.pop("normaliser").values
        top = values.pop("maximum") if extra else values["maximum"]
        broken = np.isnan(normaliser)
        attends = ~np.isneginf(normaliser) if factors.rule.by_head else None
    else:
        allowed = site.get("allowed")
        values = {card.name: applied(card, weights, allowed) for card in cards}
        broken = np.isnan(weights.transpose(*schema.SITE_DIMS).values.sum(-1))
        attends = _attends(allowed)
    valid = _valid(site, attends)
    measured = _summed_up(values, cards, valid, broken)
    counted = broken if valid is None else broken & valid
    measured[NAN_ROWS] = (schema.SITE_DIMS[:2], counted.sum(-1).astype(np.float32))
    if factors is not None:
        largest = _largest_score(top.transpose(*schema.SITE_DIMS[:3]).values, normaliser, valid)
        measured[LARGEST_SCORE] = (schema.SITE_DIMS[:2], largest)
    elif LARGEST_SCORE in site:
        largest = site[LARGEST_SCORE].transpose(*schema.SITE_DIMS[:2]).values
        measured[LARGEST_SCORE] = (schema.SITE_DIMS[:2], largest)
    return measured


def _largest_score(
    top: NDArray[Any], normaliser: NDArray[np.float64], valid: NDArray[np.bool_] | None
) -> NDArray[np.float32]:
    """Return the greatest score [example, head]: what makes a row's greatest weight."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = np.log(top.astype(np.float64)) + normaliser
    counts = top > 0 if valid is None else valid & (top > 0)
    scores = np.where(counts, scores, -np.inf).max(axis=-1)
    return np.where(np.isneginf(scores), np.nan, scores).astype(np.float32)


def uniform_of(site: xr.Dataset) -> xr.Dataset:
    """Return what the same analyses give for uniform attention over the allowed keys.

    Parameters
    ----------
    site : Dataset
        One site.

    Returns
    -------
    Dataset [example]
        One variable per analysis, float32; the mean over heads where they may attend differently.
    """
    cards = _suiting(str(site.attrs.get("kind", "self")))
    factors = factors_of(site["weights"])
    if factors is not None:
        values = _uniform(factors, [card.name for card in cards])
        attends = _by_head(factors.rule)
    else:
        allowed = site.get("allowed")
        attends = _attends(allowed)
        if allowed is None:
            allowed = xr.ones_like(site["weights"].isel(head=0, drop=True), dtype=bool)
        count = allowed.sum(schema.KEY).clip(min=1)
        weights = allowed.astype(np.float32) / count.astype(np.float32)
        values = {card.name: applied(card, weights, allowed) for card in cards}
    return xr.Dataset(
        {
            name: _over_heads(variable)
            for name, variable in _summed_up(values, cards, _valid(site, attends)).variables.items()
            if not str(name).endswith(LEFT_OUT)
        }
    )


def _uniform(factors: Factors, names: Sequence[str]) -> dict[str, xr.DataArray]:
    """Apply analyses to uniform attention under a rule: that of vectors without any length.

    Examples that may attend alike share one, and so do heads.
    """
    rule, (examples, _, queries, keys) = factors.rule, factors.shape
    parts = [rule.cells] if rule.cells is not None else [rule.first, rule.valid]
    patterns = max(map(len, parts))
    heads = rule.cells.shape[1] if rule.cells is not None else 1
    query = np.zeros((patterns, heads, queries, 1), np.float32)
    key = np.zeros((patterns, 1, keys, 1), np.float32)
    measures = blockwise.rows(Factors(query, key, rule, 1.0), names)
    every = np.zeros(examples, np.intp) if patterns == 1 else np.arange(examples)
    return {name: values.isel({schema.EXAMPLE: every}) for name, values in measures.items()}


def _over_heads(variable: xr.Variable) -> xr.Variable:
    """Mean over heads for which there is a number."""
    if schema.HEAD not in variable.dims:
        return variable
    numbers = variable.transpose(schema.EXAMPLE, schema.HEAD).values
    return xr.Variable((schema.EXAMPLE,), _mean(numbers, ~np.isnan(numbers)))


def _summed_up(
    values: Mapping[str, xr.DataArray],
    cards: Sequence[Analysis],
    valid: NDArray[np.bool_] | None,
    broken: NDArray[np.bool_] | None = None,
) -> xr.Dataset:
    """Return each analysis' mean over a site's valid queries, and how many it is not defined for.

    In plain NumPy: xarray would spend four times as long on a small site.
    """
    variables: dict[str, xr.Variable] = {}
    for card in cards:
        measured = values[card.name]
        if schema.QUERY not in measured.dims:
            variables[card.name] = measured.variable.astype(np.float32)
            continue
        dims = [dim for dim in (schema.EXAMPLE, schema.HEAD) if dim in measured.dims]
        numbers = measured.transpose(*dims, schema.QUERY).values
        counted = np.ones(numbers.shape, np.bool_)
        if valid is not None:
            # Where a measure has no heads, what may be attended to is the same in all of them.
            counted &= valid if schema.HEAD in dims else valid[:, 0]
        undefined = np.isnan(numbers) & counted
        variables[card.name] = xr.Variable(dims, _mean(numbers, counted & ~undefined))
        if card.leaves_out:
            left_out = (undefined if broken is None else undefined & ~broken).sum(-1)
            variables[card.name + LEFT_OUT] = xr.Variable(dims, left_out.astype(np.float32))
    return xr.Dataset(variables)


def _mean(numbers: NDArray[Any], counted: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the mean along the last axis of what counts, NaN where nothing does."""
    total = np.where(counted, numbers, 0).sum(-1, dtype=np.float64)
    count = counted.sum(-1)
    return np.asarray(total / np.where(count == 0, np.nan, count), np.float32)


def _valid(site: xr.Dataset, attends: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """Return which queries count [example, head or 1, query]; None where all do.

    A head whose rule leaves a query no key has no row there.
    """
    if "query_valid" not in site:
        return attends
    valid = np.asarray(site["query_valid"].transpose(schema.EXAMPLE, schema.QUERY).values)[:, None]
    return valid if attends is None else valid & attends


def _attends(allowed: xr.DataArray | None) -> NDArray[np.bool_] | None:
    """Return which queries each head allows a key; None where heads do not differ."""
    if allowed is None or schema.HEAD not in allowed.dims:
        return None
    return np.asarray(allowed.transpose(*schema.SITE_DIMS).values.any(axis=-1))


def _by_head(rule: Rule) -> NDArray[np.bool_] | None:
    if rule.cells is None or not rule.by_head:
        return None
    return np.asarray(rule.cells.any(axis=-1))


def _suiting(kind: str) -> list[Analysis]:
    """Return the analyses that suit a kind of site and give numbers of a map's rows, or of it."""
    single = {schema.QUERY, schema.KEY}
    return [
        card
        for card in analyses().values()
        if kind in card.kinds
        and set(card.needs) <= single
        and {schema.KEY} <= set(card.over) <= single
    ]


class Uniforms:
    """Remembers what uniform attention gives each site while what may be attended stays."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[xr.Dataset, Rule | None, xr.Dataset]] = {}

    def of(self, name: str, site: xr.Dataset) -> xr.Dataset:
        """Return the measures of uniform attention at a site."""
        factors = factors_of(site["weights"])
        rule = None if factors is None else factors.rule
        parts = ("allowed", "query_valid") if rule is None else ("query_valid",)
        masks = site[[part for part in parts if part in site]]
        known = self._known.get(name)
        if known is None or not (_alike(known[1], rule) and known[0].equals(masks)):
            known = self._known[name] = (masks, rule, uniform_of(site))
        return known[2]


def _alike(rule: Rule | None, other: Rule | None) -> bool:
    """Tell whether two rules are the same, or both are missing."""
    if rule is None or other is None:
        return rule is other
    return rule.equals(other)
