"""The same start for every test of a torch model."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def _same_start():
    torch.manual_seed(7)
