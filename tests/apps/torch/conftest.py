"""The same start for every test that trains with torch; what other packages warn of is theirs."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def _same_start(monkeypatch):
    torch.manual_seed(7)
    for name in ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
