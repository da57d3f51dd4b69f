"""A measure is one file: put into the room, it is everywhere, and no other file has changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

MEASURE = '''
"""How much attention rests on the last key that is allowed."""

import xarray as xr

from limelight.catalogue import analysis


@analysis(
    title="last-key share", zh=("末键份额", "落在最后一个允许的键上的份额。"),
    over=("key",), units="share", bounds=(0.0, 1.0),
)
def last_key_share(weights, allowed):
    """Share of each query's attention that rests on the last key it may attend to."""
    keys = xr.DataArray(range(weights.sizes["key"]), dims="key")
    last = keys.max() if allowed is None else keys.where(allowed, -1).max("key")
    return weights.where(keys == last, 0).sum("key", skipna=False)
'''

EVERYWHERE = """
import sys, tempfile
from pathlib import Path

import limelight as ll

assert "last_key_share" in dir(ll) and "last_key_share" in ll.__all__
assert not {"numpy", "xarray"} & {*sys.modules}, "to list measures loads none"
assert ll.last_key_share([[0.75, 0.25]]).tolist() == [0.25]
assert ll.last_key_share([[0.75, 0.25]], [[True, False]]).tolist() == [0.75]
assert ll.catalogue()["last_key_share"].units == "share"

import numpy as np
import planted
from limelight import contract
from limelight.analyses import blockwise
from limelight.answer import answer
from limelight.apps.runs import Runs
from limelight.factors import factored
from limelight.query import Query
from limelight.rule import Rule

names = [*planted.MEASURES, "last_key_share"]
run = planted.write(Path(tempfile.mkdtemp()) / "words", planted.words, names=names)
shares = ll.open_run(run).measures()["last_key_share"]
assert float(shares.sel(site="pool").isel(step=0, example=0, head=0)) > 0
listed = {card["name"]: card for card in Runs().catalogue({"words": str(run)})["analyses"]}
assert listed["last_key_share"]["zh"]["title"] == "末键份额"
asked = answer(ll.open_run(run), Query("measures", site="encoder/attention"))
assert "last_key_share_high" in asked

query = key = np.zeros((1, 1, 6, 2), np.float32)
causal = factored(query, key, Rule.causal(6, 6), 1.0)
rows = blockwise.rows(causal, ["last_key_share", "entropy"])["last_key_share"].values[0, 0]
np.testing.assert_allclose(rows, 1 / np.arange(1, 7), rtol=1e-6)

sys.path.insert(0, str(Path(sys.argv[1])))
import gen, pages

assert "analyses.last_key_share import last_key_share as last_key_share" in gen.stub()
assert "## last_key_share" in pages.analyses()
assert contract.main(["--check", "--out", sys.argv[2]]) == 0, "TypeScript knows no measure"
"""


@pytest.fixture
def copied(root, tmp_path):
    """The package with one file more, and what runs a program on it."""
    package = tmp_path / "src" / "limelight"
    shutil.copytree(
        root / "src" / "limelight",
        package,
        ignore=shutil.ignore_patterns("web", "__pycache__", "pretrained", "cases"),
    )
    shutil.copytree(root / "tools", tmp_path / "tools")
    path = os.pathsep.join([str(tmp_path / "src"), str(root / "tests" / "golden")])

    def run(*command):
        return subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": path, "PYTHONWARNINGS": "error::DeprecationWarning"},
            capture_output=True,
            text=True,
            check=False,
        )

    return package / "analyses", run


def test_it_appears_by_being_there(copied, root):
    folder, run = copied
    (folder / "last_key_share.py").write_text(MEASURE, "utf-8")
    contract = root / "web" / "src" / "contract.ts"
    done = run("-c", EVERYWHERE, str(folder.parents[2] / "tools"), str(contract))
    assert done.returncode == 0, done.stderr[-3000:]
    laws = str(root / "tests" / "analyses" / "test_laws.py")
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", laws, "-k", "last_key_share")
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout


def test_one_that_breaks_a_law_is_seen(copied, root):
    folder, run = copied
    wrong = MEASURE.replace(
        "keys.max() if allowed is None else keys.where(allowed, -1).max", "keys.max"
    )
    wrong = wrong.replace('("key")\n    return', "()\n    return")
    (folder / "last_key_share.py").write_text(wrong, "utf-8")
    laws = str(root / "tests" / "analyses" / "test_laws.py")
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", laws, "-k", "last_key_share")
    assert "test_padded_keys_change_nothing[last_key_share]" in done.stdout


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("last", MEASURE, "holds last_key_share. Wanted one analysis, named last"),
        ("empty", "", "holds no analysis. Wanted one analysis, named empty"),
        ("gate", MEASURE, "would be limelight.gate, and so is our name gate"),
        ("store", MEASURE, "would be limelight.store, and so is our module store"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_told(copied, name, text, message):
    folder, run = copied
    (folder / f"{name}.py").write_text(text, "utf-8")
    done = run("-c", "import limelight; limelight.catalogue()")
    assert f"CatalogueError: File analyses/{name}.py {message}" in done.stderr
