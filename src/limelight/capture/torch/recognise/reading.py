"""Brings what a site's softmax held to NumPy, [example, head, query, key].

Room: capture, torch. Comes in: a site. Goes out: a
:class:`~limelight.capture.site.CapturedAttention`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from limelight.capture.generation.joining import join, unjoinable
from limelight.capture.site import CapturedAttention
from limelight.capture.torch.recognise.attention import batch_axis_of
from limelight.capture.torch.recognise.shown import for_all, masked_by, shown
from limelight.capture.torch.recognise.steps import Site
from limelight.capture.torch.trace.axes import first
from limelight.capture.torch.trace.recorder import SoftmaxCall
from limelight.capture.torch.trace.vectors import array


def captured(site: Site, examples: int, rows: Sequence[int] | None = None) -> CapturedAttention:
    """Read a site, the calls of it joined.

    Parameters
    ----------
    site : Site
    examples : int
    rows : sequence of int, optional
        Which of them are wanted.

    Returns
    -------
    CapturedAttention

    Raises
    ------
    UnsupportedModelError
        If several calls do not go on from one another.
    """
    if len(site.softmax_calls) > 1 and any(
        softmax_call.batch not in {None, examples} for softmax_call in site.softmax_calls
    ):
        raise unjoinable(site.path)  # beams would be taken for heads
    whole = join(
        [_read(site.path, softmax_call, examples, rows) for softmax_call in site.softmax_calls],
        site.crossing if site.loops else None,
    )
    _, _, queries, keys = whole.shape
    last = site.softmax_calls[-1]
    kind = "pooling" if queries == 1 and keys > 1 else whole.kind
    return replace(whole, kind=kind, key_tokens=last.key_worded)


def _read(
    path: str, softmax_call: SoftmaxCall, examples: int, rows: Sequence[int] | None
) -> CapturedAttention:
    """Read one call."""
    import torch

    softmax_call = for_all(softmax_call, examples)
    factors = sink_weight = None
    if softmax_call.vectors is not None:
        logits = softmax_call.vectors.logits
        factors = softmax_call.vectors.factors if logits is None else None
    else:
        logits = _ordered(softmax_call, examples)
    weights, stage = None if logits is None else softmax(logits), ""
    if weights is not None and logits is not None and softmax_call.vectors is None:
        weights, logits, stage = shown(
            softmax_call, weights, logits, lambda call: _ordered(for_all(call, examples), examples)
        )
    span = None if softmax_call.use is None else softmax_call.use.span
    if weights is not None and logits is not None and span is not None:
        weights, logits = weights[..., slice(*span)], logits[..., slice(*span)]
        if not stage:
            sink_weight = np.asarray(1 - weights.sum(axis=-1), np.float32).clip(min=0)
    if rows is not None and not (softmax_call.vectors is not None and softmax_call.vectors.cut):
        weights, logits, sink_weight = (
            None if x is None else x[list(rows)] for x in (weights, logits, sink_weight)
        )
    return CapturedAttention(
        module=path,
        module_class="" if softmax_call.module is None else type(softmax_call.module).__name__,
        kind=softmax_call.kind,
        framework=f"torch {torch.__version__}",
        dtype=softmax_call.dtype,
        weights=weights,
        logits=logits,
        factors=factors,
        sink_weight=sink_weight,
        stage=stage,
        query_tokens=softmax_call.query_worded,
        key_tokens=softmax_call.key_worded,
        masked_by=masked_by(softmax_call, stage),
    )


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the softmax over the last axis; 0 where a whole row is minus infinity.

    Parameters
    ----------
    logits : array [..., key]

    Returns
    -------
    array [..., key]
        float32.
    """
    top = logits.max(axis=-1, keepdims=True, initial=-np.inf)
    terms = np.exp(logits - np.where(np.isneginf(top), np.float32(0), top))
    total = terms.sum(axis=-1, keepdims=True)
    return np.asarray(terms / np.where(total == 0, np.float32(1), total), np.float32)


def _ordered(softmax_call: SoftmaxCall, examples: int) -> NDArray[np.float32]:
    """Return a softmax's logits as [example, head, query, key]."""
    values = np.moveaxis(array(softmax_call.logits), softmax_call.axis, -1)
    batch = batch_axis_of(softmax_call, examples)
    if batch is not None:
        values = first(values, batch, examples)
    keys = values.shape[-1]
    many = values.shape[0] != examples
    if values.ndim == 2:
        return values.reshape(examples, -1, 1, keys)
    middle, square = values.shape[1], values.shape[-2] == keys
    if (
        values.ndim == 3
        and not many
        and not square
        and middle > 1
        and middle not in softmax_call.lengths
    ):
        return values[:, :, None]  # one query per head
    if (
        values.ndim == 4
        and not square
        and values.shape[2] not in softmax_call.lengths
        and middle in softmax_call.lengths
    ):
        values = values.swapaxes(1, 2)  # heads after queries
    return np.ascontiguousarray(values.reshape(examples, -1, *values.shape[-2:]))
