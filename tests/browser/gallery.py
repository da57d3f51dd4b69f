"""Serves the gallery: every lens and panel by itself, on planted runs with golden answers.

Comes in: the built gallery and the folder of the runs. Goes out: what TensorBoard's plugin would
send for the same questions, byte for byte a golden answer where there is one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
sys.path[:0] = [str(GOLDEN)]

import planted  # noqa: E402
import planting  # noqa: E402
import studied  # noqa: E402
import write  # noqa: E402
from hatch_build import environment, install_packages, system_node, wheel_node  # noqa: E402

from limelight.answer import answer  # noqa: E402
from limelight.apps.runs import Runs  # noqa: E402
from limelight.query import Query  # noqa: E402
from limelight.wire import encode  # noqa: E402

PAGE = b"""<!doctype html><meta charset="utf-8"><title>Gallery</title>
<meta name="limelight-model" content='{"asks": "text", "examples": ["the film was", "cats"]}'>
<link rel="icon" href="data:,"><body><script type="module" src="gallery.js"></script></body>"""

_TYPES = {".js": "text/javascript", ".css": "text/css"}


def build(output: Path) -> Path:
    """Build the gallery into a folder, and return it."""
    node, _ = system_node() or wheel_node()
    install_packages(ROOT / "web")
    vite = ["node_modules/vite/bin/vite.js", "build", "--config", "gallery.config.ts"]
    command = [str(node), *vite, "--outDir", str(output), "--logLevel", "warn"]
    subprocess.run(command, cwd=ROOT / "web", env=environment(node), check=True)
    return output


def plant(folder: Path) -> dict[str, str]:
    """Record the planted runs: small ones with golden answers, and a long one. Return folders."""
    planted.write(folder / "words", planted.words)
    heads = {"encoder/attention": 2, "decoder/cross": 2, "pool": 1, "long": 1}
    studied.plant(folder / "words", heads)
    planted.write(folder / "digits", planted.digits)
    planting.plant(folder / "long")
    return {name: str(folder / name) for name in ("words", "digits", "long")}


def golden(query: Query) -> bytes | None:
    """Return the golden answer to a question, if there is one."""
    queries = write.WORDS if query.run == "words" else write.DIGITS if query.run == "digits" else {}
    for name, asked in queries.items():
        if query.what != "run" and asked == replace(query, run=asked.run):
            return (GOLDEN / f"{name}.safetensors").read_bytes()
    return None


class _Handler(BaseHTTPRequestHandler):
    """Answers as the plugin does; its server holds what there is to serve."""

    server: Any

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        path = url.path.strip("/")
        if path == "catalogue":
            catalogue = self.server.runs.catalogue(self.server.folders)
            self._send(json.dumps(catalogue).encode(), "application/json")
        elif path == "answer":
            self._send(self._answer(Query.parse(parse_qs(url.query))), "application/octet-stream")
        elif path == "":
            self._send(PAGE, "text/html")
        else:
            file = self.server.built / path
            self._send(file.read_bytes(), _TYPES.get(file.suffix, "application/octet-stream"))

    def _answer(self, query: Query) -> bytes:
        known = golden(query)
        if known is not None:
            return known
        with self.server.lock:
            run = self.server.runs.open(query.run, self.server.folders[query.run])
            dataset = answer(run, query)
            if query.what == "run":
                dataset.attrs["run"] = query.run
            return encode(dataset)

    def _send(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(ConnectionError):  # the page may have gone on to another question
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing: a test that fails says enough."""


@contextmanager
def served(built: Path, folders: dict[str, str]) -> Iterator[str]:
    """Serve the gallery while a context lasts; yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.built, server.folders = built, folders  # type: ignore[attr-defined]
    server.runs, server.lock = Runs(), Lock()  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
