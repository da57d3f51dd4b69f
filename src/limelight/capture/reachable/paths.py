"""Names of what a model can reach.

Room: capture, reachable. Comes in: a path, linked from its end. Goes out: text for messages.
"""

from __future__ import annotations

from typing import Any


def spelled(path: Any) -> str:
    """Spell a path, such as ``encoder/cache/0``.

    Parameters
    ----------
    path : (path or None, object)

    Returns
    -------
    str
    """
    parts: list[str] = []
    while path is not None:
        path, part = path
        if part not in ("", "_modules", "_parameters", "_buffers", "__dict__"):
            parts.append(str(part))
    return "/".join(reversed(parts))
