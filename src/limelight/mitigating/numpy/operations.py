"""The operations of losses on NumPy's arrays.

Room: mitigating/numpy. Comes in and goes out: arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import log_softmax as _log_softmax

exp, log, where = np.exp, np.log, np.where


def real(values: Any, like: Any) -> Any:
    """Return values as floats."""
    return np.asarray(values, np.asarray(like).dtype)


def whole(values: Any) -> Any:
    """Return values as whole numbers."""
    return np.asarray(values).astype(np.int64)


def log_softmax(scores: Any) -> Any:
    """Return logarithms of the softmax over the last axis."""
    return _log_softmax(scores, axis=-1)


def at_least(values: Any, bound: float) -> Any:
    """Return the larger of each value and a bound."""
    return np.maximum(values, bound)


def sum(values: Any, axis: int | None = None) -> Any:  # noqa: A001  # as every framework calls it
    """Return the sum over an axis, or over all."""
    return np.sum(values, axis=axis)


def pick(values: Any, indices: Any) -> Any:
    """Return values[..., index] along the last axis."""
    return np.take_along_axis(values, indices[..., None], axis=-1)[..., 0]


def rows(table: Any, indices: Any) -> Any:
    """Return table[index]."""
    return table[indices]


def sums_by(values: Any, groups: Any, count: int) -> Any:
    """Return the sum of each group."""
    return np.bincount(groups.ravel(), weights=values.ravel(), minlength=count)


def join(parts: list[Any]) -> Any:
    """Return arrays one after the other along the last axis."""
    return np.concatenate(parts, axis=-1)


def still(values: Any) -> Any:
    """Return the values."""
    return values
