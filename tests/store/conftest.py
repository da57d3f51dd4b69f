"""A run to read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the tests here import recordings.py

from recordings import parameters, record, two_sites

from limelight.store import Writer


@pytest.fixture
def run_dir(tmp_path):
    """A run of three steps: 0, 10, 20."""
    folder = tmp_path / "logs" / "lstm"
    with Writer(folder) as writer:
        for step in (0, 10, 20):
            record(writer, step, two_sites(step), parameters=parameters(step), epoch=step / 10)
    return folder
