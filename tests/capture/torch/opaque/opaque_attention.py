"""A library whose attention shows nothing of itself: NumPy computes it, in one function.

Its axes are [example, position, head, feature], and its softmax is one to the base of two.
"""

from __future__ import annotations

import numpy as np
import torch


def attend(query, key, value, *, sharpness=1.0, causal=False):
    """Attend; every other query head has its keys from the same key head."""
    q, k, v = (part.detach().numpy().swapaxes(1, 2) for part in (query, key, value))
    groups = q.shape[1] // k.shape[1]
    k, v = (part.repeat(groups, axis=1) for part in (k, v))
    scores = q @ k.swapaxes(-1, -2) * np.float32(sharpness)
    if causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
    powers = np.exp2(scores - scores.max(axis=-1, keepdims=True))
    rows = powers / powers.sum(axis=-1, keepdims=True) @ v
    return torch.from_numpy(np.ascontiguousarray(rows.swapaxes(1, 2), np.float32))


@torch.library.custom_op("opaque::attention", mutates_args=())
def operator(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Do the same, as an operator of torch's."""
    return attend(query, key, value).clone()
