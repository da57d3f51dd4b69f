"""The self-attention of one example, layer above layer, and what a step through a layer is.

Room: maps. Comes in: maps of all sites of one example. Goes out: a list of layers from the input
up, each a function of a share over positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.errors import StudyError
from limelight.maps.reading import Maps

#: Columns of a product that are computed at once.
_COLUMNS: Final = 128


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer: half of what a position holds stays, half comes by attention, each head alike.

    Attributes
    ----------
    weights : array [head, query, key]
        float32.
    rows : array [head, query]
        Rows that count; in the others everything stays.
    residual : float
        What stays: 0.5 unless said otherwise.
    """

    weights: NDArray[np.float32]
    rows: NDArray[np.bool_]
    residual: float = 0.5

    def down(self, share: NDArray[Any]) -> NDArray[np.float64]:
        """Return shares below the layer of shares above it: never forms the layer's mean map.

        Parameters
        ----------
        share : array [query]

        Returns
        -------
        array [key]
        """
        heads = len(self.weights)
        held = np.flatnonzero(share)
        part = slice(None) if len(held) > len(share) // 4 else held  # above, it is one position
        moving = (share[None] * self.rows)[:, None, part].astype(np.float32)
        by_head = np.matmul(moving, self.weights[:, part])[:, 0]
        attention = by_head.sum(0, dtype=np.float64) / heads
        attention += (share[None] * ~self.rows).sum(0) / heads
        return np.asarray(self.residual * share + (1 - self.residual) * attention, np.float64)

    def read(self, share: NDArray[Any]) -> NDArray[np.float32]:
        """Return what each head's queries read of a share below.

        Parameters
        ----------
        share : array [key]

        Returns
        -------
        array [head, query]
        """
        return np.asarray(self.weights @ share.astype(np.float32), np.float32)

    def raised(self, read: NDArray[Any], share: NDArray[Any]) -> NDArray[np.float64]:
        """Return what positions above hold, of what heads read and what stays.

        Parameters
        ----------
        read : array [head, query]
        share : array [query]

        Returns
        -------
        array [query]
        """
        attention = np.where(self.rows, read, share[None]).mean(0, dtype=np.float64)
        return np.asarray(self.residual * share + (1 - self.residual) * attention, np.float64)

    def matrix(self, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Return the layer's step [query, key], its rows summing to 1.

        Parameters
        ----------
        out : array [query, key], optional
            Written into, if given.

        Returns
        -------
        array [query, key]
        """
        count = self.weights.shape[1]
        made = np.empty((count, count), np.float32) if out is None else out
        np.add.reduce(self.weights, axis=0, out=made)
        made *= np.float32((1 - self.residual) / len(self.weights))
        stays = self.residual + (1 - self.residual) * (~self.rows).mean(0)
        made[np.arange(count), np.arange(count)] += stays.astype(np.float32)
        return made


def layers_of(sites: Mapping[str, Maps], residual: float) -> dict[str, Layer]:
    """Return the layers of self-attention that lie above each other.

    Parameters
    ----------
    sites : mapping of str to Maps
        In the order they run.
    residual : float
        What stays at a position: 0 to 1.

    Returns
    -------
    dict of str to Layer
        From the input up.

    Raises
    ------
    StudyError
        If there are none, or positions are not the same in all.
    """
    chosen = {
        site: maps
        for site, maps in sites.items()
        if maps.kind == "self" and maps.weights.shape[1] == maps.weights.shape[2]
    }
    shapes = {maps.weights.shape[1] for maps in chosen.values()}
    if len(shapes) != 1:
        raise StudyError(
            f"Got self-attention over {sorted(shapes) or 'no'} positions.",
            "Wanted layers above each other, over the same positions.",
            "Choose sites of one stack: ll.capture(model, x, include='encoder/*').",
        )
    return {
        site: Layer(
            np.where(np.broadcast_to(maps.rows, maps.weights.shape[:2])[..., None],
                     maps.weights, np.float32(0)),
            np.broadcast_to(maps.rows, maps.weights.shape[:2]), residual,
        )
        for site, maps in chosen.items()
    }  # fmt: skip


def rolled(layers: Sequence[Layer], query: int | None = None) -> NDArray[np.floating[Any]]:
    r"""Return what each position of the last layer holds of each position of the input.

    .. math:: R = \tilde A_L \cdots \tilde A_1, \quad
              \tilde A = \rho I + (1 - \rho) \frac{1}{H} \sum_h A_h

    Parameters
    ----------
    layers : sequence of Layer
        From the input up.
    query : int, optional
        One position above; all if not given.

    Returns
    -------
    array [query, key] or [key]
        Rows sum to 1.
    """
    if query is not None:
        share = np.zeros(layers[0].weights.shape[1])
        share[query] = 1
        for layer in reversed(layers):
            share = layer.down(share)
        return share
    made = layers[0].matrix()
    step = np.empty_like(made)
    for layer in layers[1:]:
        layer.matrix(out=step)
        for begin in range(0, made.shape[1], _COLUMNS):  # in its own memory, some columns at once
            columns = slice(begin, begin + _COLUMNS)
            made[:, columns] = step @ made[:, columns]
    return made


def carried(
    layers: Sequence[Layer], query: int, key: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how much of what a position above holds of one below each head carried.

    Parameters
    ----------
    layers : sequence of Layer
        From the input up, with equally many heads or not.
    query, key : int

    Returns
    -------
    array [layer, head], array [layer]
        Shares by way of each head, and of what stayed at its position; for each layer they sum to
        the rollout of the pair. NaN beyond a layer's heads.
    """
    count = layers[0].weights.shape[1]
    below = [np.eye(1, count, key)[0]]
    reads = []
    for layer in layers:
        reads.append(layer.read(below[-1]))
        below.append(layer.raised(reads[-1], below[-1]))
    heads = np.full((len(layers), max(len(layer.weights) for layer in layers)), np.nan)
    stayed = np.zeros(len(layers))
    above = np.eye(1, count, query)[0]
    for number in reversed(range(len(layers))):
        layer, source, read = layers[number], below[number], reads[number]
        scale = (1 - layer.residual) / len(layer.weights)
        heads[number, : len(read)] = (above * layer.rows * read).sum(-1) * scale
        stayed[number] = (above * source * (layer.residual + scale * (~layer.rows).sum(0))).sum()
        above = layer.down(above)
    return heads, stayed
