"""A labelled dataset as safetensors bytes, and back.

Room: beside capture and store. Comes in: an :class:`xarray.Dataset`. Goes out: bytes that any
language reads with a dozen lines. Arrays travel as tensors; dims, text coordinates and attributes
travel as one JSON text under the key ``limelight`` of the safetensors metadata.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import xarray as xr
from safetensors.numpy import load, save

from limelight.errors import StoreError
from limelight.schema import SCHEMA_VERSION


def encode(dataset: xr.Dataset) -> bytes:
    """Encode a dataset as safetensors bytes.

    Parameters
    ----------
    dataset : Dataset
        Any dims; numeric, bool and text variables and coordinates; attributes that JSON can hold.

    Returns
    -------
    bytes
        A complete safetensors file. 64-bit integers travel as float64, which is exact below
        2**53, because JavaScript has no other plain number.

    References
    ----------
    .. [1] safetensors format: 8 bytes of little-endian header length, a JSON header, then data.
       https://github.com/huggingface/safetensors

    Examples
    --------
    >>> import xarray as xr
    >>> ds = xr.Dataset({"a": ("key", [0.5, 0.5])}, coords={"key": ["not", "好"]})
    >>> decode(encode(ds))["a"].sel(key="好").item()
    0.5
    """
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    variables: dict[str, Any] = {}
    for name, variable in dataset.variables.items():
        values = np.asarray(variable.values)
        entry: dict[str, Any] = {
            "dims": list(variable.dims),
            "coord": name in dataset.coords,
            "attrs": _plain(variable.attrs),
        }
        if values.dtype.kind in "UO":
            entry["text"] = values.tolist()
        else:
            tensors[str(name)] = _portable(values)
        variables[str(name)] = entry
    header = {"schema": SCHEMA_VERSION, "variables": variables, "attrs": _plain(dataset.attrs)}
    text = json.dumps(header, ensure_ascii=False, allow_nan=False)
    return bytes(save(tensors, metadata={"limelight": text}))


def decode(data: bytes) -> xr.Dataset:
    """Decode bytes made by :func:`encode`.

    Parameters
    ----------
    data : bytes
        A safetensors file with a ``limelight`` metadata entry.

    Returns
    -------
    Dataset

    Raises
    ------
    StoreError
        If the bytes are not such a file.
    """
    try:
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["limelight"])
        tensors = load(data)
    except (struct.error, KeyError, ValueError, UnicodeDecodeError) as cause:
        raise StoreError(
            f"Got {len(data)} bytes that are not a limelight answer.",
            "Wanted safetensors with a 'limelight' metadata entry.",
            "Fetch the answer again; if it persists, the two sides differ in version.",
        ) from cause
    data_vars: dict[str, xr.Variable] = {}
    coords: dict[str, xr.Variable] = {}
    for name, entry in header["variables"].items():
        values = np.array(entry["text"]) if "text" in entry else tensors[name]
        target = coords if entry["coord"] else data_vars
        target[name] = xr.Variable(entry["dims"], values, entry["attrs"])
    return xr.Dataset(data_vars, coords, header["attrs"])


def _portable(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        values = values.astype(np.float64)
    return np.ascontiguousarray(values)


def _plain(value: Any) -> Any:
    """Turn NumPy scalars, arrays and tuples into what JSON holds; NaN becomes None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
