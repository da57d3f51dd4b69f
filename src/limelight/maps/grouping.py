"""Which heads repeat each other: groups that come out again on other examples, or none.

Room: maps. Comes in: distances of all pairs of heads on each unit, and what they are by chance.
Goes out: a group for each head, and how well each number of groups can be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import cut_tree, leaves_list, linkage

from limelight.maps.divergence import square

#: Groups are taken for real from this prediction strength on.
STRENGTH: Final = 0.8
#: Heads are alike if their distance is below this share of what chance gives.
ALIKE: Final = 0.9
#: A head is alone if its distance to every other is at least this share: the least of many is low.
ALONE: Final = 0.8
#: How often units are divided into halves, and how many groups are tried at most.
_SPLITS: Final = 10
_MOST: Final = 60


@dataclass(frozen=True, eq=False)
class Groups:
    """Heads by group.

    Attributes
    ----------
    cluster : array [head]
        From 0 on, the largest first.
    strength : array [count]
        Prediction strength of 1, 2, … groups.
    silhouette : array [head]
        −1 to 1; NaN for a head that is alone, or where there is one group.
    merges : array [merge, 4]
        As SciPy's ``linkage`` gives it.
    order : array [head]
        Heads in the order of the tree's leaves.
    """

    cluster: NDArray[np.intp]
    strength: NDArray[np.float64]
    silhouette: NDArray[np.float64]
    merges: NDArray[np.float64]
    order: NDArray[np.intp]


def grouped(distance: NDArray[Any], null: NDArray[Any], seed: int) -> Groups:
    """Group heads by average linkage, into as many groups as come out again on other units.

    Parameters
    ----------
    distance, null : array [unit, pair]
        As observed, and where rows of heads are permuted.
    seed : int

    Returns
    -------
    Groups
        The largest number of groups whose prediction strength is at least 0.8 under resampled
        units. Groups must be more alike than chance, and a head that is alone less alike to all
        others: else the number is 1.

    References
    ----------
    .. [1] R. Tibshirani and G. Walther, "Cluster Validation by Prediction Strength", Journal of
       Computational and Graphical Statistics 14(3), 2005.

    Examples
    --------
    >>> near = np.array([0.1, 0.6, 0.6, 0.6, 0.6, 0.1])  # heads 0 and 1, 2 and 3
    >>> grouped(np.tile(near, (8, 1)), np.full((8, 6), 0.6), seed=0).cluster.tolist()
    [0, 0, 1, 1]
    """
    units = len(distance)
    whole = distance.mean(0)
    heads = len(square(whole))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.nan_to_num(square(whole / null.mean(0)), nan=1.0)
    merges = linkage(whole, "average")
    cuts = cut_tree(merges)  # [head, step]: heads, then one group less at each step
    most = min(heads - 1, _MOST)
    random = np.random.default_rng(seed)
    strengths = np.zeros((_SPLITS, most))
    for split in range(_SPLITS):
        order = random.permutation(units)
        halves = [
            cut_tree(linkage(distance[part].mean(0), "average"))
            for part in (order[: units // 2], order[units // 2 :])
        ]
        for count in range(2, most + 1):
            first, second = (half[:, heads - count] for half in halves)
            strengths[split, count - 1] = min(
                _repeated(first, second, ratio), _repeated(second, first, ratio)
            )
    strength = strengths.mean(0)
    strength[0] = 1
    repeated = np.flatnonzero(strength >= STRENGTH)[1:] + 1
    real = [number for number in repeated if _is_real(cuts[:, heads - number], ratio)]
    count = max(real, default=1)
    cluster = _by_size(cuts[:, heads - count])
    return Groups(
        cluster, strength, silhouette(square(whole), cluster), merges,
        np.asarray(leaves_list(merges), np.intp),
    )  # fmt: skip


def silhouette(distance: NDArray[Any], cluster: NDArray[Any]) -> NDArray[np.float64]:
    """Return how much nearer each head is to its own group than to the next.

    Parameters
    ----------
    distance : array [head, head]
    cluster : array [head]

    Returns
    -------
    array [head]

    References
    ----------
    .. [1] P. Rousseeuw, "Silhouettes", Journal of Computational and Applied Mathematics 20, 1987.

    Examples
    --------
    >>> apart = np.array([[0, 1, 4, 4], [1, 0, 4, 4], [4, 4, 0, 2], [4, 4, 2, 0]])
    >>> silhouette(apart, np.array([0, 0, 1, 1])).tolist()
    [0.75, 0.75, 0.5, 0.5]
    """
    made = np.full(len(cluster), np.nan)
    groups = np.unique(cluster)
    if len(groups) < 2:
        return made
    member = (cluster[:, None] == groups).astype(np.float64)
    sizes = member.sum(0)
    sums = np.asarray(distance, np.float64) @ member
    at = np.searchsorted(groups, cluster)
    heads = np.arange(len(cluster))
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = sums[heads, at] / (sizes[at] - 1)
        means = sums / sizes
        means[heads, at] = np.inf
        outside = means.min(1)
        made = (outside - inside) / np.maximum(inside, outside)
    return np.where(sizes[at] > 1, made, np.nan)


def _repeated(test: NDArray[Any], train: NDArray[Any], ratio: NDArray[Any]) -> float:
    """Return the least share, over groups of one half, of pairs that the other half keeps."""
    least = 1.0
    for group in np.unique(test):
        members = np.flatnonzero(test == group)
        if len(members) == 1:
            if not _is_alone(members[0], ratio):
                return 0.0
            continue
        same = (train[members][:, None] == train[members]).sum() - len(members)
        least = min(least, same / (len(members) * (len(members) - 1)))
    return least


def _is_real(cluster: NDArray[Any], ratio: NDArray[Any]) -> bool:
    """Say whether groups are more alike than chance, and heads that are alone less so."""
    groups = [np.flatnonzero(cluster == group) for group in np.unique(cluster)]
    several = [members for members in groups if len(members) > 1]
    return bool(several) and all(
        ratio[np.ix_(members, members)].sum() < ALIKE * len(members) * (len(members) - 1)
        for members in several
    ) and all(_is_alone(members[0], ratio) for members in groups if len(members) == 1)  # fmt: skip


def _is_alone(head: int, ratio: NDArray[Any]) -> bool:
    others = np.delete(ratio[head], head)
    return bool(others.min() >= ALONE)


def _by_size(cluster: NDArray[Any]) -> NDArray[np.intp]:
    """Number groups by size, then by their first head."""
    groups, first, number, counts = np.unique(
        cluster, return_index=True, return_inverse=True, return_counts=True
    )
    order = sorted(range(len(groups)), key=lambda group: (-counts[group], first[group]))
    rank = np.empty(len(groups), np.intp)
    rank[order] = np.arange(len(groups))
    return rank[number.reshape(-1)]
