"""Forms what a fused attention never forms: its weights, differentiable, and what they make.

Room: capture, torch. Comes in: an attention that is about to run. Goes out: scores, weights, and
the attention's output computed from them.
"""

from __future__ import annotations

import math
from typing import Any

from limelight.capture.torch.intercept.events import Attend


def scores(event: Attend) -> Any:
    """Return an attention's scores, in single precision or as the queries are, if that is double.

    Parameters
    ----------
    event : Attend

    Returns
    -------
    tensor [lead …, query, key]
        Minus infinity, or what the model adds instead, where a query may not attend.
    """
    import torch

    query, key = _wide(event.query), _wide(event.key)
    with torch.autocast(query.device.type, enabled=False):
        key = shared(key, query)
        scale = event.scale if event.scale is not None else 1 / math.sqrt(query.shape[-1])
        values = (query * scale) @ key.transpose(-1, -2)
        if event.softcap is not None:
            values = event.softcap * torch.tanh(values / event.softcap)
        if event.score is not None:
            values = event.score(values)
        if event.bias is not None and event.bias.dtype == torch.bool:
            values = values.masked_fill(~event.bias, -torch.inf)
        elif event.bias is not None:
            values = values + event.bias.to(values.dtype)
        rule = by_rule(event)
        return values if rule is None else values.masked_fill(~rule, -torch.inf)


def weights(event: Attend, cut: Any = None) -> Any:
    """Return an attention's weights before dropout.

    Parameters
    ----------
    event : Attend
    cut : tensor, bool, optional
        False where a query may not attend to a key, whatever the model says.

    Returns
    -------
    tensor [lead …, query, key]
        0 in rows that allow nothing. In the precision of :func:`scores`.
    """
    import torch

    values = scores(event)
    if cut is not None:
        values = values.masked_fill(~cut, -torch.inf)
    empty = (values == -torch.inf).all(-1, keepdim=True)
    values = values.masked_fill(empty, 0.0)  # else the gradient of such a row would be NaN
    sink = event.sink_logit
    if sink is None:
        return values.softmax(-1).masked_fill(empty, 0.0)
    column = sink.to(values.dtype).reshape(-1, 1, 1).expand(*values.shape[:-1], 1)
    return torch.cat([values, column], -1).softmax(-1)[..., :-1].masked_fill(empty, 0.0)


def output(event: Attend, formed: Any) -> Any:
    """Return what an attention gives, from its weights.

    Parameters
    ----------
    event : Attend
    formed : tensor [lead …, query, key]

    Returns
    -------
    tensor
        In the order of axes and the precision that the kernel gives.
    """
    import torch

    if event.dropout:
        formed = torch.nn.functional.dropout(formed, event.dropout)
    value = shared(event.value, event.query)
    dtype = value.dtype
    if torch.is_autocast_enabled(value.device.type):
        dtype = torch.get_autocast_dtype(value.device.type)
    out = formed.to(dtype) @ value.to(dtype)
    return out.transpose(-3, -2).contiguous() if event.heads_last else out


def fused(event: Attend) -> Any:
    """Run torch's fused kernel on an attention to whose scores nothing but a mask is added.

    Parameters
    ----------
    event : Attend

    Returns
    -------
    tensor
        In the order of axes that the kernel gives.
    """
    import torch

    query, bias = event.query, event.bias
    if bias is not None and bias.dtype != torch.bool and bias.dtype != query.dtype:
        bias = bias.to(query.dtype)
    causal = event.causal
    if causal and bias is not None:
        rule = by_rule(event)
        bias = bias & rule if bias.dtype == torch.bool else bias.masked_fill(~rule, -torch.inf)
        causal = False
    out = torch.nn.functional.scaled_dot_product_attention(
        query, shared(event.key, query), shared(event.value, query), attn_mask=bias,
        is_causal=causal, dropout_p=event.dropout, scale=event.scale,
    )  # fmt: skip
    return out.transpose(-3, -2).contiguous() if event.heads_last else out


def packed(event: Attend, out: Any, plain: Any, cut: Any = None) -> Any:
    """Return an output as the attention's own function returns it.

    Parameters
    ----------
    event : Attend
    out : tensor
    plain : tensor or tuple
        What the function itself returned.
    cut : tensor, bool, optional
        As for :func:`weights`.

    Returns
    -------
    tensor or tuple
    """
    import torch

    if not isinstance(plain, tuple):
        return laid_like(out, plain)
    values = scores(event)
    if cut is not None:
        values = values.masked_fill(~cut, -torch.inf)
    rest = values.logsumexp(-1) / math.log(2), values.amax(-1)
    return laid_like(out, plain[0]), *rest[: len(plain) - 1]


def laid_like(out: Any, other: Any) -> Any:
    """Return a tensor in the memory layout of another, as a view of it may ask for.

    Parameters
    ----------
    out, other : tensor
        Of one shape.

    Returns
    -------
    tensor
    """
    import torch

    if out.stride() == other.stride() or out.shape != other.shape:
        return out
    laid = torch.empty_strided(other.shape, other.stride(), dtype=out.dtype, device=out.device)
    return laid.copy_(out)


def shared(vectors: Any, query: Any) -> Any:
    """Give each head of the queries its own keys, or values, where several share them.

    Parameters
    ----------
    vectors, query : tensor [lead …, head, position, feature]

    Returns
    -------
    tensor
    """
    if vectors.dim() < 3 or query.dim() < 3 or vectors.shape[-3] in (1, query.shape[-3]):
        return vectors
    return vectors.repeat_interleave(query.shape[-3] // vectors.shape[-3], dim=-3)


def by_rule(event: Attend) -> Any:
    """Return which cells causality and a window allow.

    Parameters
    ----------
    event : Attend

    Returns
    -------
    tensor [query, key], bool, or None
        None for all.
    """
    import torch

    if not event.causal and event.window is None:
        return None
    device = event.query.device
    query = torch.arange(event.query.shape[-2], device=device)[:, None]
    apart = query - torch.arange(event.key.shape[-2], device=device)
    rule = apart >= 0 if event.causal else torch.ones_like(apart, dtype=torch.bool)
    return rule if event.window is None else rule & (apart < event.window)


def _wide(vectors: Any) -> Any:
    import torch

    return vectors if vectors.dtype == torch.float64 else vectors.float()
