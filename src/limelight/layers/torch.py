"""Attention pooling for PyTorch.

Room: layers. Comes in: vectors of positions, and which of them count. Goes out: their weighted
sums, and the weights where they are asked for.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from limelight.errors import DimensionError, LimelightError
from limelight.layers import check_units


class AttentionPooling(nn.Module):  # type: ignore[misc]  # torch is Any to mypy
    """Weigh the positions of a sequence and add them up.

    The weights are a softmax over positions of ``v · tanh(W h + b)``. What the mask leaves out
    weighs exactly 0. Nothing in the module depends on how long sequences are.

    Parameters
    ----------
    features : int
        How many features a position has.
    units : int, optional
        How many features ``W h`` has; as many as ``h`` if not given.
    device, dtype : optional
        Of the parameters.

    Raises
    ------
    LimelightError
        If ``features`` or ``units`` is no whole number from 1.

    References
    ----------
    Z. Yang et al., Hierarchical Attention Networks for Document Classification, NAACL 2016,
    equations 5 to 7. doi:10.18653/v1/N16-1174

    Examples
    --------
    >>> states, _ = nn.LSTM(4, 6, batch_first=True)(torch.ones(2, 5, 4))
    >>> pooled, weights = AttentionPooling(6)(states, return_attention_scores=True)
    >>> pooled.shape, weights.sum(-1).tolist()
    (torch.Size([2, 6]), [1.0, 1.0])
    """

    def __init__(
        self, features: int, *, units: int | None = None, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        if type(features) is not int or features < 1:
            raise LimelightError(
                f"Got features={features!r}.",
                "Wanted a whole number from 1: how many features a position has.",
                "Write AttentionPooling(32) after an LSTM of 32 units, 64 after one of both ways.",
            )
        check_units(units)
        self.hidden = nn.Linear(features, units or features, device=device, dtype=dtype)
        self.context = nn.Linear(units or features, 1, bias=False, device=device, dtype=dtype)

    def forward(
        self,
        states: torch.Tensor,
        mask: torch.Tensor | None = None,
        return_attention_scores: bool = False,
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Return the weighted sum of each sequence.

        Parameters
        ----------
        states : Tensor [example, position, feature]
            As of a recurrent module with ``batch_first=True``.
        mask : Tensor [example, position] of bool, optional
            True where a position counts: the reverse of ``key_padding_mask``.
        return_attention_scores : bool
            Whether to return the weights too.

        Returns
        -------
        Tensor [example, feature], or a tuple of it and of the weights [example, position]

        Raises
        ------
        DimensionError
            If the mask is not of booleans, or not of the states' examples and positions.
        """
        scores = self.context(torch.tanh(self.hidden(states))).squeeze(-1)
        if mask is not None:
            _check(mask, states)
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, dim=-1)
        pooled = (weights.unsqueeze(-1) * states).sum(dim=1)
        if mask is not None:  # where nothing counts, a softmax is even
            empty = ~mask.any(dim=-1, keepdim=True)
            pooled, weights = pooled.masked_fill(empty, 0.0), weights.masked_fill(empty, 0.0)
        return (pooled, weights) if return_attention_scores else pooled


def _check(mask: torch.Tensor, states: torch.Tensor) -> None:
    """Refuse a mask that would leave out other positions than it seems to."""
    if mask.dtype != torch.bool or mask.shape != states.shape[:2]:
        raise DimensionError(
            f"Got a mask of {str(mask.dtype).removeprefix('torch.')} {list(mask.shape)} for states "
            f"of shape {list(states.shape)}.",
            f"Wanted booleans {list(states.shape[:2])}: True where a position counts.",
            "Write mask=ids != 0, or mask=~key_padding_mask.",
        )
