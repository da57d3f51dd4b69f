"""Calls of one module are joined by what they remember, in every form a cache takes."""

from __future__ import annotations

import numpy as np
import pytest

from limelight.capture.generation.joining import join
from limelight.capture.site import CapturedAttention
from limelight.errors import UnsupportedModelError
from limelight.factors import factored
from limelight.rule import Rule

T, D = 7, 4
RANDOM = np.random.default_rng(5)
QUERY = RANDOM.normal(size=(2, 2, T, D)).astype(np.float32)
KEY = RANDOM.normal(size=(2, 2, T, D)).astype(np.float32)


def captured(queries, keys, allowed, *, dense=False, noise=0.0, kind="self"):
    """Attention from some positions to some others."""
    key = KEY[:, :, keys] + np.float32(noise)
    factors = factored(QUERY[:, :, queries], key, Rule.of(allowed[None, None]), 0.5)
    if not dense:
        return CapturedAttention("m", "M", kind, "none", "float32", factors=factors)
    weights = factors.dense()
    logits = np.where(allowed, QUERY[:, :, queries] @ key.swapaxes(-1, -2) * 0.5, -np.inf)
    return CapturedAttention(
        "m", "M", kind, "none", "float32", weights=weights, logits=logits.astype(np.float32)
    )


def step(start, stop, window=T, *, room=0, **options):
    """One call of causal attention whose cache keeps a window, or has room for more."""
    first = 0 if room else max(0, start - window + 1)
    keys = np.arange(first, T if room else stop)
    queries = np.arange(start, stop)
    allowed = (keys <= queries[:, None]) & (keys > queries[:, None] - window)
    return captured(queries, keys, allowed, **options)


def dense(joined):
    return joined.factors.dense() if joined.factors is not None else joined.weights


def whole(window=T):
    return dense(step(0, T, window))


@pytest.mark.parametrize("as_map", [False, True], ids=["vectors", "maps"])
@pytest.mark.parametrize("window", [T, 3, 2])
@pytest.mark.parametrize("room", [0, 1], ids=["grows", "has room"])
@pytest.mark.parametrize("cuts", [(4, 5, 6, 7), (2, 4, 7), (1, 2, 3, 4, 5, 6, 7)])
def test_steps_become_one_map(as_map, window, room, cuts):
    starts = (0, *cuts[:-1])
    parts = [
        step(start, stop, window, room=room, dense=as_map)
        for start, stop in zip(starts, cuts, strict=True)
    ]
    joined = join(parts)
    assert (joined.factors is None) == as_map
    np.testing.assert_allclose(dense(joined), whole(window), atol=1e-6)


def test_without_a_cache_the_last_call_counts():
    joined = join([step(0, stop) for stop in (4, 5, 6, 7)])
    np.testing.assert_allclose(dense(joined), whole(), atol=1e-6)


def test_a_cache_that_rounds_its_keys_keeps_each_rows_own():
    parts = [step(0, 5), step(5, 6, noise=0.01), step(6, 7, noise=0.02)]
    joined = join(parts)
    assert joined.factors is None
    rows = [part.factors.dense() for part in parts]
    for row, dense_rows in zip((slice(0, 5), slice(5, 6), slice(6, 7)), rows, strict=True):
        np.testing.assert_allclose(
            joined.weights[:, :, row, : dense_rows.shape[3]], dense_rows, atol=1e-6
        )


def test_rows_taken_back_are_replaced():
    joined = join([step(0, 4), step(4, 6), step(5, 7)])
    np.testing.assert_allclose(dense(joined), whole(), atol=1e-6)


def test_one_memory_looked_at_again_and_again_is_cross_attention():
    every = np.ones((1, T), bool)
    for kind in ("cross", "self", "pooling"):
        joined = join([captured([q], np.arange(T), every, kind=kind) for q in range(3)])
        assert joined.kind == "cross"
        assert joined.shape == (2, 2, 3, T)


def test_cross_attention_asked_again_without_a_cache_counts_once():
    parts = [captured(np.arange(n), np.arange(T), np.ones((n, T), bool), kind="cross")
             for n in (1, 2, 3)]  # fmt: skip
    joined = join(parts)
    np.testing.assert_allclose(dense(joined), dense(parts[-1]), atol=1e-6)


def other_examples(part):
    factors = factored(part.factors.query, part.factors.key[::-1], part.factors.rule, 0.5)
    return CapturedAttention("m", "M", "self", "none", "float32", factors=factors)


@pytest.mark.parametrize("later", [step(4, 5), step(5, 6)], ids=["memory", "cross"])
def test_examples_that_change_places_are_refused(later):
    with pytest.raises(UnsupportedModelError, match="do not go on"):
        join([step(0, 4), other_examples(later)])
