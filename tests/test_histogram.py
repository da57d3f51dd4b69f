"""Histograms of any number of bins are NumPy's, however many values there are."""

from __future__ import annotations

import numpy as np
import pytest

from limelight.histogram import statistics


@pytest.mark.parametrize("bins", [1, 7, 100, 255, 256, 1000])
@pytest.mark.parametrize("size", [5, 5000, 100_000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_number_of_bins_is_counted_as_numpy_does(bins, size, dtype):
    values = np.random.default_rng(bins).normal(size=size).astype(dtype)
    summed = statistics(values, bins)
    count, edges = np.histogram(values, bins=bins)
    np.testing.assert_array_equal(summed.count, count)
    np.testing.assert_allclose([summed.low, summed.high], edges[[0, -1]])


@pytest.mark.parametrize("values", [[], [np.nan], [2.0], [0.0, 5e-324], [-3e38, 3e38]])
def test_what_has_hardly_a_range_has_as_many_bins(values):
    summed = statistics(np.array(values, np.float64), 10)
    assert summed.count.shape == (10,)
    assert summed.count.sum() == np.isfinite(values).sum()
