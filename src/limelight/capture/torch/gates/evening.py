"""Attention that is even over what may be attended to, in torch.

Room: capture, torch. Comes in: an attention that is about to run, or a softmax's scores. Goes out:
what it gives if each query weighs all its keys alike. With a fused kernel no map is formed.
"""

from __future__ import annotations

from typing import Any

from limelight.capture.torch.gates.formed import by_rule
from limelight.capture.torch.intercept.events import Attend

#: What is added to scores of keys that do not count is below this.
CLOSED = -9e3


def evened(event: Attend) -> Any:
    """Return what an attention gives if each query weighs all keys that it may attend to alike.

    Parameters
    ----------
    event : Attend

    Returns
    -------
    tensor
        As the attention's first result. A query that may attend to nothing gets zeros. A sink
        takes no part.
    """
    import torch

    query, value = event.query, event.value
    heads = query.shape[-3] if query.dim() > 2 else 1
    if value.dim() > 2 and value.shape[-3] != heads:  # grouped queries share their keys
        value = value.repeat_interleave(heads // value.shape[-3], dim=-3)
    mask = allowed(event)
    zeros = query.new_zeros((*query.shape[:-1], value.shape[-1]))
    keys = value.new_zeros(value.shape)
    only_causal = mask is None and event.causal
    out = torch.nn.functional.scaled_dot_product_attention(
        zeros, keys, value, attn_mask=mask, is_causal=only_causal
    )
    if mask is not None:
        out = torch.where(mask.any(-1, keepdim=True), out, out.new_zeros(()))
    return out.transpose(-3, -2) if event.heads_last else out


def evenable(event: Attend) -> bool:
    """Say whether queries of zero are all it takes: nothing but a mask is added to their scores.

    Parameters
    ----------
    event : Attend

    Returns
    -------
    bool
    """
    import torch

    more = (event.score, event.softcap, event.sink_logit, event.window)
    return (
        all(part is None for part in more)
        and not (event.packed or event.dropout)
        and (event.bias is None or event.bias.dtype == torch.bool)
        and not getattr(event.query, "is_nested", False)
    )


def allowed(event: Attend) -> Any:
    """Return which keys each query of an attention may attend to.

    Parameters
    ----------
    event : Attend

    Returns
    -------
    tensor, bool, or None
        [query, key] or with axes of examples and heads before; None where all are allowed, or all
        up to the query's own and nothing else is said.
    """
    import torch

    queries, keys = event.query.shape[-2], event.key.shape[-2]
    mask = None
    if event.bias is not None:
        mask = event.bias if event.bias.dtype == torch.bool else event.bias > CLOSED
    if event.score is not None:
        scores = event.query.new_zeros(
            (*torch.broadcast_shapes(event.query.shape[:-2]), queries, keys), dtype=torch.float32
        )
        by_score = event.score(scores) > CLOSED
        mask = by_score if mask is None else mask & by_score
    if event.window is not None or (event.causal and mask is not None):
        rule = by_rule(event)
        mask = rule if mask is None else mask & rule
    return mask


def even_weights(weights: Any, scores: Any, axis: int) -> Any:
    """Return weights that are even over what a softmax's scores do not close.

    Parameters
    ----------
    weights : tensor
        What the softmax gave.
    scores : tensor
    axis : int
        That it ran over.

    Returns
    -------
    tensor
        Of the shape and type of ``weights``; zeros where a row allows nothing.
    """
    open_keys = (scores > CLOSED).to(weights.dtype)
    return open_keys / open_keys.sum(axis, keepdim=True).clamp(min=1)
