"""Sites kept as vectors."""

from __future__ import annotations

import numpy as np
import xarray as xr

from limelight.factors import factored, lazy_allowed, lazy_weights
from limelight.rule import Rule

RULES = ("causal", "window", "padded", "packed", "everything", "scattered", "by head")


def rule_of(kind, examples, heads, positions, seed=0):
    """Return one of the usual patterns, or one that no runs describe."""
    random, position = np.random.default_rng(seed), np.arange(positions)
    if kind == "causal":
        return Rule.causal(positions, positions)
    if kind == "window":
        return Rule.causal(positions, positions, window=5)
    if kind == "everything":
        return Rule.everything(positions, positions)
    if kind == "padded":
        valid = position < np.array([positions - 3 * n for n in range(examples)])[:, None]
        return Rule.of((valid[:, :, None] & valid[:, None])[:, None])
    if kind == "packed":
        return Rule.of(
            ((position[:, None] // 7 == position // 7) & (position <= position[:, None]))[
                None, None
            ]
        )
    count = heads if kind == "by head" else 1
    return Rule.of(random.random((examples, count, positions, positions)) < 0.6)


def vectors(
    seed=0, *, positions=40, examples=1, heads=2, key_heads=1, features=3, kind="causal",
    strength=1.0, softcap=None, sink_logit=False,
):  # fmt: skip
    """Return factors of random vectors."""
    random = np.random.default_rng(seed)
    query = random.normal(size=(examples, heads, positions, features)) * strength
    key = random.normal(size=(examples, key_heads, positions, features))
    rule = rule_of(kind, examples, heads, positions, seed)
    extra = random.normal(size=heads).astype(np.float32) if sink_logit else None
    return factored(query, key, rule, features**-0.5, softcap=softcap, sink_logit=extra)


def site_of(factors, **attrs):
    """Label factors as capture does."""
    rule, examples = factors.rule, factors.shape[0]
    variables = {
        "weights": lazy_weights(factors),
        "allowed": lazy_allowed(rule, factors.shape),
        "query_valid": (("example", "query"), rule.query_valid(examples)),
        "key_valid": (("example", "key"), rule.key_valid(examples)),
    }
    return xr.Dataset(variables, attrs={"module": "a", "kind": "self", **attrs})
