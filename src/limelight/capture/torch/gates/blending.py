"""What becomes of a head's contribution under a gate, in torch.

Room: capture, torch. Contributions are [example, head, query, feature].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limelight.capture.gating.blending import check_sample, meanings, wrong_batch
from limelight.capture.gating.gates import Piece, Replace


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
    for given, meant in meanings(pieces, heads):
        if not torch.is_tensor(given) and not getattr(given, "shape", ()):
            value = torch.tensor(float(given), dtype=like.dtype, device=like.device)
        else:
            value = torch.as_tensor(given).to(like)
        if meant is None:
            gates = value if value.dim() == 2 else value[None]
            continue
        wide = value[:, None] if value.dim() else value
        gates = torch.where(torch.tensor(meant, device=like.device), wide, gates)
    return gates


def spread(gates: Any, rows: int) -> Any:
    """Bring gates [example, head] to [row, head, 1, 1], or to one row for all.

    Parameters
    ----------
    gates : tensor
    rows : int
        How many examples contribute.

    Returns
    -------
    tensor

    Raises
    ------
    GateError
        If the batch is no multiple of the gates' examples.
    """
    examples = gates.shape[0]
    if examples > 1 and rows != examples:
        if rows % examples:
            raise wrong_batch(examples, rows)
        # Such as beams: those of one example lie together.
        gates = gates.repeat_interleave(rows // examples, dim=0)
    return gates[..., None, None]


def blend(rows: Any, gates: Any, other: Any) -> Any:
    """Return ``gates · rows + (1 − gates) · other``, bit for bit ``rows`` where the gate is one.

    Parameters
    ----------
    rows : tensor [row, head, query, feature]
    gates : tensor [row, head, 1, 1]
    other : tensor [row, head, query, feature]
        Sizes of one are repeated.

    Returns
    -------
    tensor [row, head, query, feature]
    """
    import torch

    full = other.to(rows.dtype).expand(rows.shape)
    return torch.lerp(full, rows, gates.to(rows.dtype).expand(len(rows), -1, 1, 1))


def stand_in(replace: Replace, rows: Any, reference: Any, site: str) -> Any:
    """Return what takes the place of contributions.

    Parameters
    ----------
    replace : ``mean`` or ``sample``
    rows : tensor [row, head, query, feature]
        The contributions themselves.
    reference : tensor, optional
        What :func:`digest` made of one.
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
        return digest("mean", rows) if reference is None else reference
    positions = None if reference is None else reference.shape[2:3]
    check_sample(site, rows.shape[0], rows.shape[2:3], positions)
    if reference is None:
        return rows.roll(-1, dims=0)
    repeats = -(-rows.shape[0] // reference.shape[0])
    return reference.repeat(repeats, 1, 1, 1)[: rows.shape[0]]


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
