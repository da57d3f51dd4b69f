"""Runs all tests, TypeScript and Python, and ends with one line that counts them all.

``make test`` starts it. Frameworks do not share a process well, so pytest runs in passes, each a
process of its own, two at a time beside the browser's, and each in an order that is left to chance:
the seed is printed first, and ``ARGS="--randomly-seed=N"`` runs that order again. Arguments go to
every pytest; with any, TypeScript is left out. A path among them is given to those passes it
belongs to.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # hatch_build.py lies there, and knows where the wheel's Node is

from hatch_build import wheel_node  # noqa: E402

_NOTHING_SELECTED = 5
_SEED = "--randomly-seed"
_TORCH = (
    "tests/capture/torch",
    "tests/apps/torch",
    "tests/mitigations/torch",
    "tests/studies/torch",
    "tests/analyses/test_blockwise_torch.py",
)
_BACKENDS = "tests/capture/backends"
_BROWSER = "tests/browser"
_COMMANDS = ("tests/apps", "tests/cases")
_PAGES = ("tests/test_benchmarks.py", "tests/test_docs.py", "tests/test_docstrings.py",
          "tests/test_packaging.py")  # fmt: skip


@dataclass(frozen=True)
class Pass:
    """One run of pytest.

    Attributes
    ----------
    name : str
    paths : tuple of str
        What it runs where no path was asked for.
    without : tuple of str
        Folders that other passes run.
    settings : dict of str to str
        Added to its environment.
    """

    name: str
    paths: tuple[str, ...] = ("tests",)
    without: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)


#: The longest first, so that the others fit beside it.
PASSES = (
    Pass("The tab in a browser", (_BROWSER,)),
    Pass(
        "Keras on jax",
        (_BACKENDS,),
        # Most of its time is XLA's: it compiles thousands of small programs that run once.
        settings={"KERAS_BACKEND": "jax", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
    ),
    Pass("TensorFlow, and all else", without=(*_TORCH, _BACKENDS, _BROWSER, *_COMMANDS, *_PAGES)),
    Pass("Commands and worked cases", _COMMANDS, without=_TORCH),
    Pass("PyTorch", _TORCH),
    Pass("Benchmarks and pages", _PAGES),
    *(
        Pass(f"Keras on {name}", (_BACKENDS,), settings={"KERAS_BACKEND": name})
        for name in ("torch", "tensorflow")
    ),
)


@dataclass
class Count:
    """How tests ended.

    Attributes
    ----------
    passed, failed, skipped : int
    status : int
        Of the process; 0 is good.
    """

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    status: int = 0


def main(arguments: list[str]) -> int:
    """Run the tests and return 0 if all passed."""
    seed = _seed(arguments)
    print(f"In the order of seed {seed}.", flush=True)
    works: list[Callable[[], tuple[str, Count]]] = []
    for part in PASSES:
        words = _asked(part, arguments)
        if words is not None:
            works.append(partial(_python, part, [f"--randomly-seed={seed}", *words]))
    if not arguments:
        works.append(_typescript)
    counts = []
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1) + 1) as pool:  # a browser mostly waits
        for done in as_completed([pool.submit(work) for work in works]):
            output, count = done.result()
            print(output, flush=True)
            counts.append(count)
    empty = [count for count in counts if count.status == _NOTHING_SELECTED]
    if arguments and len(empty) < len(counts):  # what was asked for is in some of the passes
        for count in empty:
            count.status = 0
    passed, failed, skipped = (
        sum(getattr(count, name) for count in counts) for name in ("passed", "failed", "skipped")
    )
    if failed:
        print(f'The same order again: make test ARGS="--randomly-seed={seed}"', flush=True)
    print(
        f"{passed} passed, {failed} failed{f', {skipped} skipped' if skipped else ''}", flush=True
    )
    return int(not counts or any(count.status for count in counts))


def _seed(arguments: list[str]) -> int:
    """Return the seed of the order: the one asked for, or any."""
    for word in arguments:
        name, _, number = word.partition("=")
        if name == _SEED and number.isdecimal():
            return int(number)
    return random.randrange(2**32)  # noqa: S311  # an order, no secret


def _asked(part: Pass, arguments: list[str]) -> list[str] | None:
    """Return what to tell a pass; None where the paths asked for are not its own."""
    options = [word for word in arguments if not _path(word) and not word.startswith(_SEED)]
    options += [f"--ignore={path}" for path in part.without]
    paths = [word for word in arguments if _path(word)]
    if not paths:
        return [*options, *part.paths]
    mine = [path for path in part.paths if any(_within(path, word) for word in paths)]
    for word in paths:
        ours = any(_within(word, path) for path in part.paths)
        if ours and not any(_within(word, path) for path in part.without):
            mine.append(word)
    return [*options, *dict.fromkeys(mine)] if mine else None


def _path(word: str) -> bool:
    """Say whether an argument is a path of tests: pytest takes words after its options too."""
    return word.startswith("tests") and (ROOT / word.partition("::")[0]).exists()


def _within(path: str, folder: str) -> bool:
    inner = (ROOT / path.partition("::")[0]).resolve()
    return inner.is_relative_to((ROOT / folder).resolve())


def _typescript() -> tuple[str, Count]:
    """Run ``web/test`` with the Node that came with the test packages: it reads TypeScript."""
    count = Count()
    tests = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("web/test/**/*.test.ts"))
    if not tests:
        return "", count
    node, _ = wheel_node()
    done = _run([str(node), "--test", "--test-reporter=spec", *tests], {})
    for word, name in (("pass", "passed"), ("fail", "failed"), ("skipped", "skipped")):
        match = re.search(rf"^(?:\S )?{word} (\d+)$", done.stdout, re.MULTILINE)
        setattr(count, name, int(match[1]) if match else 0)
    if done.returncode and not count.failed:  # Node itself failed before counting
        count.failed = 1
    count.status = done.returncode
    return done.stdout, count


def _python(part: Pass, arguments: list[str]) -> tuple[str, Count]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        # Each pass may take one core: two pools of threads on the same cores wait for each other.
        settings = {"OMP_NUM_THREADS": "1", **part.settings}
        command = [sys.executable, "-m", "pytest", f"--junitxml={report}", *arguments]
        done = _run(command, settings)
        output = f"———— {part.name} ————\n{done.stdout}"
        if not report.is_file():
            ended = f"signal {-done.returncode}" if done.returncode < 0 else "an error"
            output += f"\npytest ended with {ended} before it could report."
            return output, Count(failed=1, status=done.returncode or 1)
        suite = ElementTree.parse(report).getroot().find("testsuite")  # noqa: S314  # our own report
    count = Count(status=done.returncode)
    if suite is not None:
        total, count.skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
        count.failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        count.passed = max(total - count.failed - count.skipped, 0)
    return output, count


def _run(command: list[str], settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
