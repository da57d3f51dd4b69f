"""``python benchmarks/run.py`` from anywhere; ``python -m benchmarks`` from the repository."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    here = str(Path(__file__).resolve().parent)
    # Our files have plain names: nothing may find them but as members of this package.
    sys.path[:] = [entry for entry in sys.path if entry != here]
    sys.path.insert(0, str(Path(here).parent))
    from benchmarks.runner import main

    sys.exit(main())
