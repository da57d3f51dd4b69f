"""Counterfactual augmentation: each example again, with the word changed that shall not decide.

Room: mitigations. Comes in: token ids or words, targets, which tokens are swapped. Goes out: more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.errors import DimensionError, LimelightError
from limelight.mitigating.card import mitigation


@mitigation(
    answers=("L7",), stage="data", needs=("suspect tokens",),
    source="D. Kaushik, E. Hovy and Z. Lipton, Learning the Difference that Makes a Difference "
    "with Counterfactually-Augmented Data, ICLR 2020",
)  # fmt: skip
def counterfactual(
    x: Any,
    y: Any,
    swaps: Mapping[Any, Any] | Callable[[Any], Any],
    *,
    vocabulary: int | None = None,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.intp]]:
    """Return the examples, then those that a swap changes, changed; and whose copies they are.

    In the result a swapped token says nothing about the class, if swaps go both ways and each
    example holds one: each class comes as often with either.

    Parameters
    ----------
    x : array [example, token]
        Token ids or words.
    y : array [example, …]
        Targets: a swap leaves them as they are, so swap only what shall not decide.
    swaps : mapping or callable
        Each token and what stands in its place. Where it goes one way only, as ``{"he": "she"}``,
        the other way is added. Or a function of all examples that returns them changed.
    vocabulary : int, optional
        How many tokens there are, so that ids beyond are refused.

    Returns
    -------
    array [more, token], array [more, …], array [more]
        Inputs, targets, and each row's number in ``x``: for weights and groups, and so that both
        copies stay on one side of a split.

    Raises
    ------
    LimelightError
        If a token is not in the vocabulary, or in no example, or swaps contradict each other.
    DimensionError
        If there are not as many targets as inputs, or the function changes the shape.

    References
    ----------
    .. [1] D. Kaushik, E. Hovy and Z. Lipton, "Learning the Difference that Makes a Difference with
       Counterfactually-Augmented Data", ICLR 2020.

    Examples
    --------
    >>> more, targets, rows = counterfactual([[5, 1], [5, 2], [5, 6]], [0, 1, 1], {1: 2})
    >>> more.tolist(), targets.tolist(), rows.tolist()
    ([[5, 1], [5, 2], [5, 6], [5, 2], [5, 1]], [0, 1, 1, 0, 1], [0, 1, 2, 0, 1])
    """
    inputs, targets = np.asarray(x), np.asarray(y)
    if inputs.ndim < 1 or len(inputs) != len(targets):
        raise DimensionError(
            f"Got inputs of shape {inputs.shape} and targets of shape {targets.shape}.",
            "Wanted a target for each example.",
            "Give as many of both.",
        )
    changed = np.asarray(swaps(inputs)) if callable(swaps) else _swapped(inputs, swaps, vocabulary)
    if changed.shape != inputs.shape:
        raise DimensionError(
            f"Got examples of shape {changed.shape} from swaps, for {inputs.shape}.",
            "Wanted each example changed, with as many tokens.",
            "Let the function return a changed copy of its argument.",
        )
    rows = np.flatnonzero((changed != inputs).reshape(len(inputs), -1).any(axis=1))
    if not rows.size:
        raise LimelightError(
            "Got swaps that change no example.",
            "Wanted tokens that are in the data.",
            "Look at how the tokens are written: as ids, or as words, with or without capitals.",
        )
    numbers = np.concatenate([np.arange(len(inputs)), rows])
    return np.concatenate([inputs, changed[rows]]), targets[numbers], numbers


def _swapped(inputs: Any, swaps: Mapping[Any, Any], vocabulary: int | None) -> Any:
    """Return examples with all tokens of a table swapped at once, both ways."""
    table = dict(swaps)
    for token, other in swaps.items():
        if table.setdefault(other, token) != token and other not in swaps:
            raise LimelightError(
                f"Got swaps of both {token!r} and {table[other]!r} for {other!r}.",
                "Wanted one token for each.",
                "Say the way back yourself: {…, other: token}.",
            )
    words = [] if vocabulary is None else [t for t in table if not 0 <= t < vocabulary]
    absent = words or [token for token in swaps if not (inputs == token).any()
                       and not (inputs == table[token]).any()]  # fmt: skip
    if absent:
        raise LimelightError(
            f"Got {absent[0]!r} to swap, which is in no example.",
            f"Wanted tokens {'below ' + str(vocabulary) if words else 'that come in the data'}.",
            "Look it up in the tokenizer; a word may be several tokens.",
        )
    size = max((len(str(token)) for token in table), default=1)
    changed = inputs.astype(f"<U{max(size, inputs.dtype.itemsize // 4)}") \
        if inputs.dtype.kind == "U" else inputs.copy()  # fmt: skip
    for token, other in table.items():
        changed[inputs == token] = other
    return changed
