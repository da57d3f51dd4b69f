"""What becomes of a head's contribution under a gate, in Keras on any backend.

Room: capture, Keras. Contributions are [example, …, head, feature], or [example, query, feature]
of a layer with one head; where only weights are seen, they are [example, head, query, key].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limelight.capture.gating.blending import Sizes, check_sample, meanings, wrong_batch
from limelight.capture.gating.gates import Piece, Replace
from limelight.capture.keras.gates.weights import on_weights
from limelight.capture.keras.recognise.layouts import Layout
from limelight.errors import GateError


def strengths(pieces: Sequence[Piece], heads: int) -> Any:
    """Build the gates of a site.

    Parameters
    ----------
    pieces : sequence of Piece
    heads : int

    Returns
    -------
    tensor [example, head]
        One example stands for all.
    """
    from keras import ops

    gates = ops.ones((1, heads), "float32")
    for given, meant in meanings(pieces, heads):
        value = ops.convert_to_tensor(given)
        value = value if "float" in str(value.dtype) else ops.cast(value, "float32")
        if meant is None:
            gates = value if len(value.shape) == 2 else value[None]
            continue
        wide = ops.reshape(value, (-1, 1)) if len(value.shape) else value
        gates = ops.where(ops.convert_to_tensor([meant]), ops.cast(wide, gates.dtype), gates)
    return gates


def spread(gates: Any, values: Any, layout: Layout | None) -> Any:
    """Bring gates [example, head] to the axes of what they gate.

    Parameters
    ----------
    gates : tensor
    values : tensor
        Contributions, or weights.
    layout : Layout, optional
        Of the weights; None for contributions.

    Returns
    -------
    tensor

    Raises
    ------
    GateError
        If the batch has other examples than the gates, or the heads cannot be gated one by one.
    """
    from keras import ops

    if layout is not None:
        return on_weights(gates, values, layout)
    rank = len(values.shape)
    (examples, heads), batch = gates.shape, values.shape[0]
    if examples not in {1, None} and batch is not None and batch != examples:
        raise wrong_batch(examples, batch)
    if heads == 1:
        return ops.reshape(gates, (-1, *[1] * (rank - 1)))
    if values.shape[-2] != heads:
        raise GateError(
            f"Got contributions of shape {tuple(values.shape)} of {heads} heads.",
            "Wanted [example, …, head, feature].",
            "Gate a layer that keeps its heads apart.",
        )
    return ops.reshape(gates, (-1, *[1] * (rank - 3), heads, 1))


def blend(values: Any, gates: Any, other: Any) -> Any:
    """Return ``gates · values + (1 − gates) · other``.

    Parameters
    ----------
    values : tensor
    gates : tensor
        As :func:`spread` brings them.
    other : tensor
        Sizes of one are repeated.

    Returns
    -------
    tensor
    """
    from keras import ops

    return values * gates + (1 - gates) * ops.cast(other, values.dtype)


def stand_in(replace: Replace, rows: Any, reference: Any, heads: int, site: str) -> Any:
    """Return what takes the place of contributions.

    Parameters
    ----------
    replace : ``mean`` or ``sample``
    rows : tensor
        The contributions themselves.
    reference : tensor, optional
        Those of a reference.
    heads : int
    site : str
        For error messages.

    Returns
    -------
    tensor
        Some sizes are one, where all share it.

    Raises
    ------
    GateError
        If there is no other example, or the reference has other positions.
    """
    from keras import ops

    shown = rows if reference is None else reference
    if replace == "mean":
        axes = (0, *range(1, 1 + len(_positions(shown, heads))))
        return ops.mean(shown, axis=axes, keepdims=True)
    positions = None if reference is None else _positions(reference, heads)
    check_sample(site, rows.shape[0], _positions(rows, heads), positions)
    if reference is None:
        return ops.roll(rows, -1, axis=0)
    indices = ops.arange(ops.shape(rows)[0]) % reference.shape[0]
    return ops.take(reference, indices, axis=0)


def _positions(rows: Any, heads: int) -> Sizes:
    """Return the sizes of the axes of positions; attention of one head has no axis for it."""
    rank = len(rows.shape)
    return tuple(rows.shape[1 : rank - 1 - (heads > 1 or rank > 3)])
