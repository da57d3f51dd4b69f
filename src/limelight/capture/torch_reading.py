"""Brings what a site's softmax held to NumPy, [example, head, query, key].

Room: capture, torch. Comes in: a site. Goes out: a :class:`~limelight.capture.sites.Sighting`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelight.capture.sites import Sighting
from limelight.capture.torch_joining import joined
from limelight.capture.torch_judging import Site
from limelight.capture.torch_vectors import array
from limelight.capture.torch_watching import Hit
from limelight.factors import Factors


@dataclass(frozen=True, eq=False)
class Rows:
    """One call's share of a site: factors, or logits.

    Attributes
    ----------
    factors : Factors, optional
    logits : array [example, head, query, key], optional
    """

    factors: Factors | None
    logits: NDArray[np.float32] | None


def sighting(site: Site, examples: int) -> Sighting:
    """Read a site.

    Parameters
    ----------
    site : Site
    examples : int

    Returns
    -------
    Sighting
    """
    import torch

    first, last = site.hits[0], site.hits[-1]
    parts = [_rows(hit, examples) for hit in site.hits]
    factors, logits = joined([(part.factors, part.logits) for part in parts])
    shape = factors.shape if factors is not None else logits.shape if logits is not None else ()
    kind = "pooling" if shape[2] == 1 and shape[3] > 1 else first.kind
    return Sighting(
        module=site.path,
        module_class="" if first.module is None else type(first.module).__name__,
        kind=kind,
        framework=f"torch {torch.__version__}",
        dtype=first.dtype,
        weights=None if logits is None else softmax(logits),
        logits=logits,
        factors=factors,
        query_tokens=first.query_worded,
        key_tokens=last.key_worded,
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


def _rows(hit: Hit, examples: int) -> Rows:
    if hit.vectors is not None:
        logits = hit.vectors.logits
        return Rows(None if logits is not None else hit.vectors.factors, logits)
    return Rows(None, _ordered(hit, examples))


def _ordered(hit: Hit, examples: int) -> NDArray[np.float32]:
    """Return a softmax's logits as [example, head, query, key]."""
    values = np.moveaxis(array(hit.logits), hit.axis, -1)
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
