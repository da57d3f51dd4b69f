"""A kind of attention that another package brings: one file, and an entry point."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

OPAQUE = Path(__file__).parent / "opaque"

LOOK = """
import sys, torch, limelight as ll
from opaque_attention import {name}

class Model(torch.nn.Module):
    def forward(self, x):
        rows = x.unflatten(-1, (2, 4))
        return {name}(rows, rows, rows).flatten(2)

try:
    print(list(ll.capture(Model(), torch.randn(2, 5, 8)).children))
except ll.errors.UnsupportedModelError as error:
    print(error)
"""


def ran(*command, path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, path), *sys.path])}
    return subprocess.run(
        [sys.executable, *map(str, command)], env=environment, capture_output=True, text=True
    )


@pytest.fixture
def registered(tmp_path):
    """What pip writes when it installs a package with the entry point."""
    folder = tmp_path / "opaque_attention-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: opaque-attention\nVersion: 1.0\n"
    )
    entry = "[limelight.attention]\nopaque = opaque_attention_limelight\n"
    (folder / "entry_points.txt").write_text(entry)
    return tmp_path


def test_it_passes_the_conformance_tests(registered):
    options = ("-p", "no:cacheprovider", "-c", os.devnull, "-q")
    run = ran("-m", "pytest", *options, OPAQUE / "conformance.py", path=(registered, OPAQUE))
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("name", ["attend", "operator"])
def test_without_its_file_it_is_said_not_to_be_visible(name):
    run = ran("-c", LOOK.format(name=name), path=(OPAQUE,))
    assert "No attention was seen in the model 'model'" in run.stdout, run.stdout + run.stderr
    assert "limelight.attention" in run.stdout


def test_nothing_of_a_library_is_loaded_that_is_not_used(registered):
    code = (
        "import sys, torch, limelight as ll\n"
        "x = torch.randn(2, 5, 8)\n"
        "model = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)\n"
        "assert len(ll.capture(model, x).leaves) == 1\n"
        "heavy = {'opaque_attention', 'transformers', 'torch.nn.attention.flex_attention'}\n"
        "print(heavy & set(sys.modules))"
    )
    run = ran("-c", code, path=(registered, OPAQUE))
    assert run.stdout.strip() == "set()", run.stdout + run.stderr
