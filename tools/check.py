"""Runs every check that needs no test, all of them, and lists which failed.

``make check`` starts it. ``python tools/check.py ruff types`` runs only those named so.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # hatch_build.py lies there, and knows where Node is

from hatch_build import environment, system_node, wheel_node  # noqa: E402

_PYTHON = sys.executable
_CODE = ["src", "tests", "benchmarks", "tools", "hatch_build.py"]


def checks() -> dict[str, list[str]]:
    """Return each check's name and command, quick ones first."""
    node, npm = system_node() or wheel_node()
    beside = Path(_PYTHON).parent
    return {
        "style": [_PYTHON, "-m", "ruff", "check", *_CODE],
        "format": [_PYTHON, "-m", "ruff", "format", "--check", *_CODE],
        "generated files": [_PYTHON, "tools/gen.py", "--check"],
        "changelog": [_PYTHON, "tools/changelog.py"],
        "imports": [str(beside / "lint-imports"), "--no-logo"],
        "types": [_PYTHON, "-m", "mypy"],
        "lock file": [_PYTHON, "tools/lock.py", "--check"],
        "web packages": [_PYTHON, "../tools/web.py"],
        "web style": [
            str(node),
            "node_modules/@biomejs/biome/bin/biome",
            "ci",
            "--colors=off",
            ".",
        ],
        "web types": [*npm, "exec", "--no", "--", "tsc", "--noEmit"],
    }


def main(wanted: list[str]) -> int:
    """Run the checks and return 0 if all passed."""
    node, _ = system_node() or wheel_node()
    failed = []
    for name, command in checks().items():
        if wanted and name.split()[-1] not in wanted and name not in wanted:
            continue
        done = subprocess.run(
            command,
            cwd=ROOT / "web" if name.startswith("web") else ROOT,
            env=environment(node),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        print(f"{'ok    ' if done.returncode == 0 else 'FAILED'} {name}", flush=True)
        if done.returncode:
            failed.append(name)
            print(done.stdout, flush=True)
    print(f"Failed: {', '.join(failed)}" if failed else "All checks passed.")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
