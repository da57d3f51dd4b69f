"""A kind of attention that another package brings: one file, and an entry point."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

OPAQUE = Path(__file__).parent / "opaque"
PAGE = Path(__file__).parents[3] / "docs" / "recognition.md"

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


def registered_in(folder, module):
    """Write what pip does when it installs a package with the entry point."""
    metadata = folder / "installed-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: installed\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[limelight.attention]\nkernel = {module}\n")
    return folder


@pytest.fixture
def registered(tmp_path):
    return registered_in(tmp_path, "opaque_attention_limelight")


def conforms(file, path):
    options = ("-p", "no:cacheprovider", "-c", os.devnull, "-q")
    run = ran("-m", "pytest", *options, file, path=path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert " passed" in run.stdout


def test_it_passes_the_conformance_tests(registered):
    conforms(OPAQUE / "conformance.py", (registered, OPAQUE))


SCRIPT = """
import torch, limelight as ll
from opaque_attention import attend

class Attending(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.project, self.out = torch.nn.Linear(8, 8), torch.nn.Linear(8, 3)

    def forward(self, x):
        rows = self.project(x).unflatten(-1, (2, 4))
        return self.out(attend(rows, rows, rows).flatten(2))

model, x, before = Attending(), torch.randn(3, 5, 8), attend
with ll.gate(model, {("attending", None): 0.0}):
    silent = model(x)
assert (silent == model.out.bias).all()
assert attend is before
"""


def test_a_script_may_name_the_function(registered):
    """Python holds a script's module under two names, once multiprocessing is loaded."""
    run = ran("-c", SCRIPT, path=(registered, OPAQUE))
    assert run.returncode == 0, run.stderr


MY_KERNELS = """
import math
from opaque_attention import attend as powers_of_two

def attend(query, key, value, causal=False):
    sharpness = 1 / math.log(2) / math.sqrt(query.shape[-1])
    return powers_of_two(query, key, value, sharpness=sharpness, causal=causal)
"""


def test_the_files_that_the_page_shows(tmp_path):
    file, test = re.findall(r"^```py\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    (tmp_path / "my_kernels.py").write_text(MY_KERNELS)
    (tmp_path / "my_kernels_limelight.py").write_text(file)
    (tmp_path / "conformance.py").write_text("import my_kernels\n" + test)
    folder = registered_in(tmp_path, "my_kernels_limelight")
    conforms(tmp_path / "conformance.py", (folder, OPAQUE))


FILE = (OPAQUE / "opaque_attention_limelight.py").read_text("utf-8")
BROKEN = {
    "does not import": ("raise RuntimeError('no GPU')", "Importing it raised RuntimeError: no GPU"),
    "has no members": ("", "It has no LIBRARY and no kernels."),
    "has no kernels": (
        FILE.replace(".operator", ".gone"),
        "Its kernels() raised AttributeError: module 'opaque_attention' has no attribute 'gone'",
    ),
}
BESIDE = """
import opaque_attention, tempfile, torch, warnings, limelight as ll
model, x = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), torch.randn(2, 5, 8)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    with ll.Recorder(tempfile.mkdtemp(), model, x) as recorder:
        assert recorder.record(0) and recorder.record(1)
    with ll.gate(model, {("self_attn", 0): 0.0}):
        model(x)
print([str(warning.message) for warning in caught])
assert len(ll.capture(model, x).leaves) == len(caught) == 1
"""


@pytest.mark.parametrize(("file", "trouble"), BROKEN.values(), ids=BROKEN)
def test_a_broken_one_hides_nothing_and_is_told_once(file, trouble, tmp_path):
    (tmp_path / "broken_limelight.py").write_text(file)
    run = ran("-c", BESIDE, path=(registered_in(tmp_path, "broken_limelight"), OPAQUE))
    assert run.returncode == 0, run.stdout + run.stderr
    assert trouble in run.stdout


@pytest.mark.parametrize(
    ("instead", "came"),
    [("raise KeyError('query')", "raised KeyError: 'query'"), ("return 3", "returned int")],
)
def test_one_that_cannot_read_is_told_by_name(instead, came, tmp_path):
    (tmp_path / "broken_limelight.py").write_text(
        FILE.replace("    query, key, value = ", f"    {instead}\n    query, key, value = ")
    )
    folder = registered_in(tmp_path, "broken_limelight")
    run = ran("-c", LOOK.format(name="attend"), path=(folder, OPAQUE))
    message = f"arguments of 'attend', as 'broken_limelight' says how to, {came}. Wanted an Attend"
    assert message in run.stdout, run.stdout + run.stderr


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
