"""Keeps compiled passes on disk, so that the next process need not compile them.

Room: lowest. Comes in: a compiled function, the files it was made of. Goes out: the same, from disk
where it was compiled before. Numba looks for a change in the file of the function it keeps, not in
those of what that calls; but what a function encloses is part of what it is kept under.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numba


def from_disk(compiled: Any, files: Iterable[Path]) -> Any:
    """Return a compiled function that is kept on disk for these sources, where there is room.

    Parameters
    ----------
    compiled : numba dispatcher
        Returns nothing.
    files : iterable of Path
        All that it was made of.

    Returns
    -------
    numba dispatcher
    """
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.read_bytes())
    sources = digest.hexdigest()

    def run(*arguments: Any) -> None:
        if len(sources) > 0:
            compiled(*arguments)

    try:
        return numba.njit(nogil=True, cache=True)(run)
    except RuntimeError:  # no folder to keep compiled code in
        return numba.njit(nogil=True)(run)
