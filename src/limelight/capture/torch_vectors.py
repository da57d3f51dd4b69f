"""Queries, keys and rule of one scaled dot-product attention, as NumPy.

Room: capture, torch. Comes in: an attention about to run. Goes out: float32 copies and which cells
it allows. Scores are computed from these copies, in float32, whatever precision the model runs in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.sites import allowed_in
from limelight.capture.torch_doors import Attend
from limelight.capture.torch_functions import solid
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
    """

    factors: Factors | None = None
    logits: NDArray[np.float32] | None = None
    reason: str | None = None


def vectors_of(event: Attend, examples: int) -> Vectors:
    """Read an attention.

    Parameters
    ----------
    event : Attend
    examples : int
        How many examples the model runs on.

    Returns
    -------
    Vectors
    """
    query, key = solid(event.query.detach())[0], solid(event.key.detach())[0]
    if getattr(query, "is_nested", False):
        return Vectors(reason="its sequences are nested tensors of unequal lengths")
    if query.dim() < 3:
        query, key = query[None], key[None]
    if query.dim() == 3:
        query, key = query[:, None], key[:, None]
    key = key.expand(*query.shape[:-3], *key.shape[-3:])
    if query.shape[0] % examples:
        shape = list(event.query.shape)
        return Vectors(reason=f"its queries {shape} do not begin with the {examples} examples")
    lead = tuple(int(size) for size in query.shape[:-2])
    scale = event.scale if event.scale is not None else 1 / math.sqrt(query.shape[-1])
    rule, bias = _rule(event, examples, lead, int(query.shape[-2]), int(key.shape[-2]))
    sink = None if event.sink is None else array(event.sink).reshape(-1)
    factors = factored(
        _four(query, examples), _four(key, examples), rule, float(scale),
        softcap=event.softcap, sink=sink,
    )  # fmt: skip
    if bias is None and event.score is None:
        return Vectors(factors)
    return Vectors(factors, _logits(factors, event, bias))


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

    found = tensor.detach().to(device="cpu", dtype=torch.float32)
    return np.array(found.numpy(), np.float32, order="C")


def _four(tensor: Any, examples: int) -> NDArray[np.float32]:
    """Return a tensor [example, …, head, position, feature] with everything between as heads."""
    values = array(tensor)
    return values.reshape(examples, -1, *values.shape[-2:])


def _rule(
    event: Attend, examples: int, lead: tuple[int, ...], queries: int, keys: int
) -> tuple[Rule, NDArray[np.float32] | None]:
    """Return which cells are allowed, and what is added to the scores if that says not all."""
    rule = Rule.everything(queries, keys)
    if event.causal or event.window is not None:
        offset = 0 if event.causal else keys
        rule = Rule.causal(queries, keys, window=event.window) if event.causal else rule
        if offset:
            place = np.arange(keys)[None] > np.arange(queries)[:, None] - (event.window or keys)
            rule = Rule.of(place[None, None])
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
    found = cells.numpy() if cells.dtype is torch.bool else array(cells)
    return np.broadcast_to(found, (*found.shape[:2], queries, keys))


def _logits(factors: Factors, event: Attend, bias: Any) -> NDArray[np.float32]:
    """Compute scores that more than queries and keys decide."""
    import torch

    examples, heads, _, _ = factors.shape
    every = slice(None)
    found = np.empty(factors.shape, np.float32)
    for example in range(examples):
        for head in range(heads):
            found[example, head] = factors.scores(example, head, every, every)
    if event.score is not None:
        device = event.query.device
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            found = array(event.score(torch.from_numpy(found).to(device)))
    if bias is not None:
        found = found + bias
    for example in range(examples):
        for head in range(heads):
            allowed = factors.rule.allowed(example, head, every, every)
            found[example, head][~allowed] = -np.inf
    return found
