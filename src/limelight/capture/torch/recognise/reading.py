"""Brings what a site's softmax held to NumPy, [example, head, query, key].

Room: capture, torch. Comes in: a site. Goes out: a
:class:`~limelight.capture.site.CapturedAttention`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from limelight.capture.generation.joining import in_full, join, unjoinable
from limelight.capture.generation.words import sequence
from limelight.capture.site import CapturedAttention
from limelight.capture.torch.recognise.shown import masked_by, shown
from limelight.capture.torch.recognise.steps import Site
from limelight.capture.torch.trace.assigning import roles_of
from limelight.capture.torch.trace.recorder import SoftmaxCall
from limelight.capture.torch.trace.vectors import array
from limelight.capture.wording import Ids


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
    calls = site.softmax_calls
    if site.shares:
        return _together(site, examples, rows)
    if len(calls) > 1 and any(call.batch not in {None, examples} for call in calls):
        raise unjoinable(site.path)  # beams would be taken for heads
    whole = join(
        [_read(site.path, call, examples, rows) for call in calls],
        site.crossing if site.loops else None,
    )
    _, _, queries, keys = whole.shape
    last = site.softmax_calls[-1]
    kind = "pooling" if queries == 1 and keys > 1 else whole.kind
    ids = sequence([call.ids for call in calls])
    if ids is not None and rows is not None:
        ids = Ids(ids.name, ids.numbers[list(rows)])
    return replace(whole, kind=_featured(last) or kind, key_words=last.key_words, ids=ids)


def _featured(softmax_call: SoftmaxCall) -> str:
    roles = softmax_call.roles
    return "feature" if roles is not None and roles.features else ""


def _together(site: Site, examples: int, rows: Sequence[int] | None) -> CapturedAttention:
    """Join the calls of a loop over the examples: one map for each."""
    parts = [_read(site.path, call, examples, None) for call in site.softmax_calls]
    shapes = {part.shape[1:] for part in parts}
    if len(shapes) > 1:
        raise unjoinable(site.path)
    dense = [in_full(part) for part in parts]
    weights, logits = (np.concatenate([pair[at] for pair in dense]) for at in (0, 1))
    chosen = slice(None) if rows is None else list(rows)
    sinks = [part.sink_weight for part in parts]
    sink_weight: NDArray[np.float32] | None = None
    if all(sink is not None for sink in sinks):
        sink_weight = np.concatenate(sinks)[chosen]  # type: ignore[arg-type]
    queries, keys = weights.shape[2:]
    kind = "pooling" if queries == 1 and keys > 1 else parts[0].kind
    return replace(
        parts[0], kind=_featured(site.softmax_calls[0]) or kind, factors=None,
        weights=weights[chosen], logits=logits[chosen], sink_weight=sink_weight,
    )  # fmt: skip


def _read(
    path: str, softmax_call: SoftmaxCall, examples: int, rows: Sequence[int] | None
) -> CapturedAttention:
    """Read one call."""
    import torch

    factors = sink_weight = None
    if softmax_call.vectors is not None:
        logits = softmax_call.vectors.logits
        factors = softmax_call.vectors.factors if logits is None else None
    else:
        logits = _ordered(softmax_call, examples)
    weights, stage = None if logits is None else softmax(logits), ""
    if weights is not None and logits is not None and softmax_call.vectors is None:
        weights, logits, stage = shown(
            softmax_call, weights, logits, lambda call: _ordered(call, examples)
        )
    span = None if softmax_call.use is None else softmax_call.use.span
    if weights is not None and logits is not None and span is not None:
        weights, logits = weights[..., slice(*span)], logits[..., slice(*span)]
        if not stage:
            sink_weight = np.asarray(1 - weights.sum(axis=-1), np.float32).clip(min=0)
    whole = softmax_call.roles is None or softmax_call.roles.share is None
    if (
        rows is not None
        and whole
        and not (softmax_call.vectors is not None and softmax_call.vectors.cut)
    ):
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
        reading="" if softmax_call.roles is None else softmax_call.roles.reading,
        query_words=softmax_call.query_words,
        key_words=softmax_call.key_words,
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
    values = array(softmax_call.logits)
    roles = softmax_call.roles
    if roles is None:
        roles = roles_of(softmax_call, examples)
    ordered = roles.arranged(values)
    if roles.common:
        ordered = np.broadcast_to(ordered, (examples, *ordered.shape[1:]))
    return np.ascontiguousarray(ordered)
