"""A ``Dataset`` of Hugging Face, with ``collate`` to make a batch of its rows.

Room: studying, kinds. Goes out: batches of some rows. Without ``collate`` columns are stacked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

ROWS = 32
ORDER = 35


def matches(data: Any) -> bool:
    """Say whether data has columns and rows that go by number."""
    return all(hasattr(data, name) for name in ("column_names", "features", "__getitem__"))


def batches(data: Any, collate: Any) -> Iterator[Any]:
    """Yield batches of rows."""
    for first in range(0, len(data), ROWS):
        rows = [data[at] for at in range(first, min(first + ROWS, len(data)))]
        yield collate(rows) if collate is not None else _stacked(rows)


def _stacked(rows: list[Any]) -> dict[str, Any]:
    return {name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]}
