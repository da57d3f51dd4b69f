"""A ``DataLoader`` of torch.

Room: studying, kinds. Goes out: its batches. One that shuffles is refused by its sampler.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from limelight.errors import StudyError

ORDER = 30


def matches(data: Any) -> bool:
    """Say whether data is a loader of torch, without loading torch."""
    return any(
        kind.__module__.startswith("torch.utils.data") and kind.__name__ == "DataLoader"
        for kind in type(data).__mro__
    )


def batches(data: Any, _collate: Any) -> Iterator[Any]:
    """Yield its batches."""
    sampler = type(getattr(data, "sampler", None)).__name__
    if sampler in {"RandomSampler", "WeightedRandomSampler", "SubsetRandomSampler"}:
        raise StudyError(
            f"Got a DataLoader that draws its examples by {sampler}.",
            "Wanted examples in the same order in each pass.",
            "Make it with shuffle=False.",
        )
    # Each beginning draws a seed for its workers from the user's random numbers: put back here.
    with sys.modules["torch"].random.fork_rng(devices=[]):
        begun = iter(data)
    yield from begun
