"""The same start for every test of a torch model."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # the tests here import written.py


@pytest.fixture(autouse=True)
def _same_start():
    torch.manual_seed(7)
