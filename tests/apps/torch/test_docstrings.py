"""What tests/test_docstrings.py asks of all modules, of those whose examples load torch."""

from __future__ import annotations

import importlib.util
import pkgutil
import warnings
from pathlib import Path

import pytest

import limelight

HERE = Path(__file__)

_spec = importlib.util.spec_from_file_location(
    "all_docstrings", HERE.parents[2] / "test_docstrings.py"
)
everywhere = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(everywhere)

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(limelight.__path__, "limelight.")
    if everywhere.TORCH.match(info.name)
)


@pytest.mark.parametrize("name", sorted(everywhere.TORCH_NAMES))
def test_public_name_is_documented(name):
    everywhere.test_public_name_is_documented(name)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="torch")
        everywhere.run_examples(name)


def test_every_room_with_torch_is_here():
    for name in ("record", "capture.gating", "apps.lightning", "testing.conformance"):
        assert f"limelight.{name}" in MODULES
