"""What importing limelight may cost, and that the rules on imports hold and can fail."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys

import pytest

HEAVY = (
    "tensorflow",
    "keras",
    "torch",
    "transformers",
    "lightning",
    "jax",
    "numba",
    "matplotlib",
    "tensorboard",
    "werkzeug",
    "playwright",
)


def _modules_after(statement: str) -> set[str]:
    """Run a statement in a fresh Python and return the modules it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def _loaded_after(statement: str) -> set[str]:
    """Run a statement in a fresh Python and return the top-level packages it loaded."""
    return {name.partition(".")[0] for name in _modules_after(statement)}


def test_import_is_light():
    assert not _loaded_after("import limelight") & set(HEAVY)


def test_the_measurement_would_see_a_heavy_import():
    assert "werkzeug" in _loaded_after("import limelight, werkzeug")


def test_reading_a_run_needs_no_framework():
    assert not _loaded_after("import limelight; limelight.open_run") & {"tensorflow", "keras"}


def test_asking_for_a_probe_needs_no_framework():
    frameworks = {"tensorflow", "keras", "torch", "jax"}
    assert not _loaded_after("import limelight; limelight.Probe") & frameworks


def test_looking_for_adapters_loads_no_framework():
    program = "from limelight.capture.adapter import adapters; list(adapters())"
    frameworks = {"tensorflow", "keras", "torch", "jax", "transformers"}
    assert not _loaded_after(program) & frameworks


def test_looking_for_adapters_loads_their_faces_and_nothing_of_their_rooms():
    program = "from limelight.capture.adapter import adapters; list(adapters())"
    ours = re.compile(r"limelight\.capture\.(torch|keras)\b")
    loaded = {name for name in _modules_after(program) if ours.match(name)}
    assert loaded == {"limelight.capture.keras", "limelight.capture.torch"}


def test_importing_limelight_loads_no_adapter():
    assert not [name for name in _modules_after("import limelight") if ".capture" in name]


@pytest.mark.parametrize("name", ["keras", "torch"])
def test_no_room_of_an_adapter_bears_the_name_of_a_member(name, root):
    """Once a room is loaded, Python puts it into the face under its name, over the member."""
    from limelight.capture.adapter import MEMBERS

    folder = root / "src" / "limelight" / "capture" / name
    assert not {path.stem for path in folder.iterdir()} & set(MEMBERS)


def test_the_conformance_class_loads_neither_pytest_nor_a_framework():
    loaded = _loaded_after("import limelight.testing")
    assert not loaded & {"pytest", "tensorflow", "keras", "torch", "jax"}


def test_every_public_name_is_there():
    """In a process of its own; tests/apps/torch looks at the two that load torch."""
    import limelight

    assert sorted(limelight.__all__) == sorted(set(limelight.__all__))
    assert set(limelight.__all__) <= set(dir(limelight))
    names = sorted(set(limelight.__all__) - {"LightningCallback", "TrainerCallback"})
    program = f"import limelight\nfor name in {names}: assert getattr(limelight, name) is not None"
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=quiet
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_an_unknown_name_is_an_ordinary_attribute_error():
    import limelight

    with pytest.raises(AttributeError, match="attenton"):
        limelight.attenton  # noqa: B018


def test_plugin_entry_point_needs_no_store():
    """An error at its import would end TensorBoard itself, so it imports next to nothing."""
    loaded = _loaded_after("from limelight.apps.tensorboard import LimelightPlugin")
    assert not loaded & {"zarr", "tensorflow", "keras"}


#: Foreign libraries that live in few files, finer than the rooms that import-linter knows.
HOMES = {
    "torch": r"analyses/blockwise/torch_pass\.py|capture/torch/[\w/]+\.py|testing/(known/)?\w+\.py"
    r"|capture/keras/backends/torch(_flow|_tap)?\.py|(pretrained|apps/doctor/smallest)/\w+\.py"
    r"|(apps/(transformers|lightning)|layers/torch)\.py"
    r"|mitigating/(torch/\w+|keras/(memory|slopes)/torch)\.py",
    "transformers": r"capture/torch/intercept/transformers\w*\.py|apps/transformers\.py"
    r"|(pretrained|apps/doctor/smallest)/\w+\.py|mitigating/torch/stopping\.py",
    "jax": r"capture/keras/backends/jax\w*\.py|mitigating/keras/(memory|slopes)/jax\.py",
    "numba": r"(analyses/blockwise|distribution)/numba_\w+\.py",
    "keras": r"capture/keras/[\w/]+\.py|apps/keras\.py"
    r"|(testing|apps/doctor/smallest)/\w+\.py|training\.py|layers/keras\.py|mitigating/keras/[\w/]+\.py",
    "tensorflow": r"capture/keras/backends/tensorflow(_tap)?\.py|apps/keras\.py|training\.py"
    r"|mitigating/keras/(memory|slopes)/tensorflow\.py",
    "tensorboard": r"apps/tensorboard\.py|store/tensorboard/events\.py",
    "werkzeug": r"apps/tensorboard\.py|store/tensorboard/events\.py",
    "numcodecs": r"store/zarr/\w+\.py",
}


def _imports(path):
    """Return the top-level packages that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("library", HOMES)
def test_library_lives_where_it_belongs(library, root):
    package = root / "src" / "limelight"
    importing = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if library in _imports(path)
    }
    assert importing, "nothing imports it: the measurement is broken"
    assert {name for name in importing if not re.fullmatch(HOMES[library], name)} == set()


def test_only_its_backends_know_what_keras_runs_on(root):
    keras = root / "src" / "limelight" / "capture" / "keras"
    names = r"\b(name|backend)\b *(==|!=|in) *[\[({]*\"(tensorflow|jax|torch)"
    asking = re.compile(rf"backend\.backend\(\)|{names}")
    where = {
        path.relative_to(keras).as_posix()
        for path in keras.rglob("*.py")
        if asking.search(path.read_text("utf-8"))
    }
    assert where == {"backends/backend.py"}


@pytest.mark.skipif(
    not shutil.which("lint-imports", path=sys.exec_prefix + "/bin"), reason="in make check"
)
def test_a_broken_import_rule_is_reported(root, tmp_path):
    shutil.copytree(
        root / "src" / "limelight", tmp_path / "limelight", ignore=shutil.ignore_patterns("web")
    )
    broken = tmp_path / "limelight" / "analyses" / "entropy.py"
    broken.write_text("import zarr\nfrom limelight import store\n" + broken.read_text(), "utf-8")
    done = subprocess.run(
        [
            f"{sys.exec_prefix}/bin/lint-imports",
            "--config",
            str(root / "pyproject.toml"),
            "--no-cache",
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "limelight.analyses.entropy -> zarr" in done.stdout
    assert "limelight.analyses.entropy -> limelight.store" in done.stdout
