"""The build: what it asks for, when it refuses, and what an sdist and a wheel carry."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def hook():
    spec = importlib.util.spec_from_file_location("limelight_build_hook", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path, hook):
    """A tiny project with a front end that is built and fresh."""
    web, output = tmp_path / "web", tmp_path / "src" / "limelight" / "web"
    (web / "src").mkdir(parents=True)
    output.mkdir(parents=True)
    (web / "package.json").write_text('{"name": "tiny"}', "utf-8")
    (web / "src" / "main.ts").write_text("export const one = 1;", "utf-8")
    (output / "index.js").write_text("const one = 1;", "utf-8")
    (output / hook.DIGEST_NAME).write_text(hook.digest(web) + "\n", "utf-8")
    return tmp_path


@pytest.fixture
def build_hook(hook, project):
    return hook.WebBuildHook(str(project), {}, None, None, str(project), "wheel")


@pytest.fixture
def no_node(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


def test_fresh_front_end_asks_for_nothing_and_builds_nothing(build_hook, no_node):
    assert build_hook.dependencies() == []
    build_hook.initialize("standard", {})


@pytest.mark.parametrize(
    "change",
    [
        lambda web: (web / "src" / "main.ts").write_text("export const one = 2;", "utf-8"),
        lambda web: (web / "src" / "more.ts").write_text("", "utf-8"),
        lambda web: (web / "src" / "main.ts").rename(web / "src" / "other.ts"),
        lambda web: (web / "package.json").write_text("{}", "utf-8"),
        lambda web: (web / "vite.config.ts").write_text("", "utf-8"),
    ],
    ids=["edited", "added", "renamed", "packages", "settings"],
)
def test_changed_sources_ask_for_node_where_there_is_none(
    build_hook, no_node, hook, project, change
):
    change(project / "web")
    assert build_hook.dependencies() == [hook.NODE_WHEEL]


@pytest.mark.parametrize("lost", ["index.js", ".digest"])
def test_missing_output_asks_for_node(build_hook, no_node, hook, project, lost):
    (project / "src" / "limelight" / "web" / lost).unlink()
    assert build_hook.dependencies() == [hook.NODE_WHEEL]


@pytest.mark.parametrize("unrelated", ["node_modules/a/index.js", "test/main.test.ts", "README.md"])
def test_unrelated_files_leave_it_fresh(build_hook, no_node, project, unrelated):
    path = project / "web" / unrelated
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("changed", "utf-8")
    assert build_hook.dependencies() == []


def test_a_checkout_with_new_times_stays_fresh(build_hook, no_node, project):
    os.utime(project / "web" / "src" / "main.ts", (0, 0))
    assert build_hook.dependencies() == []


def test_building_can_be_refused(build_hook, monkeypatch, no_node, project):
    monkeypatch.setenv("LIMELIGHT_PREBUILT_WEB", "require")
    build_hook.initialize("standard", {})  # fresh: nothing to refuse
    (project / "web" / "src" / "main.ts").write_text("", "utf-8")
    assert build_hook.dependencies() == []
    with pytest.raises(
        RuntimeError, match=r"LIMELIGHT_PREBUILT_WEB=require forbids.*Install a wheel"
    ):
        build_hook.initialize("standard", {})


def test_a_failing_build_shows_what_npm_said(build_hook, hook, project, monkeypatch):
    monkeypatch.setattr(hook, "system_node", lambda: None)
    fake = [sys.executable, "-c", "import sys; print('ERR! no such package'); sys.exit(3)"]
    monkeypatch.setattr(hook, "wheel_node", lambda: (Path(sys.executable), fake))
    (project / "web" / "src" / "main.ts").write_text("", "utf-8")
    with pytest.raises(RuntimeError, match=r"status 3(.|\n)*no such package"):
        build_hook.initialize("standard", {})
    assert not hook.is_fresh(project / "web", project / "src" / "limelight" / "web")


def test_a_build_without_output_is_an_error(build_hook, hook, project, monkeypatch):
    monkeypatch.setattr(hook, "system_node", lambda: None)
    monkeypatch.setattr(
        hook, "wheel_node", lambda: (Path(sys.executable), [sys.executable, "-c", "1"])
    )
    (project / "src" / "limelight" / "web" / "index.js").unlink()
    with pytest.raises(RuntimeError, match="made no"):
        build_hook.initialize("standard", {})


def test_a_build_notes_what_it_was_made_from(build_hook, hook, project, monkeypatch):
    web, output = project / "web", project / "src" / "limelight" / "web"
    script = f"import pathlib; pathlib.Path({str(output)!r}, 'index.js').write_text('built')"
    monkeypatch.setattr(hook, "system_node", lambda: None)
    monkeypatch.setattr(
        hook, "wheel_node", lambda: (Path(sys.executable), [sys.executable, "-c", script])
    )
    (web / "src" / "main.ts").write_text("changed", "utf-8")
    build_hook.initialize("standard", {})
    assert (output / "index.js").read_text() == "built"
    assert hook.is_fresh(web, output)


@pytest.mark.parametrize(
    ("version", "suits"),
    [
        ((18, 20), False),
        ((20, 18), False),
        ((20, 19), True),
        ((21, 99), False),
        ((22, 11), False),
        ((22, 12), True),
        ((23, 0), True),
        ((24, 19), True),
        ((0, 0), False),
    ],
)
def test_which_nodes_will_do(hook, version, suits):
    assert hook.suits(version) is suits


def test_node_of_the_wheel_is_found(hook):
    node, npm = hook.wheel_node()
    said = subprocess.run([*npm, "--version"], capture_output=True, text=True, check=True).stdout
    assert node.is_file()
    assert re.match(r"\d+\.\d+", said)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """An sdist of this repository, and a wheel made from that sdist with building refused."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out)]
    subprocess.run([*command, "--sdist", str(ROOT)], check=True, capture_output=True)
    (sdist,) = out.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        # Python 3.11.2, Debian's, knows no filters yet; 3.12 warns where none is named.
        filtered = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(out / "unpacked", **filtered)
    (unpacked,) = (out / "unpacked").iterdir()
    subprocess.run(
        [*command, "--wheel", str(unpacked)],
        check=True,
        capture_output=True,
        env=os.environ | {"LIMELIGHT_PREBUILT_WEB": "require"},
    )
    (wheel,) = out.glob("*.whl")
    return sdist, wheel


def test_sdist_carries_sources_and_the_built_front_end(built):
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "LICENSE",
        "README.md",
        "hatch_build.py",
        "constraints.txt",
        "src/limelight/py.typed",
        "src/limelight/web/index.js",
        "src/limelight/web/.digest",
        "tests/conftest.py",
        "web/package-lock.json",
    } <= names
    assert not [
        name for name in names if "node_modules" in name or name.startswith((".venv", "logs"))
    ]


def test_wheel_carries_the_package_and_no_more(built):
    with zipfile.ZipFile(built[1]) as archive:
        names = archive.namelist()
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        entry_points = archive.read(metadata.replace("METADATA", "entry_points.txt")).decode()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"limelight", metadata.partition("/")[0]}
    assert {"limelight/web/index.js", "limelight/py.typed"} <= set(names)
    assert built[1].name.endswith("-py3-none-any.whl")
    assert (
        "[tensorboard_plugins]\nlimelight = limelight.apps.tensorboard:LimelightPlugin"
        in entry_points
    )
    assert "limelight = limelight.apps.cli:main" in entry_points


def test_constraints_pin_every_package_an_extra_asks_for():
    pins = {}
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            name, version = line.split("==")
            pins[name] = version
    assert list(pins) == sorted(pins)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    asked = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    for extra in project["project"]["optional-dependencies"].values():
        asked += extra
    names = {re.split(r"[\[<>=; ]", requirement)[0] for requirement in asked} - {"limelight"}
    assert names <= set(pins)
    assert pins["torch"] == "2.13.0"


def test_no_file_names_a_registry_host():
    """Whoever builds decides where packages come from; a host in a file would decide for them."""
    lock = (ROOT / "web" / "package-lock.json").read_text("utf-8")
    assert '"resolved"' not in lock
    for name in ("pyproject.toml", "constraints.txt", "Makefile", "hatch_build.py", "web/.npmrc"):
        path = ROOT / name
        assert not re.search(r"registry\.\w|pypi\.org", path.read_text("utf-8")), name
