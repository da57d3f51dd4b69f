"""The golden answers in the repository are what limelight answers now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr

from limelight.wire import decode

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.safetensors"))


def test_the_files_are_fresh():
    command = [sys.executable, str(HERE / "write.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stderr}\nif that is meant: python tests/golden/write.py"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_is_small_and_decodes(path):
    assert path.stat().st_size < 20_000
    assert isinstance(decode(path.read_bytes()), xr.Dataset)


def test_every_kind_of_answer_is_there():
    kinds = {path.stem.partition("-")[0] for path in FILES}
    assert kinds == {
        "run", "grid", "map", "measures", "parameters", "summary", "tensors", "histograms",
    }  # fmt: skip
