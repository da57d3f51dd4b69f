"""limelight doctor: what works here, and what is wrong with a recording."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from limelight.apps.cli import main
from limelight.store import Writer


@pytest.fixture
def logs(tmp_path) -> Path:
    """A log directory with one sound run: one site, two examples, three steps."""
    maps = np.random.default_rng(0).dirichlet(np.ones(4), (2, 2, 4)).astype(np.float32)
    site = xr.Dataset(
        {
            "weights": (("example", "head", "query", "key"), maps),
            "allowed": (("example", "query", "key"), np.ones((2, 4, 4), bool)),
            "query_valid": (("example", "query"), np.ones((2, 4), bool)),
            "key_valid": (("example", "key"), np.ones((2, 4), bool)),
        },
        attrs={
            "module": "attention",
            "kind": "self",
            "module_class": "Attention",
            "framework": "keras",
            "mode": "inference",
            "dropout": "before",
        },
    )
    tree = xr.DataTree.from_dict({"attention": site})
    with Writer(tmp_path / "logs" / "run") as writer:
        for step in (0, 10, 20):
            writer.append(step, tree=tree)
    return tmp_path / "logs"


def sidecar(logs: Path) -> Path:
    return logs / "run" / "plugins" / "limelight"


def recordings(logs: Path) -> tuple[int, list[dict]]:
    """Check a log directory; the exit status, and what was found of its recordings."""
    done = CliRunner().invoke(main, ["doctor", str(logs), "--json"])
    checks = json.loads(done.stdout)["checks"]
    return done.exit_code, [check for check in checks if check["of"] == "recording"]


def test_environment_in_words():
    done = CliRunner().invoke(main, ["doctor"])
    for what in (
        "Python",
        "tensorboard",
        "TensorBoard sees the plugin",
        "Attention can be captured",
    ):
        assert what in done.stdout
    assert done.exit_code == (1 if "BAD" in done.stdout else 0)


def test_environment_as_json_is_pure():
    done = CliRunner().invoke(main, ["doctor", "--json"])
    found = json.loads(done.stdout)
    by_name = {check["what"]: check for check in found["checks"]}
    assert by_name["Attention can be captured (Keras)"]["ok"] is True
    assert by_name["TensorBoard sees the plugin"]["ok"] is True
    assert by_name["zarr"]["found"].startswith("3.")
    assert found["ok"] == all(check["ok"] is not False for check in found["checks"])


def test_without_tensorflow_it_says_how_to_get_it():
    program = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from limelight.apps.cli import main; main(['doctor', '--json'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    checks = {check["what"]: check for check in json.loads(done.stdout)["checks"]}
    capture = checks["Attention can be captured (Keras)"]
    assert capture["ok"] is None  # an extra that is not installed is no fault
    assert capture["fix"] == 'Run: pip install "limelight[tensorflow]"'
    assert done.stderr == ""


def test_a_sound_run(logs):
    status, (check,) = recordings(logs)
    assert status == 0
    assert check["ok"] is True
    assert check["found"] == "3 recorded steps, all readable"


def test_no_run_at_all(tmp_path):
    status, (check,) = recordings(tmp_path)
    assert status == 0
    assert check["ok"] is None


def test_no_folder_at_all(tmp_path):
    done = CliRunner().invoke(main, ["doctor", str(tmp_path / "nowhere")])
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1


def rows(logs: Path, array: str) -> list[Path]:
    """Return the row files of an array, in the order of their rows."""
    found = (sidecar(logs) / "data.zarr" / array).glob("c.*")
    return sorted(found, key=lambda path: int(path.name.split(".")[1]))


@pytest.mark.parametrize("harm", ["cut", "gone", "garbled"])
@pytest.mark.parametrize("array", ["weights_0", "overview_0"])
def test_a_damaged_step_is_named(array, harm, logs):
    row = rows(logs, array)[1]
    content = row.read_bytes()
    if harm == "gone":
        row.unlink()
    else:
        row.write_bytes(content[: len(content) // 2] if harm == "cut" else os.urandom(len(content)))
    status, checks = recordings(logs)
    assert status == 1
    assert [check["what"] for check in checks] == ["Run run, step 10"]
    assert checks[0]["fix"]
    done = CliRunner().invoke(main, ["doctor", str(logs)])
    assert "BAD Run run, step 10" in done.stdout
    assert done.stderr.count("\n") == 1


def test_a_damaged_line_of_the_index(logs):
    index = sidecar(logs) / "index.jsonl"
    lines = index.read_bytes().splitlines(keepends=True)
    index.write_bytes(lines[0] + b"{garbage\n" + lines[2])
    status, (check,) = recordings(logs)
    assert status == 1
    assert "Line 2 of the index is damaged" in check["found"]


def test_a_store_from_a_newer_version(logs):
    meta = sidecar(logs) / "limelight.json"
    facts = json.loads(meta.read_text())
    meta.write_text(json.dumps({**facts, "schema": facts["schema"] + 1}))
    status, (check,) = recordings(logs)
    assert status == 1
    assert "newer" in check["found"] + check["fix"]


def test_a_half_written_file_is_named_once_its_writer_is_gone(logs):
    partial = sidecar(logs) / "limelight.json.123.partial"
    partial.write_text("half")
    assert recordings(logs)[0] == 0  # it may be written right now
    an_hour_ago = time.time() - 3600
    os.utime(partial, (an_hour_ago, an_hour_ago))
    status, (check,) = recordings(logs)
    assert status == 1
    assert str(partial) in check["fix"]
    partial.unlink()
    assert recordings(logs)[0] == 0
