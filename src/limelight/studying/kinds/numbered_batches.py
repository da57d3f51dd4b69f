"""A ``PyDataset`` of Keras, or what is like it: batches by their number.

Room: studying, kinds. Goes out: its batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

ORDER = 40


def matches(data: Any) -> bool:
    """Say whether data is a PyDataset, without loading Keras."""
    return any(kind.__name__ in {"PyDataset", "Sequence"} and "keras" in kind.__module__
               for kind in type(data).__mro__)  # fmt: skip


def batches(data: Any, _collate: Any) -> Iterator[Any]:
    """Yield its batches by their numbers."""
    count = getattr(data, "num_batches", None)
    for number in range(len(data) if count is None else int(count)):
        yield data[number]
