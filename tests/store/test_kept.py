"""Whatever a released limelight recorded opens, and holds what it held."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from keep import contents, planted

from limelight.store import open_run

#: What has another name now, by the name it was recorded under.
RENAMED = {"sink": "first_key_share"}

KEPT = sorted((Path(__file__).parent / "kept").glob("*.zip"))


@pytest.mark.parametrize("archive", KEPT, ids=lambda path: path.stem)
def test_what_was_recorded_is_what_is_read(archive, tmp_path):
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path)
    with np.load(tmp_path / "expected.npz") as expected:
        runs = sorted(path for path in tmp_path.iterdir() if path.is_dir())
        held = {f"{run.name}/{key}": value for run in runs for key, value in contents(run).items()}
        wanted = {now(key): value for key, value in expected.items()}
        assert sorted(held) == sorted(wanted)
        for key, value in held.items():
            tolerance = 1e-6 if value.dtype.kind == "f" else 0  # weights computed of kept vectors
            np.testing.assert_allclose(value, wanted[key], tolerance, tolerance, err_msg=key)


def now(key):
    """Return what a number of a kept recording is called today."""
    key = re.sub(r"(?<=/measures/)(\w+)_null$", r"\1_uniform", key)
    for before, name in RENAMED.items():
        key = re.sub(rf"/measures/{before}(?=_uniform$|$)", f"/measures/{name}", key)
    return key


def test_a_recording_is_continued_with_the_measures_it_began_with(tmp_path):
    """A limelight that knows others neither moves it aside nor adds to it."""
    with zipfile.ZipFile(KEPT[0]) as packed:
        packed.extractall(tmp_path)
    before = open_run(tmp_path / "words").measures()
    planted.write(tmp_path / "words", planted.words)
    after = open_run(tmp_path / "words").measures()
    assert [path.name for path in (tmp_path / "words" / "plugins").iterdir()] == ["limelight"]
    assert {"first_key_share", "entropy"} <= set(before)
    assert set(after) == set(before)
    np.testing.assert_allclose(after["first_key_share"], before["first_key_share"])
