"""The documentation is true: its code runs, its commands exist, its links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "changes" / "README.md"])

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [fence[2] for fence in _FENCE.finditer(page.read_text("utf-8")) if fence[1] == language]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


#: Said by the README's code in the end, where it is run: what its first picture shows.
_SEVEN = """
at = ll.open_run('logs/seven').weights('attention', step=-1).sel(example=0)
print('on seven', at.values[..., x[y][0] == 7].sum(-1).mean(-1).max())
"""


@cache
def run(page: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a page's Python in a process of its own, from first block to last, as a reader would."""
    code = "\n".join(blocks(ROOT / page, "python"))
    assert "ll." in code
    code += _SEVEN if page == "README.md" else ""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory):
    """Give each page a folder that was empty before its code ran."""
    return cache(lambda page: tmp_path_factory.mktemp(Path(page).stem))


@pytest.mark.training
@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/watch.md",
        "docs/frameworks.md",
        "docs/studies.md",
        "docs/heads.md",
        "docs/interventions.md",
        "docs/mitigations.md",
    ],
)
def test_python_on_the_page_runs(page, folder_of):
    done = run(page, folder_of(page))
    assert done.returncode == 0, done.stderr[-3000:]
    assert "LimelightWarning" not in done.stderr
    assert (folder_of(page) / "logs").is_dir()


@pytest.mark.training
def test_the_first_picture_shows_what_was_learnt(folder_of):
    """In the first example every number looks at the 7, by either head; uniform is a twelfth."""
    done = run("README.md", folder_of("README.md"))
    (share,) = re.findall(r"on seven (\S+)", done.stdout)
    assert float(share) > 0.5


def test_every_page_with_python_is_run_above():
    assert {name_of(page) for page in PAGES if blocks(page, "python")} <= {
        "README.md",
        "README.zh-CN.md",
        "docs/watch.md",
        "docs/frameworks.md",
        "docs/studies.md",
        "docs/heads.md",
        "docs/interventions.md",
        "docs/mitigations.md",
    }


def test_both_readmes_show_the_same_code():
    english, chinese = ROOT / "README.md", ROOT / "README.zh-CN.md"
    for language in ("python", "sh"):
        assert blocks(english, language) == blocks(chinese, language)
    heads = [re.findall(r"^#+ ", page.read_text("utf-8"), re.M) for page in (english, chinese)]
    assert heads[0] == heads[1]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files(page):
    text = _FENCE.sub("", page.read_text("utf-8"))
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", text):
        if not re.match(r"https?:", target):
            assert (page.parent / target).exists(), f"{name_of(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_on_the_page_exist(page):
    text = page.read_text("utf-8")
    code = "\n".join([*blocks(page, "sh"), *re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))])
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    assert set(re.findall(r"^make ([a-z]+)", code, re.M)) <= targets
    for command in set(re.findall(r"^limelight ([a-z]+)", code, re.M)):
        done = subprocess.run(
            [sys.executable, "-m", "limelight.apps.cli", command, "--help"],
            capture_output=True,
            text=True,
            env=os.environ | {"COLUMNS": "100"},
        )
        assert done.returncode == 0, f"limelight {command}: {done.stderr}"


@pytest.mark.parametrize("target", ["demo", "test", "dev", "check", "bench", "docs", "build"])
def test_make_help_lists(target):
    done = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert re.search(rf"^  make {target} +\t\S", done.stdout, re.M)


def test_changelog_fragments_are_well_formed():
    done = subprocess.run(
        [sys.executable, "tools/changelog.py"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
