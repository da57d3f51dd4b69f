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
from limelight.errors import DimensionError

CARDS = list(analyses().values())
each = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)

#: Weights [head, query, key], and which keys each query may attend to [query, key].
Attention = tuple[xr.DataArray, xr.DataArray]


@st.composite
def attention(draw: st.DrawFn, square: bool = False) -> Attention:
    """Draw lawful weights: open, causal, padded, one-hot or uniform; some rows without a key."""
    heads, queries, keys = (draw(st.integers(1, most)) for most in (4, 7, 7))
    queries = keys if square else queries
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sharpness = draw(st.sampled_from([0.0, 1.0, 8.0, 200.0]))
    allowed = np.ones((queries, keys), bool)
    if draw(st.booleans()):
        allowed &= np.tri(queries, keys, dtype=bool)
    allowed &= np.arange(keys) < draw(st.integers(1, keys))
    if draw(st.booleans()):
        allowed[draw(st.integers(0, queries - 1))] = False
    logits = np.where(allowed, sharpness * rng.normal(size=(heads, queries, keys)), -np.inf)
    exponentials = np.exp(logits - logits.max(-1, keepdims=True, where=allowed, initial=-1e9))
    total = exponentials.sum(-1, keepdims=True)
    weights = np.divide(exponentials, total, out=np.zeros_like(exponentials), where=total > 0)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return (
        xr.DataArray(weights.astype(dtype), dims=("head", "query", "key")),
        xr.DataArray(allowed, dims=("query", "key")),
    )


def bound(formula: float | str, weights: xr.DataArray) -> float:
    """Work out a bound such as ``log(key)`` for these sizes."""
    sizes: dict[str, Any] = {str(dim): size for dim, size in weights.sizes.items()}
    return float(eval(formula, {"log": math.log}, sizes)) if isinstance(formula, str) else formula


@each
@given(data=st.data())
def test_results_stay_inside_the_declared_bounds(card: Analysis, data: st.DataObject) -> None:
    # A query of self-attention is also a key, so its maps are square.
    weights, allowed = data.draw(attention(square=card.kinds == ("self",)))
    result = card(weights, allowed).where(allowed.any("key"))
    low, high = (bound(formula, weights) for formula in card.bounds)
    slack = 1e-5 * max(1.0, abs(high))
    assert not bool((result < low - slack).any())
    assert not bool((result > high + slack).any())


@each
@given(drawn=attention())
def test_only_rows_that_a_card_names_have_no_number(card: Analysis, drawn: Attention) -> None:
    weights, allowed = drawn
    missing = card(weights, allowed).isnull()
    if card.leaves_out:
        assert card.leaves_out == "queries with one allowed key"
        np.testing.assert_array_equal(missing, missing & (allowed.sum("key") == 1))
    else:
        assert not bool(missing.any())


@each
@given(drawn=attention())
def test_a_query_without_an_allowed_key_measures_0(card: Analysis, drawn: Attention) -> None:
    weights, allowed = drawn
    allowed = allowed & (allowed["query"] != 0)
    weights = weights.where(allowed, 0)
    assert card(weights, allowed).isel(query=0).values.tolist() == [0.0] * weights.sizes["head"]


@each
@given(drawn=attention())
def test_exactly_the_dims_it_sums_up_are_gone(card: Analysis, drawn: Attention) -> None:
    weights, allowed = drawn
    result = card(weights, allowed)
    assert set(result.dims) == set(weights.dims) - set(card.over)
    assert (result.name, result.attrs["units"]) == (card.name, card.units)


@each
@given(drawn=attention(), seed=st.integers(0, 1000))
def test_heads_do_not_see_each_other(card: Analysis, drawn: Attention, seed: int) -> None:
    weights, allowed = drawn
    order = np.random.default_rng(seed).permutation(weights.sizes["head"])
    shuffled = card(weights.isel(head=order), allowed)
    xr.testing.assert_allclose(shuffled, card(weights, allowed).isel(head=order), rtol=1e-6)


@each
@given(drawn=attention())
def test_other_dims_pass_through(card: Analysis, drawn: Attention) -> None:
    weights, allowed = drawn
    wide = xr.concat([weights, weights[..., ::-1]], "example").expand_dims(step=[7])
    patterns = xr.concat([allowed, allowed[..., ::-1]], "example")
    result = card(wide, patterns)
    assert set(result.dims) == set(wide.dims) - set(card.over)
    part = result.isel(step=0, example=0, drop=True).drop_vars("step", errors="ignore")
    xr.testing.assert_allclose(part.transpose("head", ...), card(weights, allowed))


@each
@given(drawn=attention())
def test_the_order_of_dims_does_not_matter(card: Analysis, drawn: Attention) -> None:
    weights, allowed = drawn
    turned = card(weights.transpose("key", "head", "query"), allowed.transpose())
    expected = card(weights, allowed)
    xr.testing.assert_allclose(turned.transpose(*expected.dims), expected, rtol=1e-5, atol=1e-6)


@each
@given(drawn=attention())
def test_plain_numpy_gives_the_same_numbers(card: Analysis, drawn: Attention) -> None:
    weights, allowed = drawn
    plain = card(weights.values, allowed.values)
    assert isinstance(plain, np.ndarray)
    np.testing.assert_array_equal(plain, card(weights, allowed).values)


@each
@given(drawn=attention())
def test_the_input_stays_as_it_was(card: Analysis, drawn: Attention) -> None:
    before = [array.copy(deep=True) for array in drawn]
    for array in drawn:
        array.values.flags.writeable = False  # a write would raise, even one that is undone
    card(*drawn)
    for array, copy in zip(drawn, before, strict=True):
        xr.testing.assert_identical(array, copy)


@each
@given(drawn=attention(), pad=st.integers(1, 3))
def test_padded_keys_change_nothing(card: Analysis, drawn: Attention, pad: int) -> None:
    weights, allowed = drawn
    padded = weights.pad(key=(0, pad), constant_values=0.0)
    longer = allowed.pad(key=(0, pad), constant_values=False)
    expected = card(weights, allowed)
    xr.testing.assert_allclose(card(padded, longer), expected, rtol=1e-5, atol=1e-6)


@each
@given(drawn=attention())
def test_to_say_nothing_of_what_is_allowed_allows_everything(
    card: Analysis, drawn: Attention
) -> None:
    """Weights of 0 say nothing: a key may be allowed and get none."""
    weights, allowed = drawn
    everything = xr.ones_like(allowed)
    xr.testing.assert_identical(card(weights), card(weights, everything))


@pytest.mark.parametrize(
    "name", ["entropy", "gini", "maximum", "normalised_entropy", "share_beyond_uniform"]
)
@given(drawn=attention(), seed=st.integers(0, 1000))
def test_a_measure_without_positions_does_not_mind_the_order_of_keys(
    name: str, drawn: Attention, seed: int
) -> None:
    card = analyses()[name]
    weights, allowed = drawn
    order = np.random.default_rng(seed).permutation(weights.sizes["key"])
    shuffled = card(weights.isel(key=order), allowed.isel(key=order))
    xr.testing.assert_allclose(shuffled, card(weights, allowed), rtol=1e-5, atol=1e-6)


@each
@pytest.mark.parametrize("allowed", [None, np.ones((3, 4), bool)], ids=["all", "said"])
def test_a_nan_row_gives_nan_and_touches_no_other(card: Analysis, allowed: Any) -> None:
    weights = xr.DataArray(np.full((2, 3, 4), 0.25), dims=("head", "query", "key"))
    clean = card(weights, allowed if allowed is None else np.broadcast_to(allowed, (2, 3, 4)))
    weights[0, 1, :] = np.nan
    result = card(weights, allowed)
    assert bool(result.isel(head=0, query=1).isnull())
    assert int(result.isnull().sum()) == 1
    xr.testing.assert_equal(result.where(result.notnull()), clean.where(result.notnull()))


@each
def test_what_is_allowed_must_fit(card: Analysis) -> None:
    weights = xr.DataArray(np.full((2, 3, 4), 0.25), dims=("head", "query", "key"))
    wrong = [np.ones((3, 5)), xr.DataArray(np.ones((3, 5)), dims=("query", "key"))]
    wrong.append(xr.DataArray(np.ones(3), dims=("query",)))
    for allowed in wrong:
        with pytest.raises(
            DimensionError, match=r"got 'allowed' of .* Pass True where a query may"
        ):
            card(weights, allowed)
