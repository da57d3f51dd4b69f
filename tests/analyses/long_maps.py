"""Vectors of every kind of attention, and what the textbook makes of them."""

from __future__ import annotations

import numpy as np
import xarray as xr
from hypothesis import strategies as st

from limelight.factors import factored
from limelight.rule import Rule


def plain(factors):
    """The textbook softmax, in double precision: weights, what is allowed, log normalisers."""
    key = np.repeat(factors.key, factors.shape[1] // factors.key.shape[1], axis=1)
    scores = np.einsum("ehqd,ehkd->ehqk", factors.query.astype(float), key.astype(float))
    scores = scores * factors.scale
    if factors.softcap is not None:
        scores = np.tanh(scores / factors.softcap) * factors.softcap
    every = slice(None)
    allowed = np.stack([
        np.broadcast_to(factors.rule.allowed(example, every, every, every), factors.shape[1:])
        for example in range(factors.shape[0])
    ])  # fmt: skip
    exponentials = np.where(allowed, np.exp(scores), 0)
    total = exponentials.sum(-1, keepdims=True)
    if factors.sink_logit is not None:
        total = total + np.exp(factors.sink_logit.astype(float))[None, :, None, None]
    weights = np.divide(exponentials, total, out=np.zeros_like(exponentials), where=total > 0)
    dims = ("example", "head", "query", "key")
    with np.errstate(divide="ignore"):
        normaliser = np.log(total[..., 0])
    return xr.DataArray(weights, dims=dims), xr.DataArray(allowed, dims=dims), normaliser


def rule_of(kind, random, examples, heads, queries, keys):
    if kind == "causal":
        return Rule.causal(queries, keys, offset=keys - queries)
    if kind == "window":
        return Rule.causal(queries, keys, offset=keys - queries, window=5)
    if kind == "full":
        return Rule.everything(queries, keys)
    if kind == "padded":
        lengths = random.integers(0, keys + 1, examples)
        cells = np.arange(keys) < lengths[:, None]
        return Rule.of(np.broadcast_to(cells[:, None, None], (examples, 1, queries, keys)))
    if kind == "holes":
        cells = np.broadcast_to(random.random((examples, 1, 1, keys)) < 0.7,
                                (examples, 1, queries, keys)).copy()  # fmt: skip
        return Rule.of(cells & np.tri(queries, keys, keys - queries, dtype=bool))
    by_head = heads if kind == "cells by head" else 1
    return Rule.of(random.random((examples, by_head, queries, keys)) < 0.5)


KINDS = ["full", "causal", "window", "padded", "holes", "cells", "cells by head"]


@st.composite
def any_factors(draw):
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    examples, key_heads, group = (draw(st.integers(1, 2)) for _ in range(3))
    queries, features = draw(st.integers(1, 9)), draw(st.sampled_from([1, 3, 4, 6]))
    keys = draw(st.sampled_from([queries, queries + 3, 256, 300, 515]))
    heads = key_heads * group
    sharpness = draw(st.sampled_from([0.0, 1.0, 4.0]))
    query = sharpness * random.normal(size=(examples, heads, queries, features))
    key = sharpness * random.normal(size=(examples, key_heads, keys, features))
    kind = draw(st.sampled_from(KINDS))
    sink = random.normal(size=heads).astype(np.float32) if draw(st.booleans()) else None
    softcap = draw(st.sampled_from([None, 2.0, 30.0]))
    rule = rule_of(kind, random, examples, heads, queries, max(keys, queries))
    return factored(query, key, rule, 0.6, softcap=softcap, sink_logit=sink)


def cells_of(weights, side):
    """The textbook overview: each cell's largest and mean weight, and what each key receives."""
    _, _, queries, keys = weights.shape
    down, across = min(side, queries), min(side, keys)
    rows = [slice(i * queries // down, (i + 1) * queries // down) for i in range(down)]
    columns = [slice(i * keys // across, (i + 1) * keys // across) for i in range(across)]
    maps = {"received": weights.sum(-2)}
    for name, reduce in (("largest", np.max), ("mean", np.mean)):
        maps[name] = np.stack([
            np.stack([reduce(weights[..., r, c], axis=(-1, -2)) for c in columns], -1) for r in rows
        ], -2)  # fmt: skip
    return maps


def spoilt(scattered):
    """Vectors of a causal map with a NaN and an infinite query and a NaN key, and its pattern."""
    random = np.random.default_rng(5)
    query, key = random.normal(size=(2, 1, 1, 300, 4))
    query[0, 0, 7], query[0, 0, 8] = np.nan, np.inf
    key[0, 0, 250] = np.nan
    allowed = np.tri(300, dtype=bool)
    if scattered:
        allowed &= random.random((300, 300)) < 0.5
    return factored(query, key, Rule.of(allowed[None, None]), 1.0), allowed
