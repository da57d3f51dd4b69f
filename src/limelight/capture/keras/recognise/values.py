"""Reads what a softmax held for one example, beside what the model itself computed.

Room: capture, Keras. Comes in: the record of a softmax, and the softmax itself. Goes out: the
record with values that were compared.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture import checking, recognition
from limelight.capture.keras.backends.backend import backend, single, weights_of
from limelight.capture.keras.recognise.attention import Site
from limelight.capture.keras.recognise.reading import map_of
from limelight.capture.keras.trace import Softmax
from limelight.factors import Factors, lazy_allowed

Array = NDArray[np.float32]


def with_values(
    row: recognition.Softmax, softmax: Softmax, examples: int, example: int
) -> recognition.Softmax:
    """Return a record with the values of one example; without, where it cannot be read.

    Parameters
    ----------
    row : Softmax
        The record.
    softmax : Softmax
        What ran.
    examples : int
    example : int

    Returns
    -------
    Softmax
    """
    shape = tuple(int(size) for size in softmax.weights.shape)
    if not shape or not _has_values(softmax):
        return row
    if isinstance(row.source, Site):
        made = map_of(row.source)
        if made.factors is not None:
            weights, scores = _in_full(made.factors)
        elif made.weights is not None and made.logits is not None:
            weights, scores = made.weights, made.logits
        else:
            return row
        if len(weights) not in {1, examples} or (len(weights) == 1 < examples):
            return row  # of one example by itself, or the same for all
        # What is shown was computed from the scores, where the model forms no weights.
        computed = None if softmax.factored is not None else weights
    elif shape[0] != examples:
        return row
    else:
        form = (examples, -1, shape[-2] if len(shape) > 2 else 1, shape[-1])
        scores = single(softmax.logits).reshape(form)
        computed = weights_of(softmax).reshape(form)
        weights = computed
    if computed is not None and not row.stage:
        weights = _softmax(scores)
    products = [
        (single(values), single(result))
        for values, result in softmax.products
        if _numbers(values) and _numbers(result)
    ]
    return replace(row, values=checking.examined(example, scores, weights, computed, products))


def _in_full(factors: Factors) -> tuple[Array, Array]:
    """Return the weights of vectors, and scores that say what is allowed."""
    allowed = lazy_allowed(factors.rule, factors.shape).values
    allowed = allowed if factors.rule.by_head else allowed[:, None]
    scores = np.where(np.broadcast_to(allowed, factors.shape), np.float32(0), np.float32(-np.inf))
    return factors.dense(), scores


def _has_values(softmax: Softmax) -> bool:
    return softmax.factored is not None or backend().has_values(softmax.weights)


def _numbers(tensor: Any) -> bool:
    """Say whether something holds numbers, and enough of them to be values of attention."""
    plain = isinstance(tensor, np.ndarray) or backend().has_values(tensor)
    return bool(plain and len(tensor.shape) > 1 and "float" in str(tensor.dtype))


def _softmax(scores: Array) -> Array:
    """Return the softmax of scores over the last axis."""
    top = scores.max(axis=-1, keepdims=True, initial=-np.inf)
    terms = np.exp(scores - np.where(np.isneginf(top), np.float32(0), top))
    total = terms.sum(axis=-1, keepdims=True)
    return np.asarray(terms / np.where(total == 0, np.float32(1), total), np.float32)
