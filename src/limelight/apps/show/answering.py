"""One request in, one response out.

Room: apps. Comes in: HTTP on a socket of this machine. Goes out: a page, files of the front end,
the catalogue, answers, the name of a run just made; or a refusal with its facts.
"""

from __future__ import annotations

import json
import logging
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from html import escape
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from limelight import __version__
from limelight.apps.answer_pool import Unwanted
from limelight.apps.front import STATUS, compressed, kind_of
from limelight.apps.show.guarding import Refusal, foreign, unknown
from limelight.errors import LimelightError

if TYPE_CHECKING:
    from limelight.apps.show.serving import Shown

logger = logging.getLogger(__name__)

#: Bytes of a question to the model.
_MOST_ASKED: Final = 1 << 17
#: Seconds that a silent connection is kept.
_PATIENCE: Final = 60

_PAGE = """<!doctype html>
<html><head><meta charset="utf-8"><title>Limelight</title><base href="/">
<meta name="viewport" content="width=device-width"><meta name="limelight-host" content="show">
{model}<link rel="icon" href="data:,"><script type="module" src="start.js"></script>
</head><body></body></html>
"""
_START = b'import { render } from "./web/index.js";\nrender();\n'

#: Nothing but what this server sends is loaded, and no page of others shows it in a frame.
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    "object-src 'none'; frame-ancestors 'none'; base-uri 'self'; form-action 'none'"
)


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    server_version = f"limelight/{__version__}"
    sys_version = ""
    timeout = _PATIENCE
    server: Any

    @property
    def _shown(self) -> Shown:
        return self.server.shown  # type: ignore[no-any-return]  # set where the server is made

    def do_GET(self) -> None:
        """Send a page, a file, the catalogue or an answer."""
        self._guarded(self._read)

    do_HEAD = do_GET  # noqa: N815  # the name that http.server calls

    def do_POST(self) -> None:
        """Run the model."""
        self._guarded(self._run)

    def _guarded(self, act: Callable[[], None]) -> None:
        """Do something for one of our own pages; whatever it raises is told in words."""
        refusal = foreign(dict(self.headers), self._shown.port)
        if refusal is not None:
            return self._refuse(refusal)
        try:
            return act()
        except LimelightError as error:
            facts = error.facts()
            return self._send_json({"error": facts}, STATUS.get(str(facts["code"]), 400))
        except Unwanted:
            self.close_connection = True
        except Exception:
            logger.exception("limelight failed on %r", self.path)
            self._refuse((500, "Limelight failed on this question.", "Wanted an answer.",
                          "The terminal that it runs in says why; please report it."))  # fmt: skip

    def _read(self) -> None:
        url = urlsplit(self.path)
        shown, path = self._shown, url.path
        if path == "/":
            model = f'<meta name="limelight-model" content="{escape(shown.model)}">'
            page = _PAGE.format(model=model if shown.model else "")
            return self._send(page.encode(), "text/html; charset=utf-8")
        if path == "/start.js":
            return self._send(_START, "text/javascript")
        if path == "/catalogue":
            return self._send_json(shown.desk.catalogue(shown.listed()))
        if path == "/answer":
            return self._answer(parse_qs(url.query, keep_blank_values=True))
        # A key of a dictionary made at start, never a path: nothing else can be reached.
        name = path.removeprefix("/web/")
        if path.startswith("/web/") and name in shown.files:
            return self._send(shown.files[name], kind_of(name))
        came = f"Got a request for {path[:80]!r}."
        return self._refuse((404, came, "Wanted a page of limelight.", "Open /."))

    def _answer(self, fields: dict[str, list[str]]) -> None:
        accepted = "gzip" in self.headers.get("Accept-Encoding", "")
        data, encoding = self._shown.desk.answer(
            fields, self._shown.listed(), wanted=self._is_there,
            pack=lambda made: compressed(made) if accepted else (made, None),
        )  # fmt: skip
        self._send(data, "application/octet-stream", encoding=encoding)

    def _run(self) -> None:
        typed, token = self._shown.typed, self._shown.token
        length = self.headers.get("Content-Length", "")
        size = int(length) if length.isdigit() else -1
        body = self.rfile.read(size) if 0 <= size <= _MOST_ASKED else None
        if body is None:
            self.close_connection = True  # what follows is not read
        refusal: Refusal | None
        if urlsplit(self.path).path != "/run" or typed is None:
            refusal = (405, "Got a POST request.", "Wanted GET.",
                       "Limelight only reads, unless it is started with --model.")  # fmt: skip
        elif body is None:
            refusal = (413, f"Got a question of {length or 'no'} bytes.",
                       f"Wanted at most {_MOST_ASKED}.", "Type less.")  # fmt: skip
        else:
            refusal = unknown(dict(self.headers), token)
        if refusal is not None or typed is None or body is None:
            return self._refuse(refusal) if refusal else None
        try:
            asked = json.loads(body)
        except ValueError:
            asked = None
        if not isinstance(asked, dict):
            return self._refuse((400, "Got no question.", "Wanted an object of JSON.",
                                 'Send {"text": "…"}.'))  # fmt: skip
        return self._send_json({"run": typed.run(asked)})

    def _is_there(self) -> bool:
        """Say whether the page still waits at the other end."""
        try:
            ready, _, _ = select.select([self.connection], [], [], 0)
            return not ready or self.connection.recv(1, socket.MSG_PEEK) != b""
        except (OSError, ValueError):
            return False

    def _refuse(self, refusal: Refusal) -> None:
        status, came, wanted, fix = refusal
        error = {"code": "error", "came": came, "wanted": wanted, "fix": fix}
        self._send_json({"error": error}, status)

    def _send_json(self, value: Any, status: int = 200) -> None:
        body = json.dumps(value, ensure_ascii=True, allow_nan=False).encode()
        self._send(body, "application/json", status=status)

    def _send(
        self, content: bytes, kind: str, *, status: int = 200, encoding: str | None = None
    ) -> None:
        with suppress(ConnectionError, TimeoutError):  # the page may have gone on to another
            self.send_response(status)
            headers = {
                "Content-Type": kind, "Content-Length": str(len(content)),
                "Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff",
                "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
                "Cross-Origin-Resource-Policy": "same-origin",
            }  # fmt: skip
            if encoding:
                headers["Content-Encoding"] = encoding
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what Python's own server refuses, such as methods nobody knows, as all else."""
        del explain
        self.close_connection = True
        came = f"Got a request that is none of ours ({message or code})."
        self._refuse((int(code), came, "Wanted GET.", "Limelight only reads."))

    def log_message(self, *_: Any) -> None:
        """Say nothing: the terminal is for what a person has to know."""
