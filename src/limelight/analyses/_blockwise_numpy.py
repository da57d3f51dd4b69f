"""One pass over scores, block by block of whole rows, in NumPy alone."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from limelight.factors import Factors, blocks

#: Places in what a pass returns: the best allowed score; and with ``e`` the exponential of each
#: score less the best one, the sums of ``e``, of ``e`` times that difference, of ``e`` times the
#: distance in positions; and the score of the first key.
TOP: Final = 0
TOTAL: Final = 1
SLOPE: Final = 2
APART: Final = 3
FIRST: Final = 4
#: And the scores of the positions around the query's own.
NEAR: Final = {"diagonal": 5, "previous": 6, "next": 7}
OFFSETS: Final = {"diagonal": 0, "previous": -1, "next": 1}

#: The exponential of anything lower is taken for 0.
LOWEST: Final = np.float32(-87.0)


def walk(factors: Factors, apart: bool, near: bool) -> NDArray[np.float64]:
    """Make one pass over the scores.

    Parameters
    ----------
    factors : Factors
    apart, near : bool
        Whether :data:`APART` and :data:`NEAR` are wanted.

    Returns
    -------
    array [place, example, head, query]
        float64; the places are those named in this module. Scores that are not allowed, or beyond
        the keys, are ``-inf``.
    """
    raw = blank(factors, near)
    keys = np.arange(factors.shape[3])
    for example, heads, queries in blocks(factors.shape):
        scores = factors.scores(example, heads, queries, slice(None))
        allowed = factors.rule.allowed(example, heads, queries, slice(None))
        if not allowed.all():
            np.copyto(scores, np.float32(-np.inf), where=~allowed)
        into = raw[:, example, heads, queries]
        into[FIRST] = scores[..., 0]
        place = np.arange(queries.start, queries.stop)
        if near:
            for name, offset in OFFSETS.items():
                there = place + offset
                inside = np.flatnonzero((there >= 0) & (there < len(keys)))
                into[NEAR[name]][:, inside] = scores[:, inside, there[inside]]
        top = scores.max(axis=-1)
        into[TOP] = top
        with np.errstate(invalid="ignore"):  # from infinite scores; the row is NaN then
            scores -= np.where(np.isneginf(top), 0, top)[..., None]
            found = np.exp(scores)
            into[TOTAL] = found.sum(axis=-1, dtype=np.float64)
            np.maximum(scores, LOWEST, out=scores)  # 0 times -inf would be NaN
            scores *= found
            into[SLOPE] = scores.sum(axis=-1, dtype=np.float64)
            if apart:
                found *= abs(place[:, None] - keys).astype(np.float32)
                into[APART] = found.sum(axis=-1, dtype=np.float64)
    return raw


def blank(factors: Factors, near: bool) -> NDArray[np.float64]:
    """Return a pass's result before any score was seen."""
    raw = np.zeros((FIRST + 1 + (len(NEAR) if near else 0), *factors.shape[:3]))
    raw[[TOP, *range(FIRST, len(raw))]] = -np.inf
    return raw
