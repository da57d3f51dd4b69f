"""Who may ask this server what: pages of its own, on this machine.

Room: apps. Comes in: a request's headers. Goes out: why it is refused, or nothing. Another site
that a person has open can send requests to any port of this machine; it can neither forge ``Host``
and ``Origin`` nor know the token.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final

#: Header that carries the token of a request that runs the model.
TOKEN: Final = "X-Limelight-Token"  # noqa: S105  # a name, no secret

Refusal = tuple[int, str, str, str]


def foreign(headers: Mapping[str, str], port: int) -> Refusal | None:
    """Say why a request is none of this server's own pages.

    Parameters
    ----------
    headers : mapping of str to str
    port : int

    Returns
    -------
    (int, str, str, str) or None
        Status, what came, what was wanted, what to do; None if nothing speaks against it.
    """
    hosts = [f"127.0.0.1:{port}", f"localhost:{port}"]
    host = headers.get("Host", "")
    if host not in hosts:  # a name that was made to lead here, or a proxy
        return (
            403, f"Got a request for host {host[:80]!r}.", f"Wanted {hosts[0]}.",
            f"Open http://{hosts[0]}/ on the machine that limelight runs on.",
        )  # fmt: skip
    origin = headers.get("Origin")
    site = headers.get("Sec-Fetch-Site", "same-origin")
    followed = headers.get("Sec-Fetch-Mode") == "navigate"  # a link that a person clicked
    if (origin is not None and origin not in [f"http://{known}" for known in hosts]) or (
        site not in ("same-origin", "none") and not followed
    ):
        return (
            403, f"Got a request from {(origin or site)[:80]!r}.", "Wanted one of limelight's own.",
            f"Open http://{hosts[0]}/ itself.",
        )  # fmt: skip
    return None


def unknown(headers: Mapping[str, str], token: str) -> Refusal | None:
    """Say why a request may not run the model.

    Parameters
    ----------
    headers : mapping of str to str
    token : str

    Returns
    -------
    (int, str, str, str) or None
        As :func:`foreign`.
    """
    given = headers.get(TOKEN, "")
    if hmac.compare_digest(given.encode(), token.encode()):
        return None
    return (
        403, "Got a request to run the model without its token.",
        "Wanted the one made when limelight show was started.",
        "Open the address that it printed, token and all.",
    )  # fmt: skip
