"""Text that carries its own checksum, as the last thing it says.

Room: store. Comes in: a JSON object as text. Goes out: the same object with ``crc`` as its last
member; or, reading, whether it is still the text that was written.
"""

from __future__ import annotations

import re
from typing import Final

import google_crc32c

_LAST: Final = re.compile(rb',\s*"crc": "([0-9a-f]{8})"\s*\}\s*\Z')


def signed(text: str, run: str = "") -> bytes:
    """Return a JSON object with its checksum.

    Parameters
    ----------
    text : str
        A JSON object that is not empty.
    run : str
        The run's own mark: what was signed for one run is damaged in another.

    Returns
    -------
    bytes
        UTF-8; the checksum, CRC-32C in hexadecimal, is that of the run's mark and of all bytes
        before the comma ahead of it.

    Examples
    --------
    >>> signed('{"a": 1}')
    b'{"a": 1, "crc": "efa86ef0"}'
    """
    body = text.rstrip().removesuffix("}").rstrip().encode()
    return body + b', "crc": "%08x"}' % _sum(body, run)


def is_whole(text: bytes, run: str = "") -> bool:
    """Say whether text is as :func:`signed` made it, for this run.

    Parameters
    ----------
    text : bytes
    run : str

    Returns
    -------
    bool
    """
    last = _LAST.search(text[-64:])
    if last is None:
        return False
    body = text[: len(text) - len(text[-64:]) + last.start()]
    return int(last.group(1), 16) == _sum(body, run)


def _sum(body: bytes, run: str) -> int:
    return int(google_crc32c.value(run.encode() + body))
