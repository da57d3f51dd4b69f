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
from limelight.capture.torch.recognise.attention import Site, placed
from limelight.capture.torch.trace.axes import first
from limelight.capture.torch.trace.recorder import Hit
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
    if len(site.hits) > 1 and any(hit.batch not in {None, examples} for hit in site.hits):
        raise unjoinable(site.path)  # beams would be taken for heads
    whole = join([_read(site.path, hit, examples, rows) for hit in site.hits])
    _, _, queries, keys = whole.shape
    last = site.hits[-1]
    kind = "pooling" if queries == 1 and keys > 1 else whole.kind
    return replace(whole, kind=kind, key_tokens=last.key_worded)


def _read(path: str, hit: Hit, examples: int, rows: Sequence[int] | None) -> CapturedAttention:
    """Read one call."""
    import torch

    factors = sink = None
    if hit.vectors is not None:
        logits = hit.vectors.logits
        factors = hit.vectors.factors if logits is None else None
    else:
        logits = _ordered(hit, examples)
    weights = None if logits is None else softmax(logits)
    kept = None if hit.fate is None else hit.fate.kept
    if weights is not None and logits is not None and kept is not None:
        weights, logits = weights[..., slice(*kept)], logits[..., slice(*kept)]
        sink = np.asarray(1 - weights.sum(axis=-1), np.float32).clip(min=0)
    if rows is not None and not (hit.vectors is not None and hit.vectors.cut):
        weights, logits, sink = (
            None if x is None else x[list(rows)] for x in (weights, logits, sink)
        )
    return CapturedAttention(
        module=path,
        module_class="" if hit.module is None else type(hit.module).__name__,
        kind=hit.kind,
        framework=f"torch {torch.__version__}",
        dtype=hit.dtype,
        weights=weights,
        logits=logits,
        factors=factors,
        sink_weight=sink,
        query_tokens=hit.query_worded,
        key_tokens=hit.key_worded,
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
    found = np.exp(logits - np.where(np.isneginf(top), np.float32(0), top))
    total = found.sum(axis=-1, keepdims=True)
    return np.asarray(found / np.where(total == 0, np.float32(1), total), np.float32)


def _ordered(hit: Hit, examples: int) -> NDArray[np.float32]:
    """Return a softmax's logits as [example, head, query, key]."""
    values = np.moveaxis(array(hit.logits), hit.axis, -1)
    place = placed(hit, examples)
    if place is not None:
        values = first(values, place, examples)
    keys = values.shape[-1]
    many = values.shape[0] != examples
    if values.ndim == 2:
        return values.reshape(examples, -1, 1, keys)
    middle, square = values.shape[1], values.shape[-2] == keys
    if values.ndim == 3 and not many and not square and middle > 1 and middle not in hit.lengths:
        return values[:, :, None]  # one query per head
    if (
        values.ndim == 4
        and not square
        and values.shape[2] not in hit.lengths
        and middle in hit.lengths
    ):
        values = values.swapaxes(1, 2)  # heads after queries
    return np.ascontiguousarray(values.reshape(examples, -1, *values.shape[-2:]))
