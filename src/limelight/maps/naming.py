"""Which role a head has, if any: scores of examples become numbers of heads with intervals.

Room: maps. Comes in: what :mod:`limelight.maps.scoring` gave for each example. Goes out: score,
null, excess and its interval for each role and head, and a word for each head.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.maps.patterns import FIXED
from limelight.maps.picking import picked
from limelight.maps.scoring import FURTHEST, over, skewness

#: Roles that pick their offset, key or block from the data.
PICKED: Final = ("positional", "one key", "block")
#: Lowest end of an excess's interval that makes a role.
LEAST: Final = 0.10
#: A narrower role is the head's if it explains so much of what a wider one does.
ENOUGH: Final = 0.80
UNCLASSIFIED: Final = "unclassified"
FIRST_KEY: Final = "first key"

#: A role and those that lie within it: what it finds, they may explain.
_WITHIN: Final[dict[str, tuple[str, ...]]] = {
    "positional": ("previous", "next", "self", "induction", "duplicate"),
    "block": ("previous", "next", "self", "positional", "duplicate", "induction"),
    "one key": ("separator", "punctuation"),
    "duplicate": ("self",),
}

#: Ends of the interval of a mean over examples [example, …], of which some are there [example].
Interval = Callable[[NDArray[Any], NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]]


def names(patterns: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Return the roles that are looked for.

    Parameters
    ----------
    patterns : mapping of str to object, optional
        A user's own.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> names({"verbs": None})[-2:]
    ('block', 'verbs')
    """
    return (*FIXED, *PICKED, *(patterns or {}))


def judged(
    each: Mapping[str, NDArray[Any]], roles: tuple[str, ...], users: tuple[str, ...],
    interval: Interval,
) -> dict[str, NDArray[Any]]:  # fmt: skip
    """Return roles of the heads of a site.

    Parameters
    ----------
    each : mapping of str to array [example, head, …]
        Of :func:`limelight.maps.scoring.scored`.
    roles : tuple of str
        As :func:`names` gives them.
    users : tuple of str
        The user's among them.
    interval : callable

    Returns
    -------
    dict of str to array
        ``score``, ``null``, ``excess``, ``low``, ``high`` [role, head]; ``main_role``, ``offset``,
        ``first_key_share``, ``first_key_null``, ``first_key_low``, ``left_out`` [head].
    """
    scores, nulls, instead = _by_role(each, roles)
    with np.errstate(all="ignore"):
        null, score = average(nulls), average(scores)
        room = np.maximum(1 - null, 1e-9)
        each_excess = (scores - nulls) / room
        excess = (score - null) / room
        # What "self" explains of another role's rows.
        self_excess = average((instead - nulls) / room)
    low, high = spread(each_excess, interval)
    first = np.asarray(each["first"], np.float64)
    first_null = average(first[..., 1])
    with np.errstate(all="ignore"):
        first_excess = (first[..., 0] - first[..., 1]) / np.maximum(1 - first_null, 1e-9)
    first_low, _ = spread(first_excess, interval)
    role = [
        _role(roles, users, excess[:, head], low[:, head], self_excess[:, head])
        for head in range(excess.shape[1])
    ]
    role = [
        FIRST_KEY if name == UNCLASSIFIED and end > LEAST else name
        for name, end in zip(role, first_low, strict=True)
    ]
    best, _ = _pooled(each["offsets"])
    return {
        "score": score, "null": null, "excess": excess, "low": low, "high": high,
        "main_role": np.array(role, np.str_), "offset": best - FURTHEST,
        "first_key_share": average(first[..., 0]), "first_key_null": first_null,
        "first_key_low": first_low, "left_out": average(first[..., 2]),
    }  # fmt: skip


def _by_role(each: Mapping[str, NDArray[Any]], roles: tuple[str, ...]) -> Any:
    """Return scores, nulls and what ``self`` scores on the same rows [example, role, head]."""
    fixed = np.asarray(each["fixed"], np.float64)
    examples, heads = fixed.shape[:2]
    scores, nulls, instead = (np.full((examples, len(roles), heads), np.nan) for _ in range(3))
    rest = [role for role in roles if role not in PICKED]
    for number, role in enumerate(roles):
        if role in ("positional", "block"):
            parts = np.asarray(each["offsets" if role == "positional" else "blocks"], np.float64)
            best, null = _pooled(parts)
            scores[:, number] = parts[:, np.arange(heads), best, 0]
            nulls[:, number] = null
        elif role == "one key":
            scores[:, number], nulls[:, number] = np.moveaxis(np.asarray(each["key"]), -1, 0)
        else:
            column = fixed[:, :, rest.index(role)]
            scores[:, number], nulls[:, number] = column[..., 0], column[..., 1]
            instead[:, number] = column[..., 2]
    nulls[np.isnan(scores)] = np.nan
    return scores, nulls, instead


def _pooled(parts: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return for each head the candidate that is best over all examples, and its null."""
    values = np.asarray(parts, np.float64)
    there = np.isfinite(values[..., 0]).sum(0)  # [head, candidate]
    sums = np.nansum(values, 0)
    with np.errstate(all="ignore"):
        score, chance = sums[..., 0] / there, sums[..., 1] / there
        variance, third = sums[..., 2] / there**2, sums[..., 3] / there**3
    score[there < max(len(values) / 2, 1)] = np.nan  # such as offsets that few examples have
    best, null = picked(score, chance, variance, skewness(variance, third))
    heads = np.arange(len(score))
    return best, over(chance[heads, best], null)


def spread(values: NDArray[Any], interval: Interval) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the ends of intervals where some examples have no number.

    Parameters
    ----------
    values : array [example, …]
        NaN where there is none.
    interval : callable

    Returns
    -------
    array […], array […]
    """
    flat = values.reshape(len(values), -1)
    low, high = np.full((2, flat.shape[1]), np.nan)
    there = np.isfinite(flat)
    patterns, group = np.unique(there, axis=1, return_inverse=True)
    for number in range(patterns.shape[1]):
        columns = np.flatnonzero(group.reshape(-1) == number)
        rows = patterns[:, number]
        if rows.any():
            low[columns], high[columns] = interval(flat[np.ix_(rows, columns)], rows)
    return low.reshape(values.shape[1:]), high.reshape(values.shape[1:])


def _role(
    roles: tuple[str, ...], users: tuple[str, ...], excess: Any, low: Any, self_excess: Any
) -> str:  # fmt: skip
    """Return the narrowest role that explains what the strongest one does."""
    passing = {role: float(excess[at]) for at, role in enumerate(roles) if low[at] > LEAST}
    if not passing:
        return UNCLASSIFIED
    role = max(passing, key=lambda name: passing[name])
    while True:
        inner = dict.fromkeys((*_WITHIN.get(role, ()), *(users if role in PICKED else ())))
        explained = {name: passing[name] for name in inner if name in passing}
        if role == "duplicate" and "self" in explained:
            explained["self"] = float(self_excess[roles.index(role)])
        enough = [name for name in explained if explained[name] >= ENOUGH * passing[role]]
        if not enough:
            return role
        role = max(enough, key=lambda name: explained[name])


def average(values: NDArray[Any]) -> NDArray[Any]:
    """Return the mean over examples that have a number; NaN if none has.

    Parameters
    ----------
    values : array [example, …]

    Returns
    -------
    array […]
    """
    there = np.isfinite(values)
    count = there.sum(0)
    total = np.where(there, values, 0).sum(0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
