"""Queries, keys and rule of one scaled dot-product attention, as NumPy.

Room: capture, torch. Comes in: an attention about to run. Goes out: float32 copies and which cells
it allows. Scores are computed from these copies, in float32, whatever precision the model runs in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.site import allowed_in
from limelight.capture.torch.intercept.modes import Attend
from limelight.capture.torch.trace.functions import solid
from limelight.capture.torch.trace.roles import EXAMPLE, HEAD, QUERY, Roles
from limelight.factors import Factors, factored
from limelight.rule import Rule


@dataclass(frozen=True, eq=False)
class Vectors:
    """One attention, ready to be kept.

    Attributes
    ----------
    factors : Factors, optional
        Queries, keys and rule; None where the axes do not begin with the examples.
    logits : array [example, head, query, key], optional
        float32, minus infinity where not allowed; given where scores are more than a function of
        queries and keys.
    reason : str, optional
        Why it cannot be read.
    cut : bool
        Whether these are of the wanted examples only.
    """

    factors: Factors | None = None
    logits: NDArray[np.float32] | None = None
    reason: str | None = None
    cut: bool = False


#: Rules by the mask they were read from, which is kept so that no other can take its memory.
Rules = dict[tuple[Any, ...], tuple[Any, tuple[Rule, NDArray[np.float32] | None]]]


def vectors_of(
    event: Attend,
    examples: int,
    roles: Roles | None = None,
    rows: Sequence[int] | None = None,
    rules: Rules | None = None,
) -> Vectors:
    """Read an attention.

    Parameters
    ----------
    event : Attend
    examples : int
        How many examples the model runs on.
    roles : Roles, optional
        What the axes of its scores are.
    rows : sequence of int, optional
        Which of them are wanted.
    rules : dict, optional
        What the masks of one pass turned out to be: most models give one to all their layers.

    Returns
    -------
    Vectors
    """
    if roles is not None and roles.roles:
        if roles.reason:
            return Vectors(reason=roles.reason)
        if not _plain(event, roles):
            event = _arranged(event, roles, examples)
            examples = examples if roles.common else roles.count(EXAMPLE)
    query, key = solid(event.query.detach())[0], solid(event.key.detach())[0]
    if getattr(query, "is_nested", False):
        return Vectors(reason="its sequences are nested tensors of unequal lengths")
    query, key = _with_heads(query, key)
    if query.shape[0] % examples:
        shape = list(event.query.shape)
        return Vectors(reason=f"its queries {shape} do not begin with the {examples} examples")
    cut = rows is not None and event.score is None and not (roles is not None and roles.share)
    if rows is not None and cut:
        if event.bias is not None and event.bias.dim() == query.dim():
            event = replace(event, bias=_rows_of(event.bias, rows, examples, len(query)))
        query, key = (_rows_of(tensor, rows, examples, len(query)) for tensor in (query, key))
        examples = len(rows)
    lead = tuple(int(size) for size in query.shape[:-2])
    scale = event.scale if event.scale is not None else 1 / math.sqrt(query.shape[-1])
    sizes = int(query.shape[-2]), int(key.shape[-2])
    rule, bias = _known_rule(event, examples, lead, *sizes, {} if rules is None else rules)
    sink_logit = None if event.sink_logit is None else array(event.sink_logit).reshape(-1)
    factors = factored(
        _four(query, examples), _four(key, examples), rule, float(scale),
        softcap=event.softcap, sink_logit=sink_logit,
    )  # fmt: skip
    if bias is None and event.score is None:
        return Vectors(factors, cut=cut)
    return Vectors(factors, _logits(factors, event, bias), cut=cut)


def _with_heads(query: Any, key: Any) -> tuple[Any, Any]:
    """Give queries and keys the axes of examples and heads that they lack."""
    if query.dim() < 3:
        query, key = query[None], key[None]
    if query.dim() == 3:
        query, key = query[:, None], key[:, None]
    return query, key.expand(*query.shape[:-3], *key.shape[-3:])


def _plain(event: Attend, roles: Roles) -> bool:
    """Say whether queries and keys are [example, …, head, position, feature] as they are."""
    if roles.common or roles.share is not None or event.query.dim() < 3:
        return False
    *lead, rows, _ = roles.roles
    order = [role for axis in lead for role in axis]
    # No axis holds the examples where there is but one.
    first = EXAMPLE not in order or (bool(lead[0]) and lead[0][0] == EXAMPLE)
    return (
        first
        and order.count(EXAMPLE) < 2
        and not {*order} - {EXAMPLE, HEAD}
        and not ({*rows} - {QUERY})
    )


def _arranged(event: Attend, roles: Roles, wanted: int) -> Attend:
    """Bring queries and keys to [example, head, position, feature]."""
    query, key, bias = event.query.detach(), event.key.detach(), event.bias
    if query.dim() != key.dim():
        return event
    lead = tuple(
        max(mine, theirs) for mine, theirs in zip(query.shape[:-2], key.shape[:-2], strict=True)
    )
    if key.shape[:-2] != lead and any(size != 1 for size in key.shape[:-2]):
        times = [whole // size for whole, size in zip(lead, key.shape[:-2], strict=True)]
        for axis, repeats in enumerate(times):
            key = key.repeat_interleave(repeats, axis) if repeats > 1 else key
    query = query.expand(*lead, *query.shape[-2:])
    key = key.expand(*lead, *key.shape[-2:])
    *before, rows, _ = roles.sizes
    sizes = [size for axis in before for size in axis]
    flat = [role for axis in roles.roles for role in axis]
    count = len(sizes) + len(rows)
    order = [at for role in (EXAMPLE, HEAD, QUERY) for at in range(count) if flat[at] == role]
    examples, heads = roles.count(EXAMPLE), roles.count(HEAD)
    queries = query.reshape(*sizes, *rows, query.shape[-1]).permute(*order, count)
    queries = queries.reshape(examples, heads, roles.count(QUERY), query.shape[-1])
    # Heads that only the queries have share the keys.
    shared = [size if flat[len(sizes) + at] == HEAD else 1 for at, size in enumerate(rows)]
    positions = len(sizes) + len(rows)
    wide = key.reshape(*sizes, *(1 for _ in rows), *key.shape[-2:])
    wide = wide.expand(*sizes, *shared, *key.shape[-2:])
    wide = wide.permute(*order, positions, positions + 1)
    wide = wide.reshape(examples, heads, *key.shape[-2:])
    if bias is not None:
        bias = bias.expand(*lead, query.shape[-2], key.shape[-2])
        bias = bias.reshape(*sizes, *rows, key.shape[-2]).permute(*order, count)
        bias = bias.reshape(examples, heads, roles.count(QUERY), key.shape[-2])
    if roles.common:
        queries, wide = (t.expand(wanted, *t.shape[1:]) for t in (queries, wide))
        bias = None if bias is None else bias.expand(wanted, *bias.shape[1:])
    return replace(event, query=queries, key=wide, bias=bias)


def array(tensor: Any) -> NDArray[np.float32]:
    """Copy a tensor to NumPy, float32.

    Parameters
    ----------
    tensor : tensor

    Returns
    -------
    array
    """
    import torch

    dense = torch.contiguous_format
    copied = tensor.detach().to("cpu", torch.float32, copy=True, memory_format=dense)
    return np.asarray(copied.numpy())


def _rows_of(tensor: Any, rows: Sequence[int], examples: int, lead: int) -> Any:
    """Return some examples of a tensor whose first axis begins with them, if it does."""
    if tensor.shape[0] != lead:
        return tensor
    return tensor.unflatten(0, (examples, lead // examples))[list(rows)].flatten(0, 1)


def _four(tensor: Any, examples: int) -> NDArray[np.float32]:
    """Return a tensor [example, …, head, position, feature] with everything between as heads."""
    values = array(tensor)
    return values.reshape(examples, -1, *values.shape[-2:])


def _known_rule(
    event: Attend, examples: int, lead: tuple[int, ...], queries: int, keys: int, rules: Rules
) -> tuple[Rule, NDArray[np.float32] | None]:
    """Return what :func:`_rule` does; for the same memory, unchanged since, the very same."""
    mask = event.bias
    if mask is None or not hasattr(mask, "data_ptr"):
        return _rule(event, examples, lead, queries, keys)
    version = None if mask.is_inference() else mask._version
    memory = (mask.data_ptr(), version, tuple(mask.shape), mask.stride(), mask.dtype)
    known = (*memory, event.causal, event.window, examples, lead, queries, keys)
    if known not in rules:
        rules[known] = mask, _rule(event, examples, lead, queries, keys)
    return rules[known][1]


def _rule(
    event: Attend, examples: int, lead: tuple[int, ...], queries: int, keys: int
) -> tuple[Rule, NDArray[np.float32] | None]:
    """Return which cells are allowed, and what is added to the scores if that says not all."""
    rule = Rule.everything(queries, keys)
    if event.causal or event.window is not None:
        offset = 0 if event.causal else keys
        rule = Rule.causal(queries, keys, window=event.window) if event.causal else rule
        if offset:
            near = np.arange(keys)[None] > np.arange(queries)[:, None] - (event.window or keys)
            rule = Rule.of(near[None, None])
    if event.bias is None:
        return rule, None
    bias = _cells(event.bias, examples, lead, queries, keys)
    if bias.dtype == np.bool_:
        return _both(rule, bias, event), None
    allowed = allowed_in(bias)
    values = np.where(allowed, bias, np.float32(0))
    plain = not values.any()
    return _both(rule, allowed, event), None if plain else values.astype(np.float32)


def _both(rule: Rule, allowed: NDArray[np.bool_], event: Attend) -> Rule:
    """Join a mask with a causal rule."""
    if not event.causal and event.window is None:
        return Rule.of(allowed)
    every = slice(None)
    return Rule.of(allowed & rule.allowed(0, 0, every, every))


def _cells(bias: Any, examples: int, lead: tuple[int, ...], queries: int, keys: int) -> Any:
    """Return what is added to scores as [example or 1, head or 1, query, key]."""
    import torch

    bias = bias.detach()
    while bias.dim() < len(lead) + 2:
        bias = bias[None]
    # What an axis only repeats is looked at once.
    for axis in range(len(lead)):
        if bias.stride(axis) == 0:
            bias = bias.narrow(axis, 0, 1)
    simple = len(lead) == 2 and lead[0] == examples
    if not simple and any(size > 1 for size in bias.shape[:-2]):
        bias = bias.expand(*lead, *bias.shape[-2:])
        bias = bias.reshape(examples, -1, *bias.shape[-2:])
    elif not simple:
        bias = bias.reshape(1, 1, *bias.shape[-2:])
    cells = bias.to("cpu")
    values = cells.numpy() if cells.dtype is torch.bool else array(cells)
    return np.broadcast_to(values, (*values.shape[:2], queries, keys))


def _logits(factors: Factors, event: Attend, bias: Any) -> NDArray[np.float32]:
    """Compute scores that more than queries and keys decide."""
    import torch

    examples, heads, _, _ = factors.shape
    every = slice(None)
    logits = np.empty(factors.shape, np.float32)
    for example in range(examples):
        for head in range(heads):
            logits[example, head] = factors.scores(example, head, every, every)
    if event.score is not None:
        device = event.query.device
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            logits = array(event.score(torch.from_numpy(logits).to(device)))
    if bias is not None:
        logits = logits + bias
    for example in range(examples):
        for head in range(heads):
            allowed = factors.rule.allowed(example, head, every, every)
            logits[example, head][~allowed] = -np.inf
    return logits
