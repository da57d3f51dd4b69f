"""Checks that every file in ``changes/`` is a fragment that the changelog can be made from."""

from __future__ import annotations

import re
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "changes"
_NAME = re.compile(r"(\d+|\+[\w-]+)(\.\d+)?\.(feature|change|bugfix|removal|misc)\.md")


def main() -> int:
    """Return 0 if all fragments are named and written as ``changes/README.md`` says."""
    problems = []
    for path in sorted(FOLDER.iterdir()):
        if path.name == "README.md":
            continue
        if not _NAME.fullmatch(path.name):
            problems.append(f"{path.name}: wanted ISSUE.KIND.md, KIND as changes/README.md lists")
        elif not path.read_text(encoding="utf-8").strip().endswith((".", "!", "`")):
            problems.append(f"{path.name}: wanted one or more whole sentences")
    print("\n".join(problems))
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
