"""Whatever a released limelight recorded opens, and holds what it held."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from keep import contents, planted
from recordings import record

from limelight.store import Writer, open_run
from limelight.store.write.step import sites_of

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
        # Of the first that was kept, images were not.
        held = {key: value for key, value in held.items() if key in wanted or "/image/" not in key}
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


def test_a_recording_is_continued(tmp_path):
    """What it held stays as it is, file by file; what a later limelight measures more is added."""
    with zipfile.ZipFile(KEPT[0]) as packed:
        packed.extractall(tmp_path)
    folder = tmp_path / "words"
    held, before = contents(folder), open_run(folder)
    newest = int(before.steps[-1])
    with Writer(folder) as writer:
        sites = planted.words(0)
        record(writer, newest + 1, sites_of(sites))
    after = open_run(folder)
    assert after.problems == ()
    assert after.steps.tolist() == [*before.steps.tolist(), newest + 1]
    assert [path.name for path in (folder / "plugins").iterdir()] == ["limelight"]
    old, new = before.measures(), after.measures()
    assert {"first_key_share", "entropy"} <= set(old) < set(new)
    steps = before.steps.tolist()
    xr.testing.assert_equal(new[sorted(old)].sel(step=steps), old[sorted(old)])
    assert new["nan_rows"].sel(step=steps).isnull().all()
    for key, value in contents(folder).items():
        if key.split("/")[0] in ("weights", "overview", "allowed") and key in held:
            np.testing.assert_array_equal(value, held[key], err_msg=key)
