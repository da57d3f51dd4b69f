"""Runs npm in ``web/`` with the system's Node, or the wheel's where there is none that will do.

Installs the front end's packages first where they are missing; without arguments it does only that.
``python tools/web.py run build`` · ``python tools/web.py install -D NAME``
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # hatch_build.py lies there, and knows where Node is

from hatch_build import environment, install_packages, system_node, wheel_node  # noqa: E402


def main(arguments: list[str]) -> int:
    """Run npm with these arguments and return its status."""
    node, npm = system_node() or wheel_node()
    install_packages(ROOT / "web")
    if not arguments:
        return 0
    try:
        return subprocess.run(
            [*npm, *arguments], cwd=ROOT / "web", env=environment(node), check=False
        ).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
