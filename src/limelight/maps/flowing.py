"""How much can flow from an input's position to an output's, if each attention is a pipe.

Room: maps. Comes in: the layers of one example. Goes out: maximum flows, exact but for the
rounding of capacities.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

#: Capacities are whole numbers of this share of 1; at most 1 flows out of a position.
SCALE: Final = 2**30


def flows(
    steps: Sequence[NDArray[Any]], queries: Sequence[int], keys: Sequence[int]
) -> NDArray[np.float64]:
    """Return the maximum flow of each pair of positions.

    Parameters
    ----------
    steps : sequence of array [query, key]
        Capacities of each layer, from the input up; rows sum to 1.
    queries, keys : sequence of int
        Positions above the last layer, and below the first.

    Returns
    -------
    array [query, key]
        0 to 1, each pair by itself: they do not add up. Capacities are rounded to 2⁻³⁰, so a flow
        is off by at most 2⁻³¹ for each edge of its narrowest cut.

    References
    ----------
    .. [1] S. Abnar and W. Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020.

    Examples
    --------
    >>> step = np.array([[0.75, 0.25], [0.25, 0.75]])
    >>> flows([step, step], [0, 1], [0, 1]).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    graph, positions = _graph(steps)
    top = positions * len(steps)
    made = np.zeros((len(queries), len(keys)))
    for row, query in enumerate(queries):
        for column, key in enumerate(keys):
            made[row, column] = maximum_flow(graph, top + query, key).flow_value
    return made / SCALE


def _graph(steps: Sequence[NDArray[Any]]) -> tuple[csr_array, int]:
    """Return capacities between all positions of all layers, the input's first."""
    positions = steps[0].shape[1]
    rows, columns, capacities = [], [], []
    for number, step in enumerate(steps):
        whole = np.rint(np.asarray(step, np.float64) * SCALE).astype(np.int32)
        query, key = np.nonzero(whole)
        rows.append(query + positions * (number + 1))
        columns.append(key + positions * number)
        capacities.append(whole[query, key])
    count = positions * (len(steps) + 1)
    graph = csr_array(
        (np.concatenate(capacities), (np.concatenate(rows), np.concatenate(columns))),
        shape=(count, count),
    )  # fmt: skip
    return graph, positions
