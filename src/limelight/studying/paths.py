"""Paths through the layers of a model: what rollout and flow have in common.

Room: studying. Comes in: maps of all sites on one example. Goes out: shares of positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.errors import StudyError
from limelight.maps.flowing import flows
from limelight.maps.layers import carried, layers_of, rolled
from limelight.studying.looking import Sites


@dataclass(frozen=True)
class Rolling:
    """Rolls attention out, for one position above or all, perhaps to one below.

    Attributes
    ----------
    residual : float
    query, key : int, optional
    """

    residual: float
    query: int | None
    key: int | None

    def __call__(self, sites: Sites) -> dict[str, NDArray[Any]]:
        """Return ``share`` and, where one position is asked for, what passes where."""
        layers = list(layers_of(sites, self.residual).values())
        count = layers[0].weights.shape[1]
        query, key = _position("query", self.query, count), _position("key", self.key, count)
        made: dict[str, NDArray[Any]] = {"share": rolled(layers, query)}
        if query is not None:
            share = np.eye(1, count, query)[0]
            nodes = [share]
            for layer in reversed(layers):
                share = layer.down(share)
                nodes.append(share)
            made["share"], made["node"] = share, np.array(nodes[::-1])
            if key is not None:
                made["carried"], made["stayed"] = carried(layers, query, key)
        return made


@dataclass(frozen=True)
class Flowing:
    """Finds the maximum flow of one position above or all, to all below.

    Attributes
    ----------
    residual : float
    query : int, optional
    most : int
        Positions that are not too many.
    """

    residual: float
    query: int | None
    most: int

    def __call__(self, sites: Sites) -> dict[str, NDArray[Any]]:
        """Return ``flow`` [query, key] or [key]."""
        layers = list(layers_of(sites, self.residual).values())
        count = layers[0].weights.shape[1]
        if count > self.most:
            raise StudyError(
                f"Got {count} positions.",
                f"Wanted at most {self.most}: each pair takes a maximum flow of its own.",
                "Take shorter examples, ll.rollout, or most= for as many, if you can wait.",
            )
        query = _position("query", self.query, count)
        queries = range(count) if query is None else [query]
        made = flows([layer.matrix() for layer in layers], queries, range(count))
        return {"flow": made if query is None else made[0]}


def _position(name: str, number: int | None, count: int) -> int | None:
    """Return a position that may be counted from the end."""
    if number is None:
        return None
    if not -count <= number < count:
        raise StudyError(
            f"Got {name}={number} for {count} positions.", f"Wanted one from 0 to {count - 1}.",
            "Count from 0; −1 is the last.",
        )  # fmt: skip
    return int(number) % count
