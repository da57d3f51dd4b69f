"""The built front end as files, and bytes packed for a browser.

Room: apps. Comes in: a folder. Goes out: a dictionary of what may be served, so that no path of a
request ever reaches the disk. The TensorBoard plugin loads this module unguarded: it imports
nothing but Python's own.
"""

from __future__ import annotations

import logging
import zlib
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

BUILT: Final = Path(__file__).parents[1] / "web"

#: Bytes below which an answer is not compressed, and of the piece that shows whether it pays.
_TINY = 1 << 12
_PIECE = 1 << 16

TYPES: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
}

#: Status by an error's code; others are bad requests.
STATUS: Final = {"not-recorded": 404, "store": 409, "unavailable": 503}

#: Shown where the front end was not built, in place of an empty tab.
_UNBUILT = b"""export function render() {
  document.body.textContent =
    "Limelight's screens are missing from this installation. " +
    "Install it again from where it came (in a checkout: make build), " +
    "then start TensorBoard again.";
}
"""


def static_files(folder: Path) -> dict[str, bytes]:
    """Read the built front end.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    dict of str to bytes
        Path below the folder to content; a word of what is missing where nothing was built.
    """
    try:
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        }
    except OSError:
        logger.exception("limelight cannot read its front end")
        files = {}
    return files if "index.js" in files else {"index.js": _UNBUILT}


def kind_of(name: str) -> str:
    """Return the content type of a file by its name.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
    """
    return TYPES.get(Path(name).suffix, "application/octet-stream")


def compressed(data: bytes) -> tuple[bytes, str | None]:
    """Return an answer as gzip if that makes it clearly smaller, and what was done to it.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    bytes, str or None
        The content, and its encoding.
    """
    if len(data) < _TINY or len(_gzip(data[:_PIECE])) > 0.8 * min(len(data), _PIECE):
        return data, None  # the numbers of a map are noise in their lower bytes
    return _gzip(data), "gzip"


def _gzip(data: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)  # 31: with the header of gzip
    return packer.compress(data) + packer.flush()
