"""A probe: its labels are the targets.

Room: studying, kinds. Goes out: one batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from limelight.capture import Probe

ORDER = 10


def matches(data: Any) -> bool:
    """Say whether data is a probe."""
    return isinstance(data, Probe)


def batches(data: Any, _collate: Any) -> Iterator[Any]:
    """Yield the whole."""
    yield data, data.labels
