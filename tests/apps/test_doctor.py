"""limelight doctor: what works here, and what is wrong with a recording."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from limelight import catalogue, installation
from limelight.apps.cli import main
from limelight.apps.doctor import installed
from limelight.apps.doctor.smallest import keras as smallest
from limelight.store import Writer
from limelight.store.format.checked import signed

PROOFS = tuple(catalogue.modules("apps.doctor.smallest"))


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


@pytest.fixture(scope="module")
def answer():
    """What doctor finds here, as JSON; asked once, because it starts each framework."""
    command = [sys.executable, "-m", "limelight.apps.cli", "doctor", "--json"]
    return json.loads(subprocess.run(command, capture_output=True, text=True).stdout)


@pytest.fixture(autouse=True)
def _unproved(monkeypatch):
    """Start no framework."""
    monkeypatch.setattr(installed, "_adapters", lambda: iter(()))


def test_environment_in_words():
    done = CliRunner().invoke(main, ["doctor"])
    for what in ("Python", "tensorboard", "TensorBoard sees the plugin", "ok  torch: 2."):
        assert what in done.stdout
    assert done.exit_code == (1 if "BAD" in done.stdout else 0)


def test_environment_as_json_is_pure(answer):
    by_name = {check["what"]: check for check in answer["checks"]}
    assert by_name["TensorBoard sees the plugin"]["ok"] is True
    assert by_name["tensorboard"]["found"].startswith("2.")
    assert answer["ok"] == all(check["ok"] is not False for check in answer["checks"])


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.FRAMEWORK)
def test_each_adapter_is_proved(proof, answer):
    what = f"Attention can be captured ({proof.FRAMEWORK})"
    (check,) = (check for check in answer["checks"] if check["what"] == what)
    assert check["found"].startswith("yes: "), check
    assert "within" in check["found"]
    assert check["ok"] is True


def test_only_what_limelight_asks_for_may_be_missing(monkeypatch):
    asked = ["numpy>=1.26", "no-such-package>=1", 'pytest-of-nobody>=3.1; extra == "test"']
    monkeypatch.setattr(installed.metadata, "requires", lambda _: asked)
    packages = {finding.what: finding for finding in installed.environment()}
    assert packages["numpy"].ok is True
    assert packages["no-such-package"].ok is False
    assert "pytest-of-nobody" not in packages


def test_versions_are_held_against_the_floors(root, answer):
    packages = {check["what"]: check for check in answer["checks"]}
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    lines = [line for extra in lists for line in extra]
    names = ("numpy", "numcodecs", "keras", "jax", "torch", "transformers", "lightning", "numba")
    for name in names:
        assert packages[name]["ok"] is True
        assert f"{name}>={packages[name]['floor']}" in lines


def test_a_version_that_is_too_old_says_what_to_do(monkeypatch):
    real = installed._version
    monkeypatch.setattr(
        installed, "_version", lambda name: "2.0" if name == "torch" else real(name)
    )
    done = CliRunner().invoke(main, ["doctor"])
    assert "BAD torch: 2.0, older than 2.4" in done.stdout
    assert f"For PyTorch models, run: {installation.command('torch')}" in done.stdout
    assert done.exit_code == 1


def test_what_is_not_installed_is_no_fault(monkeypatch):
    real = installed._version
    gone = ("lightning", "pytorch-lightning")
    monkeypatch.setattr(installed, "_version", lambda name: "" if name in gone else real(name))
    done = CliRunner().invoke(main, ["doctor"])
    assert "–   lightning: not installed" in done.stdout
    assert done.exit_code == 0


def test_without_tensorflow_it_says_how_to_get_it():
    program = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from limelight.apps import doctor; doctor.prove('limelight.apps.doctor.smallest.keras')"
    )
    env = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env)
    capture = json.loads(done.stdout)
    assert capture["ok"] is None  # an extra that is not installed is no fault
    assert capture["fix"] == f"Run: {installation.command('tensorflow')}"
    assert done.stderr == ""


def test_keras_is_tried_on_what_it_is_set_to(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert smallest.configured() == "jax"
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert smallest.configured() == "tensorflow"
    (tmp_path / "keras.json").write_text('{"backend": "torch"}')
    assert smallest.configured() == "torch"


@pytest.mark.parametrize("program", ["import os; os._exit(9)", "print('{broken')"])
def test_a_framework_that_dies_is_a_finding(program, monkeypatch):
    real = subprocess.run
    monkeypatch.setattr(
        installed.subprocess,
        "run",
        lambda command, **options: real([*command[:2], program], **options),
    )
    finding = installed._proved_apart("limelight.apps.doctor.smallest.keras")
    assert finding.ok is False
    assert "Python ended with" in finding.fact


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


def row_file(logs: Path, what: str, row: int) -> Path:
    """Return the file that holds a row's maps, or all that is small of every row."""
    if what == "rows":
        (sealed,) = (sidecar(logs) / "rows").iterdir()
        return sealed
    (path,) = (sidecar(logs) / "data.zarr" / what).glob(f"c.{row}.*")
    return path


@pytest.mark.parametrize("harm", ["cut", "gone", "garbled"])
@pytest.mark.parametrize("what", ["weights_0", "rows"])
def test_a_damaged_step_is_named(what, harm, logs):
    row = row_file(logs, what, 1)
    content = row.read_bytes()
    if harm == "gone":
        row.unlink()
    else:
        row.write_bytes(content[: len(content) // 2] if harm == "cut" else os.urandom(len(content)))
    status, checks = recordings(logs)
    assert status == 1
    steps = [10] if what == "weights_0" else [0, 10, 20]
    assert [check["what"] for check in checks] == [f"Run run, step {step}" for step in steps]
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


@pytest.mark.parametrize("harm", ["lost", "cut"])
def test_a_lost_index_is_told_and_mended(logs, harm):
    index = sidecar(logs) / "index.jsonl"
    whole = index.read_bytes()
    index.unlink() if harm == "lost" else index.write_bytes(whole[: whole.index(b"\n") + 1])
    status, (check,) = recordings(logs)
    assert status == 1
    assert "limelight doctor --mend" in check["found"]
    done = CliRunner().invoke(main, ["doctor", "--mend", str(logs)])
    assert "steps put back into its index: " in done.stdout
    assert index.read_bytes() == whole
    assert recordings(logs)[0] == 0
    assert CliRunner().invoke(main, ["doctor", "--mend"]).exit_code == 2


def test_texts_shorter_than_positions_are_told(logs):
    meta = sidecar(logs) / "limelight.json"
    facts = json.loads(meta.read_text())
    del facts["crc"]
    facts["texts"] = [[[["too", "short"]] * len(facts["examples"][0])]]
    facts["sites"][0][0]["key_text"] = 0
    meta.write_bytes(signed(json.dumps(facts)))
    status, (check,) = recordings(logs)
    assert status == 1
    assert "texts of another length" in check["found"]


def test_a_store_from_a_newer_version(logs):
    meta = sidecar(logs) / "limelight.json"
    facts = json.loads(meta.read_text())
    meta.write_text(json.dumps({**facts, "schema": facts["schema"] + 9}))
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


def test_a_keras_model_says_itself_what_it_takes(tmp_path, monkeypatch):
    (tmp_path / "keras_made.py").write_text(
        "import keras\n"
        "def build():\n"
        "    ids, image = keras.Input((None,), dtype='int32'), keras.Input((4, 8))\n"
        "    x = keras.layers.Embedding(9, 8)(ids)\n"
        "    return keras.Model([ids, image], keras.layers.Attention(name='look')([x, image]))\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path])
    done = CliRunner().invoke(main, ["doctor", "--model", f"{tmp_path / 'keras_made.py'}:build"])
    sys.modules.pop("keras_made", None)
    assert done.exit_code == 0, done.output
    assert "query 6 · key 4" in done.stdout
