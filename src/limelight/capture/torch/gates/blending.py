"""What becomes of a head's contribution under a gate, in torch.

Room: capture, torch. Contributions are [lead …, query, feature], where ``lead`` flattens to
examples and heads, heads fastest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from limelight.capture.gating.gates import Piece, Replace
from limelight.errors import GateError


def strengths(pieces: Sequence[Piece], heads: int, like: Any) -> Any:
    """Build the gates of a site.

    Parameters
    ----------
    pieces : sequence of Piece
    heads : int
    like : tensor
        Gives the device, and the precision of numbers.

    Returns
    -------
    tensor [example, head]
        One example stands for all.
    """
    import torch

    gates = torch.ones((1, heads), dtype=like.dtype, device=like.device)
    for piece in pieces:
        if not torch.is_tensor(piece.value) and not getattr(piece.value, "shape", ()):
            value = torch.tensor(float(piece.value), dtype=like.dtype, device=like.device)
        else:
            value = torch.as_tensor(piece.value).to(like)
        if piece.each_head:
            gates = value if value.dim() == 2 else value[None]
            continue
        meant = torch.zeros(heads, dtype=torch.bool, device=like.device)
        meant[piece.places(heads)] = True
        gates = torch.where(meant, value[:, None] if value.dim() else value, gates)
    return gates


def spread(gates: Any, lead: tuple[int, ...]) -> Any:
    """Bring gates [example, head] to [lead …, 1, 1].

    Parameters
    ----------
    gates : tensor
    lead : tuple of int

    Returns
    -------
    tensor

    Raises
    ------
    GateError
        If the batch is no multiple of the gates' examples.
    """
    examples, heads = gates.shape
    rows = math.prod(lead) // heads
    if examples > 1 and rows != examples:
        if rows % examples:
            raise GateError(
                f"Got gates for {examples} examples, where the model attends in {rows}.",
                "Wanted one for each example of the batch.",
                "Give gates of the batch's own length.",
            )
        # Such as beams: those of one example lie together.
        gates = gates.repeat_interleave(rows // examples, dim=0)
    return gates.expand(rows, heads).reshape(*lead, 1, 1)


def blend(own: Any, gates: Any, other: Any) -> Any:
    """Return ``gates · own + (1 − gates) · other``, bit for bit ``own`` where the gate is one.

    Parameters
    ----------
    own : tensor [lead …, query, feature]
    gates : tensor [lead …, 1, 1]
    other : tensor [row, head, query, feature]
        Sizes of one are repeated.

    Returns
    -------
    tensor [lead …, query, feature]
    """
    import torch

    rows = (-1, other.shape[1], *own.shape[-2:])
    full = other.to(own.dtype).expand(own.reshape(rows).shape).reshape(own.shape)
    return torch.lerp(full, own, gates.to(own.dtype))


def stand_in(replace: Replace, rows: Any, kept: Any, site: str) -> Any:
    """Return what takes the place of contributions.

    Parameters
    ----------
    replace : ``mean`` or ``sample``
    rows : tensor [row, head, query, feature]
        The contributions themselves.
    kept : tensor, optional
        What :func:`digest` kept of a reference.
    site : str
        For error messages.

    Returns
    -------
    tensor [row, head, query, feature]
        Some sizes are one, where all share it.

    Raises
    ------
    GateError
        If there is no other example, or the reference has other positions.
    """
    if replace == "mean":
        return digest("mean", rows) if kept is None else kept
    if kept is None:
        if rows.shape[0] < 2:
            raise GateError(
                "Got a batch of one example for replace='sample'.",
                "Wanted another example to take a sample from.",
                "Give a larger batch, or a reference.",
            )
        return rows.roll(-1, dims=0)
    if kept.shape[2] != rows.shape[2]:
        raise GateError(
            f"Got a reference of {kept.shape[2]} positions for {rows.shape[2]} at {site!r}.",
            "Wanted the same number, since samples are taken position by position.",
            "Pad the reference to the length of the inputs.",
        )
    repeats = -(-rows.shape[0] // kept.shape[0])
    return kept.repeat(repeats, 1, 1, 1)[: rows.shape[0]]


def digest(replace: Replace, rows: Any) -> Any:
    """Keep of contributions [row, head, query, feature] what stands in for others.

    Parameters
    ----------
    replace : ``mean`` or ``sample``
    rows : tensor

    Returns
    -------
    tensor
        Broadcasts over rows and queries if it is a mean.
    """
    return rows.mean(dim=(0, 2), keepdim=True) if replace == "mean" else rows
