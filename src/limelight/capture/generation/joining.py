"""Joins what one module did in successive calls into one map: a row more per new token.

Room: capture. Comes in: captures of one module in the order they ran, such as those of a decoder
that writes word after word, whatever its cache keeps. Goes out: one capture whose keys are the
whole sequence. Knows no framework.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.generation.rules import Rows, joined
from limelight.capture.site import CapturedAttention, allowed_in
from limelight.capture.validity import joint
from limelight.errors import UnsupportedModelError
from limelight.factors import Factors

#: Cached keys that differ by more than this share of their size are other keys. A cache of four
#: bits changes them by about a tenth.
_SAME_KEYS = 0.3


@dataclass(frozen=True)
class _Part:
    """One call's rows, and where its keys and queries lie in the whole sequence."""

    captured: CapturedAttention
    rows: int
    offset: int
    keys: int


@dataclass
class _Joined:
    """What is joined so far.

    ``length`` is the number of positions seen; ``known`` their keys, where vectors are known.
    """

    parts: list[_Part]
    length: int
    known: NDArray[np.float32] | None
    exact: bool = True


def join(captures: Sequence[CapturedAttention], crossing: bool | None = None) -> CapturedAttention:
    """Join successive calls of one module.

    Self-attention goes on where the call before it stopped: its keys are all positions so far, the
    newest of them (a cache with a window), or room for more than there are (a static cache). A call
    that looks at no earlier position starts afresh and replaces what was there, and one that goes
    back a few positions, as when drafted words are refused, replaces those. Cross-attention has the
    same keys in every call.

    Parameters
    ----------
    captures : sequence of CapturedAttention
        Of one module, in the order it ran.
    crossing : bool, optional
        Whether each call asks the same keys, where that is known; else what came tells.

    Returns
    -------
    CapturedAttention
        With factors where all calls had the same key vectors, else dense.

    Raises
    ------
    UnsupportedModelError
        If a call does not go on from the one before it, as when beams change places.
    """
    first = captures[0]
    if len(captures) == 1:
        return first
    if crossing is None:
        crossing = first.kind != "self" or _same_memory(first, captures[1])
    state = _begin(first, crossing)
    for captured in captures[1:]:
        if (captured.shape[:2] != first.shape[:2]) or not (
            _cross_on(state, captured) if crossing else _go_on(state, captured)
        ):
            raise unjoinable(first.module)
    return replace(_whole(state), kind="cross" if crossing else first.kind)


def _same_memory(first: CapturedAttention, second: CapturedAttention) -> bool:
    """Say whether one query after another looks at the same keys, as a decoder's cell does."""
    if first.shape != second.shape or first.shape[2] != 1 or first.shape[3] == 1:
        return False
    if first.factors is not None and second.factors is not None:
        return np.array_equal(first.factors.key, second.factors.key)
    return bool(_cells(first).all())


def _begin(captured: CapturedAttention, crossing: bool) -> _Joined:
    length = captured.shape[3] if crossing else _end(captured)
    part = _Part(captured, captured.shape[2], 0, length)
    return _Joined([part], length, _keys(captured, length))


def _end(captured: CapturedAttention) -> int:
    """Return how many keys there are, less the empty end of a static cache."""
    queries, keys = captured.shape[2:]
    if queries == keys:
        return keys
    factors = captured.factors
    if factors is not None:
        used = np.flatnonzero(factors.rule.key_valid(captured.shape[0]).any(axis=0))
    else:
        used = np.flatnonzero(_cells(captured).any(axis=(0, 1, 2)))
    return max(int(used[-1]) + 1 if len(used) else keys, queries)


def _keys(captured: CapturedAttention, length: int) -> NDArray[np.float32] | None:
    return None if captured.factors is None else captured.factors.key[:, :, :length]


def _go_on(state: _Joined, captured: CapturedAttention) -> bool:
    """Append one call of self-attention; False if it does not fit."""
    queries, keys = captured.shape[2:]
    if queries == keys:  # nothing remembered: the whole sequence again, or another one
        fresh = _begin(captured, crossing=False)
        state.parts, state.length, state.known = fresh.parts, fresh.length, fresh.known
        return True
    offset = max(0, state.length + queries - keys)
    if _append(state, captured, offset, state.length):
        return True
    back = keys - queries
    return 0 <= back < state.length and _append(state, captured, 0, back)


def _append(state: _Joined, captured: CapturedAttention, offset: int, past: int) -> bool:
    """Append rows after position ``past``, if the keys up to there are those known already."""
    length = past + captured.shape[2]
    key = _keys(captured, length - offset)
    if state.known is not None and key is not None:
        before, now = state.known[:, :, offset:past], key[:, :, : past - offset]
        if before.shape != now.shape:
            return False
        if not np.array_equal(before, now):
            gap, size = np.linalg.norm(before - now), np.linalg.norm(before)
            if gap > _SAME_KEYS * size:
                return False
            state.exact = False
        state.known = np.concatenate([state.known[:, :, :offset], key], axis=2)
    else:
        state.known = None
    _cut(state, past)
    state.parts.append(_Part(captured, captured.shape[2], offset, length - offset))
    state.length = length
    return True


def _cut(state: _Joined, past: int) -> None:
    """Drop the rows of positions from ``past`` on."""
    start = state.length - sum(part.rows for part in state.parts)
    parts = []
    for part in state.parts:
        rows = min(part.rows, past - start)
        if rows > 0:
            parts.append(replace(part, rows=rows))
        start += part.rows
    state.parts = parts


def _cross_on(state: _Joined, captured: CapturedAttention) -> bool:
    """Append one call of cross-attention; False if its keys are others."""
    if captured.shape[3] != state.length:
        return False
    key = _keys(captured, state.length)
    if state.known is not None and key is not None and not np.array_equal(state.known, key):
        if np.linalg.norm(state.known - key) > _SAME_KEYS * np.linalg.norm(key):
            return False
        state.exact = False
    rows = sum(part.rows for part in state.parts)
    if captured.shape[2] > rows and _same_rows(state, captured, rows):
        state.parts, state.known = [], key  # without a cache, each call asks every query again
    state.parts.append(_Part(captured, captured.shape[2], 0, state.length))
    return True


def _same_rows(state: _Joined, captured: CapturedAttention, rows: int) -> bool:
    before = np.concatenate([in_full(p.captured)[0][:, :, : p.rows] for p in state.parts], axis=2)
    return bool(np.allclose(before, in_full(captured)[0][:, :, :rows], atol=1e-4))


def _whole(state: _Joined) -> CapturedAttention:
    """Build one capture of all parts."""
    parts = state.parts
    first = parts[0].captured
    made: dict[str, Any] = {
        "query_valid": _joined_valid(parts),
        "key_valid": _joined_keys(parts, state.length),
    }
    made["sink_weight"] = _joined_sinks(parts)
    made["masked_by"] = joint([part.captured.masked_by for part in parts])
    every = [part.captured.factors for part in parts]
    factors = [vectors for vectors in every if vectors is not None]
    if state.known is not None and state.exact and len(factors) == len(parts):
        return replace(first, factors=_factors(parts, factors, state), **made)
    examples, heads = first.shape[:2]
    shape = (examples, heads, sum(part.rows for part in parts), state.length)
    weights = np.zeros(shape, np.float32)
    logits = np.full(shape, -np.inf, np.float32)
    row = 0
    for part in parts:
        cells = np.s_[:, :, row : row + part.rows, part.offset : part.offset + part.keys]
        for whole, values in zip((weights, logits), in_full(part.captured), strict=True):
            whole[cells] = values[:, :, : part.rows, : part.keys]
        row += part.rows
    return replace(first, factors=None, weights=weights, logits=logits, **made)


def _factors(parts: list[_Part], factors: list[Factors], state: _Joined) -> Factors:
    calls = [
        Rows(vectors.rule, part.rows, part.keys, part.offset)
        for part, vectors in zip(parts, factors, strict=True)
    ]
    query = [vectors.query[:, :, : part.rows] for part, vectors in zip(parts, factors, strict=True)]
    last = factors[-1]
    assert state.known is not None
    return replace(
        last,
        query=np.concatenate(query, axis=2),
        key=state.known,
        rule=joined(calls, state.length),
    )


def _cells(captured: CapturedAttention) -> NDArray[np.bool_]:
    """Return which cells are allowed, [example, head or 1, query, key]."""
    factors = captured.factors
    if factors is None:
        assert captured.logits is not None
        return allowed_in(captured.logits)
    examples, heads = factors.shape[:2]
    every = slice(None)
    return np.stack(
        [
            np.stack(
                [
                    factors.rule.allowed(example, head, every, every)
                    for head in range(heads if factors.rule.by_head else 1)
                ]
            )
            for example in range(examples)
        ]
    )


def in_full(captured: CapturedAttention) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the weights and logits of a capture.

    Parameters
    ----------
    captured : CapturedAttention

    Returns
    -------
    (array, array) [example, head, query, key]
    """
    factors = captured.factors
    if factors is None:
        assert captured.weights is not None
        assert captured.logits is not None
        return captured.weights, captured.logits
    logits = np.empty(factors.shape, np.float32)
    every = slice(None)
    for example, head in np.ndindex(*factors.shape[:2]):
        logits[example, head] = factors.scores(example, head, every, every)
    return factors.dense(), np.where(_cells(captured), logits, -np.inf).astype(np.float32)


def _joined_valid(parts: list[_Part]) -> NDArray[np.bool_] | None:
    if all(part.captured.query_valid is None for part in parts):
        return None
    rows = []
    for part in parts:
        valid = part.captured.query_valid
        if valid is None:
            valid = np.ones((part.captured.shape[0], part.captured.shape[2]), np.bool_)
        rows.append(valid[:, : part.rows])
    return np.concatenate(rows, axis=1)


def _joined_sinks(parts: list[_Part]) -> NDArray[np.float32] | None:
    """Return what sink logits take of each row; factors know it of themselves."""
    if all(part.captured.sink_weight is None for part in parts):
        return None
    rows = []
    for part in parts:
        sink_weight, factors = part.captured.sink_weight, part.captured.factors
        if sink_weight is None and factors is not None:
            sink_weight = factors.sink_weights()
        if sink_weight is None:
            sink_weight = np.zeros(part.captured.shape[:3], np.float32)
        rows.append(sink_weight[:, :, : part.rows])
    return np.concatenate(rows, axis=2)


def _joined_keys(parts: list[_Part], length: int) -> NDArray[np.bool_] | None:
    """Return which keys are valid in any call: a static cache calls valid what is filled."""
    if all(part.captured.key_valid is None for part in parts):
        return None
    joined = np.zeros((parts[0].captured.shape[0], length), np.bool_)
    for part in parts:
        valid = part.captured.key_valid
        filled = np.True_ if valid is None else valid[:, : part.keys]
        joined[:, part.offset : part.offset + part.keys] |= filled
    return joined


def unjoinable(module: str) -> UnsupportedModelError:
    """Return the error for calls that cannot become one map.

    Parameters
    ----------
    module : str

    Returns
    -------
    UnsupportedModelError
    """
    return UnsupportedModelError(
        f"Got calls of {module} that do not go on from one another: the batch or what it "
        "remembers of earlier positions changed between them.",
        "Wanted the same examples in every call, each looking back at what came before; beam "
        "search and several returned sequences per example rearrange them.",
        "Generate with num_beams=1, or generate first and capture one pass over the finished text.",
    )
