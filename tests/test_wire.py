"""A dataset survives the wire; what is not one of our answers is refused in words."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import save

from limelight.errors import StoreError
from limelight.wire import decode, encode

DTYPES = st.sampled_from(["bool", "u1", "i1", "u2", "i2", "i4", "u4", "f2", "f4", "f8"])


@given(
    hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)),
    st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.text() | st.integers()),
)
def test_numbers_and_attributes_come_back_exactly(
    values: np.ndarray[Any, Any], attrs: dict[str, Any]
) -> None:
    dims = [f"d{axis}" for axis in range(values.ndim)]
    back = decode(encode(xr.Dataset({"a": (dims, values, attrs)}, attrs=attrs)))
    assert back["a"].dims == tuple(dims)
    assert back["a"].dtype == values.dtype
    np.testing.assert_array_equal(back["a"].values, values)
    assert back.attrs == back["a"].attrs == attrs


@given(hnp.arrays(object, hnp.array_shapes(max_dims=3, max_side=3), elements=st.text()))
def test_any_text_comes_back_exactly(values: np.ndarray[Any, Any]) -> None:
    dims = [f"d{axis}" for axis in range(values.ndim)]
    back = decode(encode(xr.Dataset({"token": (dims, values)})))
    assert back["token"].values.tolist() == values.tolist()


@pytest.mark.parametrize(
    "token", ["电影", "🧑‍🚀", "שלום", "<img src=x onerror=alert(1)>", "\ud83e", 'a"\\', "nul\0", ""]
)
def test_odd_tokens_stay_text(token: str) -> None:
    ds = xr.Dataset({"a": ("key", [1.0])}, {"key": np.array([token], object)}, {"token": [token]})
    back = decode(encode(ds))
    assert back["key"].item() == token
    assert back.attrs == {"token": [token]}


def test_missing_text_is_empty() -> None:
    back = decode(encode(xr.Dataset({"token": ("key", np.array(["a", None], object))})))
    assert back["token"].values.tolist() == ["a", ""]


def test_coordinates_stay_coordinates_and_dims_stay_apart() -> None:
    ds = xr.Dataset({"a": (("x", "y"), np.ones((2, 2)))}, {"x": [3, 7], "name": ("y", ["p", "q"])})
    back = decode(encode(ds))
    assert set(back.coords) == {"x", "name"}
    assert back.sel(x=7)["a"].dims == ("y",)
    xr.testing.assert_equal(back, ds)


def test_whole_numbers_of_64_bits_travel_as_float64() -> None:
    ds = xr.Dataset({"step": ("step", np.array([2**53], np.int64))})
    back = decode(encode(ds))["step"]
    assert back.dtype == np.float64
    assert back.item() == 2**53


def test_numpy_attributes_become_json_and_nan_becomes_null() -> None:
    attrs = {"a": np.float32(0.5), "b": (1, np.int64(2)), "c": {"d": np.array([1.0, np.nan])}}
    back = decode(encode(xr.Dataset(attrs=attrs)))
    assert back.attrs == {"a": 0.5, "b": [1, 2], "c": {"d": [1.0, None]}}


def test_a_transposed_array_is_written_in_its_own_order() -> None:
    ds = xr.Dataset({"a": (("x", "y"), np.arange(6.0).reshape(2, 3))}).transpose("y", "x")
    np.testing.assert_array_equal(decode(encode(ds))["a"].values, ds["a"].values)


def test_the_bytes_are_plain_safetensors_with_one_metadata_text() -> None:
    data = encode(xr.Dataset({"a": ("key", np.array([0.5, 0.25], np.float32))}))
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    assert header["a"]["dtype"] == "F32"
    start, end = header["a"]["data_offsets"]
    body = data[8 + length :]
    np.testing.assert_array_equal(np.frombuffer(body[start:end], "<f4"), [0.5, 0.25])
    meta = json.loads(header["__metadata__"]["limelight"])
    assert meta["variables"]["a"] == {"dims": ["key"], "coord": False, "attrs": {}}
    assert (8 + length) % 8 == 0  # so that JavaScript may lay typed arrays over the bytes


GOOD = encode(xr.Dataset({"a": ("key", np.arange(9.0))}))


@pytest.mark.parametrize(
    "data",
    [b"", b"abc", GOOD[:-3], GOOD[:40], b"\xff" * 8 + b"{}", (2).to_bytes(8, "little") + b"[]"],
)
def test_what_is_no_answer_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(StoreError, match=f"Got {len(data)} bytes that are not a limelight answer"):
        decode(data)


def test_somebody_elses_safetensors_is_refused() -> None:
    with pytest.raises(StoreError, match="Wanted safetensors with a 'limelight' metadata entry"):
        decode(save({"a": np.ones(2, np.float32)}))


def test_an_answer_from_a_newer_version_says_to_upgrade() -> None:
    meta = json.dumps({"schema": 999, "variables": {}, "attrs": {}})
    with pytest.raises(StoreError, match=r"Got an answer of schema 999\..*Upgrade limelight"):
        decode(save({}, metadata={"limelight": meta}))


def test_dates_are_refused_by_name() -> None:
    with pytest.raises(StoreError, match="Got variable 'when' of type datetime64"):
        encode(xr.Dataset({"when": ("x", np.array(["2020-01-01"], "M8[ns]"))}))
