"""Anything that can be gone through again and again: ``tf.data``, a list of batches, a class.

Room: studying, kinds. Goes out: its batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from limelight.errors import StudyError

ORDER = 90


def matches(data: Any) -> bool:
    """Say whether data can be gone through."""
    return isinstance(data, Iterable) and not isinstance(data, (str, bytes))


def batches(data: Any, _collate: Any) -> Iterator[Any]:
    """Yield its batches."""
    again = iter(data)
    if again is data:
        raise StudyError(
            f"Got data of type {type(data).__name__}, which can be read once only.",
            "Wanted data that can be read again: a study runs the model many times over it.",
            "Pass the arrays, a list of its batches, or an object whose __iter__ begins anew.",
        )
    yield from again
