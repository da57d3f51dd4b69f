"""Runs all tests, TypeScript and Python, and ends with one line that counts both.

``make test`` starts it. Arguments go to pytest; with any, only pytest runs.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # hatch_build.py lies there, and knows where the wheel's Node is

from hatch_build import wheel_node  # noqa: E402


def main(arguments: list[str]) -> int:
    """Run the tests and return 0 if all passed."""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    statuses = []
    if not arguments:
        statuses.append(_typescript(counts))
    statuses.append(_python(arguments, counts))
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    print(f"{counts['passed']} passed, {counts['failed']} failed{skipped}", flush=True)
    return int(any(statuses))


def _typescript(counts: dict[str, int]) -> int:
    """Run ``web/test`` with the Node that came with the test packages: it reads TypeScript."""
    tests = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("web/test/**/*.test.ts"))
    if not tests:
        return 0
    node, _ = wheel_node()
    done = subprocess.run(
        [str(node), "--test", "--test-reporter=spec", *tests],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    print(done.stdout, flush=True)
    for word, name in (("pass", "passed"), ("fail", "failed"), ("skipped", "skipped")):
        found = re.search(rf"^(?:\S )?{word} (\d+)$", done.stdout, re.MULTILINE)
        counts[name] += int(found[1]) if found else 0
    if done.returncode and not counts["failed"]:  # Node itself failed before counting
        counts["failed"] += 1
    return done.returncode


def _python(arguments: list[str], counts: dict[str, int]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        status = subprocess.run(
            [sys.executable, "-m", "pytest", f"--junitxml={report}", *arguments],
            cwd=ROOT,
            check=False,
        ).returncode
        if not report.is_file():
            ended = f"signal {-status}" if status < 0 else f"status {status}"
            print(f"\npytest ended with {ended} before it could report.")
            counts["failed"] += 1
            return status or 1
        suite = ElementTree.parse(report).getroot().find("testsuite")  # noqa: S314  # our own report
    if suite is None:
        return status or 1
    total, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    counts["passed"] += max(total - failed - skipped, 0)
    counts["failed"] += failed
    counts["skipped"] += skipped
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
