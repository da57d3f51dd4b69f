"""A Chromium and a TensorBoard to measure in."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

_CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
_WAIT = 120


@contextmanager
def chromium() -> Iterator[Any]:
    """Start a headless Chromium of this system."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("LIMELIGHT_CHROMIUM") or next(
        filter(None, map(shutil.which, _CHROMIUM_NAMES)), None
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def tensorboard(logdir: Path) -> Iterator[str]:
    """Start TensorBoard on a folder and return its address once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir), "--host",
               "127.0.0.1", "--port", str(port), "--reload_interval", "2"]  # fmt: skip
    with (logdir.parent / "tensorboard.txt").open("w") as said:
        server = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        try:
            _wait(address, server)
            yield address
        finally:
            server.terminate()
            server.wait(20)


def _wait(address: str, server: subprocess.Popen[bytes]) -> None:
    opener = build_opener(ProxyHandler({}))
    until = time.monotonic() + _WAIT
    while True:
        try:
            with opener.open(f"{address}data/plugin/limelight/catalogue", timeout=10) as answer:
                if b'"steps"' in answer.read():
                    return
        except (URLError, OSError):
            pass
        if server.poll() is not None or time.monotonic() > until:
            raise RuntimeError("TensorBoard did not start, or does not list the run.")
        time.sleep(0.3)
