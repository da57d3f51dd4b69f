"""The folder a user names, as a path that stays the same folder.

Room: beside renamed. Comes in: what was given for a folder: text, a path, a ``file://`` address.
Goes out: an absolute path, or an error for what is no folder of this machine. Every door takes it
here: recorders, callbacks, ``open_run``, the command line.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from limelight.errors import LimelightError

#: ``s3://…``, and ``s3:/…``, which is what ``pathlib`` makes of it. One letter is a drive.
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")


def log_folder(given: str | os.PathLike[str] | Any) -> Path:
    """Return the folder that was meant, absolute, so that a later ``chdir`` moves nothing.

    Parameters
    ----------
    given : str or path
        A folder; ``~`` is the home, ``file://`` in front changes nothing.

    Returns
    -------
    Path
        Links are not followed.

    Raises
    ------
    LimelightError
        If it is the address of something that is not a folder of this machine, such as
        ``s3://bucket/run``, or no path at all.

    Examples
    --------
    >>> log_folder("file:///logs/lstm").as_posix()
    '/logs/lstm'
    """
    try:
        text = os.fsdecode(os.fspath(given))
    except TypeError:
        raise LimelightError(
            f"Got a {type(given).__name__} for a log folder.",
            "Wanted a path, such as 'logs/lstm'.",
            "Pass the path of the run's folder as text.",
        ) from None
    scheme = _SCHEME.match(text)
    if scheme is not None:
        text = _local(text, scheme.group(1))
    try:
        return Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100  # follows no links
    except RuntimeError:
        raise LimelightError(
            f"Got the log folder {text!r}, and this user has no home that is known.",
            "Wanted a path that can be found.",
            "Write the whole path.",
        ) from None


def _local(text: str, scheme: str) -> str:
    """Return the path of a ``file://`` address; refuse every other."""
    parts = urlsplit(text)
    if scheme.lower() != "file" or parts.netloc not in ("", "localhost"):
        raise LimelightError(
            f"Got the log folder {text!r}.",
            "Wanted a folder of this machine: limelight writes no other kind of storage.",
            "Record into a local folder, such as 'logs/run', and copy it there afterwards, or "
            "mount the storage as a folder.",
        )
    return unquote(parts.path)
