"""Whatever a released limelight recorded opens, and holds what it held."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from keep import contents

KEPT = sorted((Path(__file__).parent / "kept").glob("*.zip"))


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.stem)
def test_what_was_recorded_is_what_is_read(kept, tmp_path):
    with zipfile.ZipFile(kept) as packed:
        packed.extractall(tmp_path)
    with np.load(tmp_path / "expected.npz") as expected:
        runs = sorted(path for path in tmp_path.iterdir() if path.is_dir())
        held = {f"{run.name}/{key}": value for run in runs for key, value in contents(run).items()}
        assert sorted(held) == sorted(expected)
        for key, value in held.items():
            tolerance = 1e-6 if value.dtype.kind == "f" else 0  # weights computed of kept vectors
            np.testing.assert_allclose(value, expected[key], tolerance, tolerance, err_msg=key)
