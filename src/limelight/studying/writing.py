"""Writes a file whole or not at all.

Room: studying. Comes in: bytes. Goes out: a file, or an error that says what is wanted.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from uuid import uuid4

from limelight.errors import StudyError


def write(path: Path, body: bytes) -> None:
    """Write a file whole or not at all.

    Parameters
    ----------
    path : Path
    body : bytes

    Raises
    ------
    StudyError
        If it cannot be written; nothing half-written stays.
    """
    beside = path.with_name(f".{path.name}.{uuid4().hex[:8]}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(body)
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise StudyError(
            f"Could not write to {path.parent}: {error.strerror or error}.",
            f"Wanted room for {len(body):,} bytes there.",
            "Make room and call it again: what was finished is kept.",
        ) from error
