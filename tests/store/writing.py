"""Write a run whose every number says its step; started by test_publishing.py.

``python writing.py RUN_DIR STEPS [DIE]``: with DIE, end without warning at that many-th row.
"""

from __future__ import annotations

import os
import sys

import numpy as np
from recordings import record, site

from limelight.capture.parameters import summarise
from limelight.store import Writer
from limelight.store.zarr import bundles, shards


def main(run_dir: str, steps: int, die: int) -> None:
    plain = shards.write
    left = [die]

    def write(files, spec, row, values, run):
        small = plain(files, spec, row, values, run)
        left[0] -= 1
        if left[0] == 0:
            path = files.row(spec, row) if small is None else bundles.tail(files, row)
            data = path.read_bytes() if small is None else bundles.packed([("a", small)], run)
            path.write_bytes(data[:-7])
            os._exit(9)
        return small

    shards.write = write
    with Writer(run_dir) as writer:
        for step in range(steps):
            made = site(0, (2, 2, 16, 16))
            made["weights"][:] = np.eye(16, dtype=np.float32)[step % 16]
            numbers = summarise({"w": np.full(5, step, np.float32)})
            record(writer, step, {"a": made}, parameters=numbers)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else -1)
