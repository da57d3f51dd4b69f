"""Weights that are computed when they are looked at are measured some rows after the other."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import xarray as xr

from limelight.catalogue import analyses
from limelight.factors import factored, lazy_allowed, lazy_weights
from limelight.labelled import TOGETHER
from limelight.rule import Rule

LENGTH = 1500


def waiting(rule):
    """Weights of two heads, and what is allowed of them, as a recording hands them out."""
    query, key = np.random.default_rng(0).normal(size=(2, 1, 2, LENGTH, 4))
    factors = factored(query, key, rule, 1.0)
    weights = xr.DataArray(lazy_weights(factors), name="weights")
    return weights, xr.DataArray(lazy_allowed(rule, factors.shape))


@pytest.mark.parametrize("name", analyses())
def test_each_measure_gives_what_it_gives_of_whole_maps(name):
    weights, allowed = waiting(Rule.causal(LENGTH, LENGTH, window=700))
    assert weights.size > 2 * TOGETHER
    measure = analyses()[name].function
    by_rows, whole = measure(weights, allowed), measure(weights.load(), allowed.load())
    xr.testing.assert_allclose(by_rows, whole, rtol=1e-6, atol=1e-6)
    assert by_rows.dims == whole.dims
    assert by_rows.attrs == whole.attrs
    assert set(by_rows.coords) == set(whole.coords)


def test_no_map_is_ever_whole():
    weights, allowed = waiting(Rule.everything(LENGTH, LENGTH))
    measure = analyses()["gini"].function
    measure(weights.isel(query=slice(0, 8)), allowed.isel(query=slice(0, 8)))
    tracemalloc.start()
    measure(weights, allowed)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * weights.size  # bytes of the maps; a copy to sort would double them
