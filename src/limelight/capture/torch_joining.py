"""Joins what one module did in successive calls: a decoder's steps, with any cache.

Room: capture. Comes in: factors or logits of each call, in order. Goes out: one of them, with the
queries one after another and a column for every key that was ever there. NumPy only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from limelight.factors import Factors, factored
from limelight.rule import Rule

Part = tuple[Factors | None, NDArray[np.float32] | None]


def joined(parts: Sequence[Part]) -> Part:
    """Join the calls of one site.

    Keys are found again by their values: a cache may grow, be filled in place, or let go of its
    oldest entries. Where a key's values change between calls, as in a quantised cache, each row
    keeps the scores it had, and the result is dense.

    Parameters
    ----------
    parts : sequence of (Factors or None, array or None)
        Factors, or else logits [example, head, query, key].

    Returns
    -------
    (Factors or None, array or None)
        One of both.
    """
    if len(parts) == 1:
        return parts[0]
    places, keys, exact = _aligned(parts)
    width = max(place + _shape(part)[3] for place, part in zip(places, parts, strict=True))
    allowed = _allowed(parts, places, width)
    seen = allowed.any(axis=(0, 1, 2)).nonzero()[0]
    width = int(seen[-1]) + 1 if len(seen) else width  # what a cache never filled
    allowed = allowed[..., :width]
    first = parts[0][0]
    if exact and keys is not None and first is not None:
        query = np.concatenate([part[0].query for part in parts if part[0] is not None], axis=2)
        return factored(
            query, keys[:, :, :width], Rule.of(allowed), first.scale,
            softcap=first.softcap, sink=first.sink,
        ), None  # fmt: skip
    return None, _scores(parts, places, width)


def _aligned(
    parts: Sequence[Part],
) -> tuple[list[int], NDArray[np.float32] | None, bool]:
    """Find the column of each call's first key, and every key.

    Returns
    -------
    list of int
    array [example, head, key, feature], or None
    bool
        Whether all calls agree on the keys' values.
    """
    exact = all(part[0] is not None for part in parts)
    first = parts[0][0]
    keys = None if first is None else first.key
    places = [0]
    place, width = 0, _shape(parts[0])[3]
    visible = _visible(parts[0])
    for part in parts[1:]:
        new = part[0].key if part[0] is not None else None
        count, queries = _shape(part)[3], _shape(part)[2]
        shifted = place + width + queries - count
        if keys is not None and new is not None:
            stays = count >= width and _agree(keys, new, place, visible)
            rolls = shifted > place and _agree(keys, new[:, :, : count - queries], shifted, None)
            exact &= stays or rolls
            place = place if stays or (not rolls and count >= width) else max(shifted, 0)
            keys = np.concatenate([keys[:, :, :place], new], axis=2)
        elif count < width:
            place = max(shifted, 0)
        width = count
        old = visible
        visible = np.zeros((len(old), place + count), np.bool_)
        visible[:, : old.shape[1]] |= old[:, : visible.shape[1]]
        visible[:, place:] |= _visible(part)
        places.append(place)
    return places, keys, exact


def _agree(
    keys: NDArray[np.float32],
    new: NDArray[np.float32],
    place: int,
    visible: NDArray[np.bool_] | None,
) -> bool:
    """Say whether new keys continue the known ones from a column on, as far as rows saw them."""
    common = min(keys.shape[2] - place, new.shape[2])
    if common <= 0:
        return False
    same = (keys[:, :, place : place + common] == new[:, :, :common]).all(axis=(1, 3))
    if visible is not None:
        same |= ~visible[:, place : place + common]
    return bool(same.all())


def _visible(part: Part) -> NDArray[np.bool_]:
    factors, logits = part
    if factors is not None:
        return factors.rule.key_valid(factors.shape[0])
    if logits is None:
        return np.zeros((1, 0), np.bool_)
    return np.asarray((logits > -1e8).any(axis=(1, 2)))


def _shape(part: Part) -> tuple[int, int, int, int]:
    factors, logits = part
    if factors is not None:
        return factors.shape
    return logits.shape if logits is not None else (0, 0, 0, 0)  # type: ignore[return-value]


def _allowed(parts: Sequence[Part], places: Sequence[int], width: int) -> NDArray[np.bool_]:
    """Return what every row may attend to, [example, head or 1, query, key]."""
    examples, heads, _, _ = _shape(parts[0])
    by_head = any(part[0] is None or part[0].rule.by_head for part in parts)
    found = np.zeros(
        (examples, heads if by_head else 1, sum(_shape(part)[2] for part in parts), width), np.bool_
    )
    every, row = slice(None), 0
    for (factors, logits), place in zip(parts, places, strict=True):
        _, _, queries, keys = _shape((factors, logits))
        target = found[:, :, row : row + queries, place : place + keys]
        row += queries
        if factors is None and logits is not None:
            target[:] = logits > -1e8
        elif factors is not None:
            for example in range(examples):
                for head in range(found.shape[1]):
                    target[example, head] = factors.rule.allowed(example, head, every, every)
    return found


def _scores(parts: Sequence[Part], places: Sequence[int], width: int) -> NDArray[np.float32]:
    """Return every row's scores, minus infinity where it may not attend."""
    examples, heads, _, _ = _shape(parts[0])
    total = sum(_shape(part)[2] for part in parts)
    found = np.full((examples, heads, total, width), -np.inf, np.float32)
    every, row = slice(None), 0
    for (factors, logits), place in zip(parts, places, strict=True):
        _, _, queries, keys = _shape((factors, logits))
        target = found[:, :, row : row + queries, place : place + keys]
        row += queries
        count = target.shape[-1]
        if factors is None and logits is not None:
            target[:] = logits[..., :count]
        elif factors is not None:
            for example in range(examples):
                for head in range(heads):
                    scores = factors.scores(example, head, every, every)
                    may = factors.rule.allowed(example, head, every, every)
                    target[example, head] = np.where(may, scores, -np.inf)[:, :count]
    return found
