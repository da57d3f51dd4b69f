"""Pairs of heads: who they are, and how unlike they attend.

Room: studying. Comes in: maps of all sites on one example, or names of heads. Goes out: distances
of pairs, and coordinates of a dataset [head_a, head_b].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.errors import StudyError
from limelight.maps import divergence
from limelight.studying.heads import Head
from limelight.studying.looking import Looked, Sites

_SITE = "site|"


@dataclass(frozen=True)
class Comparing:
    """Compares all heads of one example that attend from as many queries to as many keys.

    Attributes
    ----------
    aside : bool
        Whether the first key is set aside.
    seed : int
        For the null.
    """

    aside: bool
    seed: int

    def __call__(self, sites: Sites) -> dict[str, NDArray[Any]]:
        """Return ``distance`` and ``null`` [pair], and which sites were compared."""
        shapes: dict[tuple[Any, ...], list[str]] = {}
        for site, maps in sites.items():
            shapes.setdefault((maps.kind, *maps.weights.shape[1:]), []).append(site)
        chosen = max(
            shapes.items(),
            key=lambda item: (item[0][0] == "self", sum(len(sites[s].weights) for s in item[1])),
        )[1]  # fmt: skip
        rows = divergence.rows_of([sites[site] for site in chosen], self.aside)
        if len(rows.weights) < 2:
            raise StudyError(
                "Got one head.", "Wanted two or more, to compare.", "Take a model that has more."
            )
        return {
            "distance": divergence.divergences(rows),
            "null": divergence.divergences(divergence.permuted(rows, self.seed)),
            **{_SITE + site: np.zeros(0) for site in chosen},
        }


def compared(came: Looked) -> list[Head]:
    """Return the heads that were compared, in their order.

    Parameters
    ----------
    came : Looked

    Returns
    -------
    list of (str, int)
    """
    return [(site, head) for site, count in came.heads.items() for head in range(count)
            if _SITE + site in came.numbers]  # fmt: skip


def coordinates(heads: Sequence[Head]) -> dict[str, Any]:
    """Return coordinates of a dataset of pairs.

    Parameters
    ----------
    heads : sequence of (str, int)

    Returns
    -------
    dict
        For both dims: a label for each head, its site, and its number there.

    Examples
    --------
    >>> coordinates([("a", 0), ("a", 1)])["head_a"][1].tolist()
    ['a 0', 'a 1']
    """
    made: dict[str, Any] = {}
    for side in ("a", "b"):
        dim = f"head_{side}"
        made[dim] = (dim, np.array([f"{site} {head}" for site, head in heads], np.str_))
        made[f"site_{side}"] = (dim, np.array([site for site, _ in heads], np.str_))
        made[f"number_{side}"] = (dim, np.array([head for _, head in heads]))
    return made
