"""What is shown of a softmax: the weights that values are multiplied with in the end.

Room: capture, torch. Comes in: a softmax that ran, and how its axes are read. Goes out: weights,
which cells are allowed, and in words which stage of the computation they are of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from limelight.capture.site import allowed_in
from limelight.capture.torch.trace import masks
from limelight.capture.torch.trace.after import MASKING, Final
from limelight.capture.torch.trace.recorder import SoftmaxCall
from limelight.capture.validity import MaskedBy, joint

Floats = NDArray[np.float32]

#: Two ways to compute one softmax differ by less, in single and in half precision.
_SAME = {"float16": 2e-3, "bfloat16": 1e-2}


def shown(
    softmax_call: SoftmaxCall,
    weights: Floats,
    logits: Floats,
    ordered: Callable[[SoftmaxCall], Floats],
) -> tuple[Floats, Floats, str]:
    """Return what is shown of a softmax.

    Parameters
    ----------
    softmax_call : SoftmaxCall
    weights, logits : array [example, head, query, key]
        After and before the softmax.
    ordered : callable
        Brings the logits of a softmax to [example, head, query, key].

    Returns
    -------
    weights, logits : array [example, head, query, key]
        Logits say what is allowed: they are minus infinity where it is not.
    stage : str
        Empty where it is the plain softmax that is shown.
    """
    final = None if softmax_call.use is None else softmax_call.use.final
    if final is None:
        return weights, logits, ""
    after = _laid_out(softmax_call, final, weights.shape, ordered)
    if after is None:
        why = final.after.lost or f"changed by {final.stage}"
        return weights, logits, f"before it is {why}, which cannot be followed"
    if after.shape == weights.shape:
        apart = np.nan_to_num(np.abs(after - weights), nan=0.0).max(initial=0.0)
        if apart <= _SAME.get(softmax_call.dtype, 1e-6):
            return weights, logits, ""
    return after, _allowed(final, after, weights, logits), f"after {final.stage}"


def masked_by(softmax_call: SoftmaxCall, stage: str) -> MaskedBy:
    """Return what decides which keys count, before the softmax and after it.

    Parameters
    ----------
    softmax_call : SoftmaxCall
    stage : str
        Of what is shown.

    Returns
    -------
    str
    """
    final = None if softmax_call.use is None else softmax_call.use.final
    if final is None or not stage.startswith("after"):
        return softmax_call.masked_by
    return joint([softmax_call.masked_by, masks.decided_by(final.mask)])


def stage_of(softmax_call: SoftmaxCall) -> str:
    """Say what a model multiplies with the values, where that is not the plain softmax.

    Parameters
    ----------
    softmax_call : SoftmaxCall

    Returns
    -------
    str
        Empty where it is.
    """
    final = None if softmax_call.use is None else softmax_call.use.final
    if final is None:
        return ""
    if final.after.lost:
        return f"before it is {final.after.lost}, which cannot be followed"
    return f"after {final.stage}"


def _laid_out(
    softmax_call: SoftmaxCall,
    final: Final,
    shape: tuple[int, ...],
    ordered: Callable[[SoftmaxCall], Floats],
) -> Floats | None:
    """Return what is multiplied with the values as [example, head, query, key], if it can be."""
    values = final.laid_out()
    if values is None:
        return None
    try:
        after = np.ascontiguousarray(ordered(replace(softmax_call, logits=values)), np.float32)
    except ValueError:
        return None  # what was combined were no heads
    heads_aside = (after.shape[0], *after.shape[2:]) == (shape[0], *shape[2:])
    return after if heads_aside else None


def _allowed(final: Final, after: Floats, weights: Floats, logits: Floats) -> Floats:
    """Return logits for what is shown: what a mask took away may not be attended to."""
    may = allowed_in(logits)
    masked = bool(MASKING & set(final.after.stages))
    if after.shape == weights.shape:
        gone = (after == 0) & (weights != 0) if masked else np.zeros_like(may)
        return np.where(may & ~gone, logits, np.float32(-np.inf))
    may = np.broadcast_to(may.any(axis=1, keepdims=True), after.shape)
    gone = after == 0 if masked else np.zeros_like(may)
    return np.where(may & ~gone, np.float32(0), np.float32(-np.inf))
