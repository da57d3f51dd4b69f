"""Reads what a softmax held for one example, beside what the model itself computed.

Room: capture, torch. Comes in: the record of a softmax, and what was kept of it. Goes out: the
record with values that were compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture import checking
from limelight.capture.recognition import Softmax
from limelight.capture.site import CapturedAttention
from limelight.capture.torch.recognise.reading import _ordered, _read
from limelight.capture.torch.trace.recorder import SoftmaxCall
from limelight.capture.torch.trace.values import Computed


def with_values(
    row: Softmax, computed: Mapping[SoftmaxCall, Computed], examples: int, example: int
) -> Softmax:
    """Return a record with the values of one example; without, where it cannot be read.

    Parameters
    ----------
    row : Softmax
    computed : mapping of SoftmaxCall to Computed
    examples : int
    example : int

    Returns
    -------
    Softmax
    """
    softmax_call = row.source
    made = computed.get(softmax_call)
    try:
        shown = _read(row.path, softmax_call, examples, None)
        scores, weights = _scores(shown, example)
        weights_made = None
        if made is not None and made.weights is not None and not row.stage:
            weights_made = _own(softmax_call, made.weights, examples)
        products = [] if made is None else made.products
        values = checking.examined(example, scores, weights, weights_made, products)
    except (ValueError, IndexError, AttributeError, TypeError):
        return row  # no axes of it are known: there is nothing to compare
    return replace(row, values=values)


def _scores(
    shown: CapturedAttention, example: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return scores and weights [example, head, query, key]; of vectors, scores of one example."""
    factors = shown.factors
    if factors is None:
        if shown.weights is None or shown.logits is None:
            raise ValueError("no values")
        return shown.logits, shown.weights
    every = slice(None)
    scores = np.zeros(factors.shape, np.float32)
    scores[example] = factors.scores(example, every, every, every)
    allowed = factors.rule.allowed(example, every, every, every)
    scores[example][~np.broadcast_to(allowed, scores[example].shape)] = -np.inf
    return scores, factors.dense()


def _own(softmax_call: SoftmaxCall, weights: Any, examples: int) -> NDArray[np.float32]:
    """Return what the model's own softmax gave, in the order that is shown."""
    ordered = _ordered(replace(softmax_call, logits=weights), examples)
    span = None if softmax_call.use is None else softmax_call.use.span
    return ordered if span is None else ordered[..., slice(*span)]
