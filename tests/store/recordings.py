"""Lawful sites and recordings made of them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from limelight.capture.parameters import summarise
from limelight.measuring import measures_of, uniform_of


def softmaxed(rng, shape, allowed):
    """Return float32 weights over the allowed keys; rows without one are 0."""
    logits = rng.normal(size=shape) * rng.uniform(0.2, 6)
    weights = np.exp(np.where(allowed, logits, -np.inf) - logits.max(-1, keepdims=True))
    total = weights.sum(-1, keepdims=True)
    return np.divide(weights, total, where=total > 0, out=np.zeros_like(weights)).astype("f4")


def site(seed, shape, *, kind="self", causal=False, padded=0, by_head=False, **attrs):
    """Return one site's dataset; the last example's last ``padded`` positions are padding."""
    examples, heads, queries, keys = shape
    query_valid, key_valid = np.ones((examples, queries), bool), np.ones((examples, keys), bool)
    if padded:
        query_valid[-1, -padded:] = key_valid[-1, -padded:] = False
    allowed = query_valid[:, None, :, None] & key_valid[:, None, None, :]
    if causal:
        allowed = allowed & np.tri(queries, keys, dtype=bool)
    if by_head:
        allowed = np.repeat(allowed, heads, 1)
        allowed[:, -1, :, 1:] = False
    weights = softmaxed(np.random.default_rng(seed), shape, allowed)
    dims = ("example", "head", "query", "key")
    return xr.Dataset(
        {
            "weights": (dims, weights),
            "allowed": (dims, allowed) if by_head else (("example", "query", "key"), allowed[:, 0]),
            "query_valid": (("example", "query"), query_valid),
            "key_valid": (("example", "key"), key_valid),
        },
        attrs={"module": "a", "kind": kind, "module_class": "Attention", **attrs},
    )


def tree_of(**sites):
    return xr.DataTree.from_dict({name.replace("__", "/"): site for name, site in sites.items()})


def record(writer, step, sites, **more):
    """Append a step with its measures, as the recorder does."""
    writer.append(
        step,
        tree=xr.DataTree.from_dict(sites),
        measures={name: measures_of(dataset) for name, dataset in sites.items()},
        uniform={name: uniform_of(dataset) for name, dataset in sites.items()},
        **more,
    )


def two_sites(seed=0, **options):
    return {
        "encoder/attention": site(seed, (2, 3, 6, 6), padded=2, causal=True, **options),
        "pool": site(seed + 1, (2, 1, 1, 9), kind="pooling"),
    }


def parameters(seed=0):
    rng = np.random.default_rng(seed)
    return summarise({"dense/kernel": rng.normal(size=(30, 20)), "dense/bias": np.zeros(20)})
