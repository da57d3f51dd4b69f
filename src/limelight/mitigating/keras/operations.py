"""The operations of losses on tensors of Keras' backends.

Room: mitigating/keras. Comes in and goes out: tensors.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

exp, log, where, still = ops.exp, ops.log, ops.where, ops.stop_gradient


def real(values: Any, like: Any) -> Any:
    """Return values as a tensor of another's type."""
    return ops.cast(values, keras.backend.standardize_dtype(like.dtype))


def whole(values: Any) -> Any:
    """Return values as whole numbers."""
    return ops.cast(values, "int32")


def log_softmax(scores: Any) -> Any:
    """Return logarithms of the softmax over the last axis."""
    return ops.log_softmax(scores, axis=-1)


def at_least(values: Any, bound: float) -> Any:
    """Return the larger of each value and a bound."""
    return ops.maximum(values, bound)


def sum(values: Any, axis: int | None = None) -> Any:  # noqa: A001  # as every framework calls it
    """Return the sum over an axis, or over all."""
    return ops.sum(values, axis=axis)


def pick(values: Any, indices: Any) -> Any:
    """Return values[..., index] along the last axis."""
    return ops.take_along_axis(values, indices[..., None], axis=-1)[..., 0]


def rows(table: Any, indices: Any) -> Any:
    """Return table[index]."""
    return ops.take(table, indices, axis=0)


def sums_by(values: Any, groups: Any, count: int) -> Any:
    """Return the sum of each group."""
    return ops.segment_sum(ops.reshape(values, (-1,)), ops.reshape(groups, (-1,)), count)


def join(parts: list[Any]) -> Any:
    """Return tensors one after the other along the last axis."""
    return ops.concatenate(parts, axis=-1)
