"""What every test may ask for: a place, a seed, a browser."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Before any test imports TensorFlow: no banner, the plain CPU kernels, no GPU probing.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

# The same examples on every machine; `--hypothesis-profile=deep` looks further.
settings.register_profile(
    "fast",
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("deep", max_examples=2000, deadline=None)
settings.load_profile("fast")

_CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_CHROMIUM_ON_MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"

#: Quiet, the same on every machine, and no word to anyone outside it.
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The program of a Chromium on this machine."""
    wanted = os.environ.get("LIMELIGHT_CHROMIUM")
    path = wanted or next(filter(None, map(shutil.which, _CHROMIUM_NAMES)), None)
    if path is None and sys.platform == "darwin" and Path(_CHROMIUM_ON_MAC).exists():
        path = _CHROMIUM_ON_MAC
    if path is None:
        pytest.fail("No Chromium found. `make test` installs one, or says how.")
    return path


@pytest.fixture(scope="session")
def browser(chromium_path: str) -> Iterator[Browser]:
    """A running headless Chromium; open your own context in it and close it again."""
    from playwright.sync_api import sync_playwright  # only browser tests pay for it

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium_path, args=list(CHROMIUM_ARGUMENTS)
        )
        yield started
        started.close()
