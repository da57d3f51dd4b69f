"""Small pictures of maps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import record, site

from limelight.store import Writer, open_run
from limelight.store.format.overview import reduced
from limelight.store.format.sizes import Sizes


def slowly(weights, ufunc):
    """Reduce cell by cell, from the definition of their edges."""
    queries, keys = weights.shape[-2:]
    rows, columns = min(queries, 32), min(keys, 32)
    cells = np.empty((*weights.shape[:-2], rows, columns))
    for i in range(rows):
        for j in range(columns):
            block = weights[
                ...,
                i * queries // rows : (i + 1) * queries // rows,
                j * keys // columns : (j + 1) * keys // columns,
            ]
            cells[..., i, j] = ufunc(block, axis=(-2, -1))
    return cells


@settings(max_examples=60, deadline=None)
@given(queries=st.integers(1, 130), keys=st.integers(1, 130), seed=st.integers(0, 99))
def test_every_position_lies_in_one_cell(queries, keys, seed):
    weights = np.random.default_rng(seed).random((2, queries, keys), dtype=np.float32)
    largest, mean = reduced(weights, Sizes().overview_of(queries, keys))
    np.testing.assert_array_equal(largest, slowly(weights, np.max))
    np.testing.assert_allclose(mean, slowly(weights, np.mean), rtol=1e-5)


@pytest.mark.parametrize("reduce", ["max", "mean"])
def test_a_small_map_is_its_own_picture(tmp_path, reduce):
    made = site(3, (2, 2, 5, 32))
    with Writer(tmp_path) as writer:
        record(writer, 0, {"a": made})
    cells, nan = open_run(tmp_path).overview(0, 1, reduce)["a"]
    wanted = np.rint(255 * np.sqrt(made["weights"].values[1]))
    np.testing.assert_array_equal(cells, wanted)
    assert cells.dtype == np.uint8
    assert nan is None


def test_a_nan_is_marked_where_it_is(tmp_path):
    made = site(3, (2, 2, 64, 64))
    made["weights"][1, 0, 10] = np.nan
    whole = site(4, (2, 1, 3, 3))
    with Writer(tmp_path) as writer:
        record(writer, 0, {"a": made, "b": whole})
    run = open_run(tmp_path)
    for reduce in ("max", "mean"):
        drawn = run.overview(0, 1, reduce)
        assert np.argwhere(drawn["a"][1].any(-1)).tolist() == [[0, 5]]
        assert (drawn["a"][0][0, 5] == 0).all()
        assert drawn["b"][1] is None
        assert run.overview(0, 0, reduce)["a"][1] is None


def test_the_mean_is_not_the_maximum(tmp_path):
    with Writer(tmp_path) as writer:
        record(writer, 0, {"a": site(3, (1, 1, 100, 70))})
    run = open_run(tmp_path)
    assert (run.overview(0, 0, "mean")["a"][0] < run.overview(0, 0, "max")["a"][0]).any()
