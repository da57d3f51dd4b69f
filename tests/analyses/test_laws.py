"""Laws every analysis keeps, drawn at random: none of them is written for one analysis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from limelight.catalogue import Analysis, analyses

CARDS = list(analyses().values())
each = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)


@st.composite
def attention(draw: st.DrawFn, square: bool = False) -> xr.DataArray:
    """Draw lawful weights [head, query, key]: open, causal, padded, one-hot or uniform."""
    heads, queries, keys = (draw(st.integers(1, most)) for most in (4, 7, 7))
    queries = keys if square else queries
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sharpness = draw(st.sampled_from([0.0, 1.0, 8.0, 200.0]))
    allowed = np.ones((queries, keys), bool)
    if draw(st.booleans()):
        allowed &= np.tri(queries, keys, dtype=bool)
    allowed &= np.arange(keys) < draw(st.integers(1, keys))
    logits = np.where(allowed, sharpness * rng.normal(size=(heads, queries, keys)), -np.inf)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return xr.DataArray(weights.astype(dtype), dims=("head", "query", "key"))


def bound(formula: float | str, weights: xr.DataArray) -> float:
    """Work out a bound such as ``log(key)`` for these sizes."""
    sizes: dict[str, Any] = {str(dim): size for dim, size in weights.sizes.items()}
    return float(eval(formula, {"log": math.log}, sizes)) if isinstance(formula, str) else formula


@each
@given(data=st.data())
def test_results_stay_inside_the_declared_bounds(card: Analysis, data: st.DataObject) -> None:
    # A query of self-attention is also a key, so its maps are square.
    weights = data.draw(attention(square=card.kinds == ("self",)))
    result = card.function(weights)
    low, high = (bound(formula, weights) for formula in card.bounds)
    slack = 1e-5 * max(1.0, abs(high))
    assert float(result.min()) >= low - slack
    assert float(result.max()) <= high + slack


@each
@given(weights=attention())
def test_exactly_the_dims_it_sums_up_are_gone(card: Analysis, weights: xr.DataArray) -> None:
    result = card.function(weights)
    assert set(result.dims) == set(weights.dims) - set(card.over)
    assert (result.name, result.attrs["units"]) == (card.name, card.units)


@each
@given(weights=attention(), seed=st.integers(0, 1000))
def test_heads_do_not_see_each_other(card: Analysis, weights: xr.DataArray, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(weights.sizes["head"])
    shuffled = card.function(weights.isel(head=order))
    xr.testing.assert_allclose(shuffled, card.function(weights).isel(head=order), rtol=1e-6)


@each
@given(weights=attention())
def test_other_dims_pass_through(card: Analysis, weights: xr.DataArray) -> None:
    wide = xr.concat([weights, weights[..., ::-1]], "example").expand_dims(step=[7])
    result = card.function(wide)
    assert set(result.dims) == set(wide.dims) - set(card.over)
    one = result.isel(step=0, example=0, drop=True)
    xr.testing.assert_allclose(one.drop_vars("step", errors="ignore"), card.function(weights))


@each
@given(weights=attention())
def test_the_order_of_dims_does_not_matter(card: Analysis, weights: xr.DataArray) -> None:
    turned = card.function(weights.transpose("key", "head", "query"))
    expected = card.function(weights)
    xr.testing.assert_allclose(turned.transpose(*expected.dims), expected, rtol=1e-5, atol=1e-6)


@each
@given(weights=attention())
def test_plain_numpy_gives_the_same_numbers(card: Analysis, weights: xr.DataArray) -> None:
    plain = card.function(weights.values)
    assert isinstance(plain, np.ndarray)
    np.testing.assert_array_equal(plain, card.function(weights).values)


@each
@given(weights=attention())
def test_the_input_stays_as_it_was(card: Analysis, weights: xr.DataArray) -> None:
    before = weights.copy(deep=True)
    weights.values.flags.writeable = False  # a write would raise, even one that is undone
    card.function(weights)
    xr.testing.assert_identical(weights, before)


@each
@given(weights=attention(), pad=st.integers(1, 3))
def test_padded_keys_change_nothing(card: Analysis, weights: xr.DataArray, pad: int) -> None:
    padded = weights.pad(key=(0, pad), constant_values=0.0)
    xr.testing.assert_allclose(card.function(padded), card.function(weights), rtol=1e-5, atol=1e-6)


@each
def test_a_nan_row_gives_nan_and_touches_no_other(card: Analysis) -> None:
    weights = xr.DataArray(np.full((2, 3, 4), 0.25), dims=("head", "query", "key"))
    clean = card.function(weights)
    weights[0, 1, :] = np.nan
    result = card.function(weights)
    assert bool(result.isel(head=0, query=1).isnull())
    assert int(result.isnull().sum()) == 1
    xr.testing.assert_equal(result.where(result.notnull()), clean.where(result.notnull()))
