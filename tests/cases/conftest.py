"""Real data for the cases' tests, downloaded once a session into a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Iterator[Path]:
    folder = tmp_path_factory.getbasetemp() / "limelight-data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMELIGHT_DATA", str(folder))
        yield folder


@pytest.fixture
def empty_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("LIMELIGHT_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"
