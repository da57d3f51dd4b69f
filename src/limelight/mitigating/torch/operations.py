"""The operations of losses on PyTorch's tensors.

Room: mitigating/torch. Comes in and goes out: tensors.
"""

from __future__ import annotations

from typing import Any

import torch

exp, log, where = torch.exp, torch.log, torch.where


def real(values: Any, like: Any) -> Any:
    """Return values as a tensor like another."""
    return torch.as_tensor(values, dtype=like.dtype, device=like.device)


def whole(values: Any) -> Any:
    """Return values as whole numbers."""
    return values.long()


def log_softmax(scores: Any) -> Any:
    """Return logarithms of the softmax over the last axis."""
    return torch.log_softmax(scores, -1)


def at_least(values: Any, bound: float) -> Any:
    """Return the larger of each value and a bound."""
    return values.clamp_min(bound)


def sum(values: Any, axis: int | None = None) -> Any:  # noqa: A001  # as every framework calls it
    """Return the sum over an axis, or over all."""
    return values.sum() if axis is None else values.sum(axis)


def pick(values: Any, indices: Any) -> Any:
    """Return values[..., index] along the last axis."""
    return values.gather(-1, indices[..., None])[..., 0]


def rows(table: Any, indices: Any) -> Any:
    """Return table[index]."""
    return table[indices]


def sums_by(values: Any, groups: Any, count: int) -> Any:
    """Return the sum of each group."""
    return values.new_zeros(count).index_add(0, groups.reshape(-1), values.reshape(-1))


def join(parts: list[Any]) -> Any:
    """Return tensors one after the other along the last axis."""
    return torch.cat(parts, -1)


def still(values: Any) -> Any:
    """Return the values without their gradient."""
    return values.detach()
