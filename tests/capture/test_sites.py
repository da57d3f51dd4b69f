"""From logits to what was allowed, and from sites to one array."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import limelight
from limelight.capture import Probe, stack
from limelight.capture.site import CapturedAttention, allowed_in, label
from limelight.errors import UnequalSitesError

LOGITS = arrays.arrays(np.float32, (2, 4, 5), elements=st.floats(-50, 50, width=32))
ALLOWED = arrays.arrays(np.bool_, (2, 4, 5))


@given(LOGITS, ALLOWED, st.sampled_from([-1e9, -1e10, -np.inf, -3e4, -65504.0, -1e4, -3e38]))
def test_replaced_logits_are_found(logits, allowed, huge):
    masked = np.where(allowed, logits, np.float32(huge))
    assert (allowed_in(masked) == allowed).all()


@given(LOGITS, ALLOWED, st.sampled_from([-1e9, -3e4, -65504.0, -1e4]))
def test_added_masks_are_found(logits, allowed, huge):
    masked = logits + np.where(allowed, np.float32(0), np.float32(huge))
    assert (allowed_in(masked) == allowed).all()


def test_large_but_honest_logits_are_no_mask():
    logits = -np.linspace(0, 60_000, 100, dtype=np.float32).reshape(1, 10, 10)
    assert allowed_in(logits).all()


def test_a_mask_beside_large_logits_is_found():
    logits = np.array([[4000.0, -4000.0, 2000.0 - 1e9]], np.float32)
    assert allowed_in(logits).tolist() == [[True, True, False]]


def test_nan_is_no_mask():
    assert allowed_in(np.array([[np.nan, 1.0, -1e9]])).tolist() == [[True, True, False]]


def site(name, heads=2, keys=3, **more):
    weights = np.full((1, heads, 3, keys), 1 / keys, np.float32)
    variables = {"weights": (("example", "head", "query", "key"), weights), **more}
    return xr.Dataset(variables, attrs={"module": name, "kind": "self"})


def test_stack_joins_sites_in_the_order_they_ran():
    late, early = site("a").assign_attrs(order=1), site("b/c").assign_attrs(order=0)
    joined = stack(xr.DataTree.from_dict({"a": late, "b/c": early}))
    assert joined["weights"].dims == ("example", "layer", "head", "query", "key")
    assert joined["module"].values.tolist() == ["b/c", "a"]
    assert joined["layer"].values.tolist() == [0, 1]
    assert joined.attrs["kind"] == "self"


def test_stack_gives_allowed_a_head_dim_where_one_layer_needs_it():
    shared = np.array([[[True, True, False]] * 3])
    by_head = np.stack([shared, ~shared], axis=1)
    joined = stack(
        xr.DataTree.from_dict(
            {
                "a": site("a", allowed=(("example", "query", "key"), shared)),
                "b": site("b", allowed=(("example", "head", "query", "key"), by_head)),
            }
        )
    )
    assert joined["allowed"].dims == ("example", "layer", "head", "query", "key")
    assert (joined["allowed"].values[0, 0, 1] == shared[0]).all()
    assert (joined["allowed"].values[0, 1] == by_head[0]).all()


def test_stack_refuses_unequal_sites():
    with pytest.raises(UnequalSitesError) as caught:
        stack(xr.DataTree.from_dict({"a": site("a"), "b": site("b", heads=4)}))
    assert str(caught.value) == (
        "Got sites of different shapes (example, head, query, key): a (1, 2, 3, 3), "
        "b (1, 4, 3, 3). Wanted equal shapes to form one array. Stack a part of the tree, such as "
        "tree['encoder'], or use the sites one by one."
    )


def test_stack_refuses_an_empty_tree():
    with pytest.raises(UnequalSitesError, match="without sites"):
        stack(xr.DataTree())


def test_the_room_is_its_function():
    assert limelight.capture is __import__("sys").modules["limelight.capture"]
    assert callable(limelight.capture)
    assert limelight.capture.capture is not limelight.capture
    from limelight import capture

    assert capture is limelight.capture


@pytest.mark.parametrize(("kind", "valid"), [("self", False), ("cross", True)])
def test_a_position_that_none_may_attend_to_is_no_query_of_self_attention(kind, valid):
    logits = np.zeros((1, 2, 3, 3), np.float32)
    logits[..., 2] = -np.inf
    weights = np.exp(logits) / 2
    site = label(
        CapturedAttention("a", "A", kind, "f", "float32", weights, logits), Probe(np.ones((1, 3)))
    )
    assert site["query_valid"].values.tolist() == [[True, True, valid]]
    assert site["key_valid"].values.tolist() == [[True, True, False]]
