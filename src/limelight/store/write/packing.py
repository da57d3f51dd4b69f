"""Vectors as they are stored: rounded as far as their weights allow, and what follows from that.

Room: store. Comes in: the factors of one site. Goes out: :class:`Packed`, whose numbers are laid
into rows as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from limelight.analyses import blockwise
from limelight.analyses.blockwise import pooling
from limelight.factors import Factors, blocks
from limelight.rule import Rule
from limelight.store.format import overview
from limelight.store.format.precision import Precision

#: Rows and columns, or queries and keys.
Pair = tuple[int, int]

#: Error of a weight above which vectors are stored in single precision: by form of storage.
BOUNDS: Final = {"float16": 2e-3, "compact": 1e-2}

#: The longest number of stored vectors lies below this power of two: far from what halves cannot
#: hold, and as far above their smallest.
_TOP: Final = 10

#: Queries of each head whose weights are compared before and after rounding: so many spread over
#: all, and as many of the longest.
_SAMPLED: Final = 64


class Pictures(NamedTuple):
    """A site's maps, pooled.

    Attributes
    ----------
    cells, nan : array [2, example, head, row, column]
        As :func:`limelight.store.format.overview.pictures` gives them.
    large : array [2, example, head, row, column], optional
        The largest weight and the mean allowed weight of each cell of a large map.
    """

    cells: NDArray[Any]
    nan: NDArray[Any]
    large: NDArray[np.float16] | None


@dataclass(frozen=True)
class Packed:
    """What is stored of one site.

    Attributes
    ----------
    query, key : array [example, head, position, feature]
        float16, or float32 if ``wide``.
    wide : bool
    factors : Factors
        What a reader will make of it, with the stored normaliser.
    max_error : float
        Twice the largest error seen in the weights of 128 queries of each head.
    """

    query: NDArray[Any]
    key: NDArray[Any]
    wide: bool
    factors: Factors
    max_error: float
    pictures: Pictures


def packed(factors: Factors, form: Precision, sides: Pair, strides: Pair | None = None) -> Packed:
    """Round vectors, and compute anew what depends on them.

    Parameters
    ----------
    factors : Factors
    form : Precision
    sides : (int, int)
        Rows and columns of the small pictures.
    strides : (int, int), optional
        How many queries and keys lie in a cell of large maps, if they are stored pooled as well.

    Returns
    -------
    Packed
        Of halves if the error that makes is small, see :data:`BOUNDS`.
    """
    query, key, rounded = _rounded(factors, np.float16)
    sample = _sample(factors.query)
    error = 2 * _apart(_sampled(factors, sample), _sampled(rounded, sample))
    if wide := not error <= BOUNDS[form.name]:
        query, key, rounded = _rounded(factors, np.float32)
        error = 0.0
    pictures = _pictures(rounded, sides, strides)
    normaliser = rounded.normaliser.astype(np.float32).astype(np.float64)
    # A normaliser off by its last bit makes every weight of its row off by that share.
    error += (
        float(np.abs(np.nan_to_num(normaliser, posinf=0, neginf=0)).max(initial=1.0)) * 2.0**-24
    )
    rounded.keep(normaliser)
    return Packed(query, key, wide, rounded, error, pictures)


def pooled_allowed(factors: Factors, strides: Pair) -> NDArray[np.int32]:
    """Count the allowed weights in each cell of a large, pooled map.

    Parameters
    ----------
    factors : Factors
    strides : (int, int)
        How many queries and keys lie in a cell.

    Returns
    -------
    array [example or 1, head or 1, row, column]
    """
    return pooling.counts(factors.rule, factors.shape, _strided(factors, strides))


def allowed_cells(factors: Factors, sides: Pair) -> NDArray[np.bool_]:
    """Return which cells of the small pictures cover anything that may be attended to.

    Parameters
    ----------
    factors : Factors
    sides : (int, int)
        Rows and columns of the pictures.

    Returns
    -------
    array [example or 1, head or 1, row, column]
    """
    return np.asarray(pooling.counts(factors.rule, factors.shape, _edges(factors, sides)) > 0)


def _pictures(factors: Factors, sides: Pair, strides: Pair | None) -> Pictures:
    """Pool maps in the pass that finds the normaliser."""
    queries, keys = factors.shape[2:]
    rows, columns = _edges(factors, sides)
    grids = [(rows, columns)]
    if strides is not None:
        grids.append(_strided(factors, strides))
    fine = pooling.joined(grids)
    _, maps = blockwise.pool(factors, ["normaliser"], fine)
    small, *rest = (pooling.folded(maps.largest, maps.total, fine, grid) for grid in grids)
    covered = np.outer(np.diff(rows, append=queries), np.diff(columns, append=keys))
    cells, nan = overview.painted(np.stack([small[0], small[1] / covered.astype(np.float32)]))
    if strides is None:
        return Pictures(cells, nan, None)
    count = np.maximum(pooled_allowed(factors, strides), 1)
    large = np.stack([rest[0][0], rest[0][1] / count]).astype(np.float16)
    return Pictures(cells, nan, large)


def _edges(factors: Factors, sides: Pair) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return where rows and columns of the small pictures start."""
    queries, keys = factors.shape[2:]
    return overview.edges(queries, sides[0]), overview.edges(keys, sides[1])


def _strided(factors: Factors, strides: Pair) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return where rows and columns of a pooled map start."""
    queries, keys = factors.shape[2:]
    return pooling.even(queries, strides[0]), pooling.even(keys, strides[1])


def _rounded(factors: Factors, dtype: Any) -> tuple[NDArray[Any], NDArray[Any], Factors]:
    """Return vectors as they are stored, and what a reader makes of them."""
    parts, scale = [], factors.scale
    for vectors in (factors.query, factors.key):
        finite = np.abs(vectors[np.isfinite(vectors)])
        top = float(finite.max(initial=0.0))
        # By a power of two: nothing is lost, and the scale takes it back.
        power = 2.0 ** (_TOP - math.frexp(top)[1]) if dtype is np.float16 and top > 0 else 1.0
        parts.append((vectors * np.float32(power)).astype(dtype))
        scale /= power
    query, key = (part.astype(np.float32) for part in parts)
    again = Factors(query, key, factors.rule, scale, factors.softcap, factors.sink_logit)
    return parts[0], parts[1], again


def _sample(query: NDArray[np.float32]) -> NDArray[np.intp]:
    """Choose queries: some spread evenly, and the longest."""
    count = query.shape[2]
    spread = np.linspace(0, count - 1, min(count, _SAMPLED)).astype(np.intp)
    longest = np.einsum("ehqd,ehqd->ehq", query, query).max(axis=(0, 1)).argsort()[-_SAMPLED:]
    return np.union1d(spread, longest)


def _sampled(factors: Factors, queries: NDArray[np.intp]) -> Factors:
    """Return the factors of these queries only."""
    rule = factors.rule
    cells = None if rule.cells is None else rule.cells[:, :, queries]
    part = Rule(rule.first[:, queries], rule.stop[:, queries], rule.valid, cells)
    return replace(factors, query=factors.query[:, :, queries], rule=part)


def _apart(before: Factors, after: Factors) -> float:
    """Return how far apart two weights are at most; NaN in both is no difference."""
    most = 0.0
    for example, heads, queries in blocks(before.shape):
        pair = [f.weights(example, heads, queries, slice(None)) for f in (before, after)]
        if not np.array_equal(np.isnan(pair[0]), np.isnan(pair[1])):
            return math.inf
        most = max(most, float(np.nan_to_num(np.abs(pair[0] - pair[1])).max(initial=0.0)))
    return most
