"""Attention written by hand in PyTorch, and softmaxes that are none; each row says what is right.

A row's function is a model's forward. It notes the map that it multiplies with the values, as
[example, head, query, key], in the order in which sites must come; one that notes nothing has no
attention. Sizes coincide on purpose: as many heads as words, as many features as words.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import limelight as ll
from benchmarks.written import attention, others, whole
from benchmarks.written.model import B, D, T, Written
from limelight.errors import NoAttentionError

CLOSE = 1e-5


@dataclass(frozen=True)
class Row:
    """One model, and what is right."""

    function: Callable[..., Any]
    kinds: tuple[str, ...] = ("self",)
    inputs: tuple[tuple[int, ...], ...] = ((B, T, D),)
    stage: str = ""


CROSS, POOLING, NONE = ("cross",), ("pooling",), ()
IMAGE, PAIR = ((B, 3, 16, 16),), ((B, T, D), (B, 3, D))

ROWS: dict[str, Row] = {
    **{f"{h} heads": Row(attention.plain(h)) for h in (1, 2, 4, 8)},
    **{
        f"{h} heads, {q} latents": Row(attention.latents(h, q), CROSS if q > 1 else POOLING)
        for h in (1, 2, 4, 8)
        for q in (1, 2, 3, 8)
    },
    **{f"{h} heads, class query": Row(attention.class_query(h), POOLING) for h in (1, 2, 4)},
    **{
        f"{h} heads, class query of an image": Row(attention.image(h), POOLING, IMAGE)
        for h in (1, 2, 4)
    },
    **{f"additive, {h} heads": Row(attention.additive(h), CROSS) for h in (1, 2, 4)},
    **{
        f"decoder, {m}, {h} heads": Row(whole.decoder(m == "product", h), CROSS)
        for m in ("product", "sum")
        for h in (1, 2, 4)
    },
    "latents without examples": Row(attention.latents_bare, CROSS),
    "class query without its axis": Row(attention.class_query_bare, POOLING),
    "keys pooled": Row(attention.pooled_keys, CROSS),
    "queries cropped": Row(attention.cropped, CROSS),
    "queries strided, one head": Row(attention.single_head_cropped, CROSS),
    "keys by queries": Row(attention.keys_by_queries, CROSS),
    "heads last": Row(attention.heads_last),
    "heads first": Row(attention.heads_first),
    "heads folded": Row(attention.heads_folded),
    "heads listed": Row(attention.heads_listed),
    "grouped keys": Row(attention.grouped),
    "grouped keys, five axes": Row(attention.grouped_five),
    "one head of keys": Row(attention.one_key_head),
    "one projection": Row(attention.fused),
    "rows times rows": Row(attention.rows_times_rows, CROSS),
    "cosines": Row(attention.cosine),
    "distances": Row(attention.distances, CROSS),
    "causal": Row(attention.causal),
    "bias": Row(attention.biased),
    "relative": Row(attention.relative),
    "rotary": Row(attention.rotary),
    "rotary, pairs stacked": Row(attention.rotary_stacked, inputs=PAIR),
    "rotary behind the first": Row(attention.rotary_behind, inputs=PAIR),
    "empty cache": Row(attention.empty_cache, inputs=PAIR),
    "scored together": Row(attention.scored_together(None)),
    "scored together, latents": Row(attention.scored_together(3), CROSS),
    "scored together, latents as many": Row(attention.scored_together(T), CROSS),
    "scored in one list, latents": Row(attention.scored_in_one_list, CROSS),
    "keys first, latents": Row(attention.keys_first, CROSS),
    **{f"{n} queries at a time": Row(attention.in_parts(n), CROSS, PAIR) for n in (1, 2, 3)},
    "windows": Row(whole.windows),
    "columns": Row(whole.columns, inputs=((B, 3, 4, D),)),
    "columns of a square": Row(whole.columns, inputs=((B, 2, 2, D),)),
    "pooling": Row(whole.pooling, POOLING),
    "pooling, flat": Row(whole.pooling_flat, POOLING),
    "pooling by heads": Row(whole.pooling_heads, POOLING),
    "hops": Row(whole.hops, POOLING),
    "context": Row(whole.context, POOLING),
    "positions first inside": Row(whole.positions_first),
    "one by one": Row(whole.one_by_one),
    "unbatched": Row(whole.unbatched),
    "layer of torch": Row(whole.encoder),
    "depth": Row(whole.depth, ("self",) * 3),
    "learned first": Row(whole.learned_first, ("self", "cross")),
    "encoder and decoder": Row(whole.encoder_decoder, ("self", "cross"), PAIR),
    "co-attention": Row(whole.co_attention, ("cross", "cross"), PAIR),
    "renormalised": Row(whole.renormalised, stage="after mask and renormalisation"),
    "talking heads": Row(whole.talking, stage="after mixing of heads"),
    "best two": Row(whole.best_two, stage="after top-k"),
    "best two, added": Row(whole.best_two_added, stage="after top-k"),
    "best two, written": Row(whole.best_two_written, stage="after top-k"),
    "differential": Row(whole.differential, stage="after scaling and subtraction of heads"),
    "logarithm": Row(whole.logarithm),
    "sink": Row(whole.sink),
    "channels": Row(others.channels, NONE),
    "channels as many as words": Row(others.channels, NONE, ((B, D, D),)),
    "selective kernels": Row(others.selective, NONE),
    "squeeze": Row(others.squeeze, NONE),
    "squeeze as many": Row(others.squeeze, NONE, ((B, D, D),)),
    "itself": Row(others.itself, NONE),
    "itself as many": Row(others.itself, NONE, ((B, D, D),)),
    "gated words": Row(others.positions_gated, NONE),
    "capsules": Row(others.capsules, NONE),
    "slots": Row(others.slots, NONE),
    "experts": Row(others.experts, NONE),
    "best experts": Row(others.experts_best, NONE),
    "linear attention": Row(others.linear_attention, NONE),
    "lambdas": Row(others.lambdas, NONE),
    "classes": Row(others.classes, NONE),
    "codebook": Row(others.codebook, NONE),
    "taps": Row(others.taps, NONE),
    "residual over layers": Row(others.residual, NONE),
    "between examples": Row(others.between_examples, NONE),
}


def verdict(name: str) -> str:
    """Say what is wrong with the capture of a row; empty where nothing is.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
    """
    row = ROWS[name]
    torch.manual_seed(3)
    inputs = tuple(torch.randn(shape) for shape in row.inputs)
    model = Written(row.function).eval()
    model(*inputs)  # makes its layers
    wanted: list[Any] = []
    model.noted = wanted.append
    with torch.no_grad():
        model(*inputs)
    model.noted = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ll.capture(model, inputs if len(inputs) > 1 else inputs[0])
    except NoAttentionError as error:
        return str(error) if row.kinds else ""
    sites = sorted((node for node in tree.leaves), key=lambda node: node.attrs["order"])
    came = [(tuple(site["weights"].shape), site.attrs["kind"]) for site in sites]
    if [kind for _, kind in came] != list(row.kinds):
        return f"wanted {row.kinds}, came {came}"
    for site, right in zip(sites, wanted, strict=True):
        values = site["weights"].values
        if values.shape != tuple(right.shape):
            return f"wanted {tuple(right.shape)}, came {values.shape}"
        if np.abs(values - right.numpy()).max() > CLOSE:
            return f"another map than the model's, {values.shape}"
        if site.attrs.get("stage", "") != row.stage:
            return f"stage {site.attrs.get('stage')!r}"
    return ""
