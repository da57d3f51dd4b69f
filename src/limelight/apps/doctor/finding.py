"""One thing that doctor looked at.

Room: apps. What :mod:`installed` and :mod:`recorded` have in common.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    what : str
    ok : bool or None
        None: it is not there, and need not be.
    fact : str
        What was found.
    fix : str
        What to do; empty where nothing needs doing.
    floor : str
        The oldest version that will do, of a package.
    """

    what: str
    ok: bool | None
    fact: str
    fix: str = ""
    floor: str = ""
