"""Arrays ``(x, y)``: inputs and their targets.

Room: studying, kinds. Goes out: one batch. ``x`` may be a tuple or mapping of arrays itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

ORDER = 50


def matches(data: Any) -> bool:
    """Say whether data is a pair of which the first is what a model is called with."""
    return isinstance(data, (tuple, list)) and len(data) == 2 and _holds(data[0])


def batches(data: Any, _collate: Any) -> Iterator[Any]:
    """Yield the whole."""
    yield tuple(data)


def _holds(inputs: Any) -> bool:
    """Say whether something is arrays, not a pair of examples in a list."""
    if isinstance(inputs, dict):
        return True
    return hasattr(inputs, "shape") or (
        isinstance(inputs, (tuple, list)) and len(inputs) > 0 and hasattr(inputs[0], "shape")
        and not _is_pair(inputs)
    )  # fmt: skip


def _is_pair(item: Any) -> bool:
    """Say whether an item is a batch's inputs and targets, as lists of such pairs hold them."""
    return (
        isinstance(item, tuple) and len(item) == 2 and all(hasattr(part, "shape") for part in item)
        and getattr(item[1], "ndim", 9) < getattr(item[0], "ndim", 0)
        and len(item[0]) == len(item[1])
    )  # fmt: skip
