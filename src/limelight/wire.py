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
from safetensors import SafetensorError
from safetensors.numpy import load, save

from limelight import installation
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

    Raises
    ------
    StoreError
        If a variable holds neither numbers, bools nor text.

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
            entry["text"] = _text(values.tolist())
            entry["shape"] = list(values.shape)
        else:
            tensors[str(name)] = _portable(str(name), values)
        variables[str(name)] = entry
    header = {"schema": SCHEMA_VERSION, "variables": variables, "attrs": _plain(dataset.attrs)}
    text = json.dumps(header, ensure_ascii=False, allow_nan=False)
    # Half an emoji, as byte-level tokenizers cut it, is no UTF-8; its JSON escape is.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
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
        If the bytes are not such a file, or come from a newer version.
    """
    try:
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["limelight"])
        version = int(header["schema"])
        tensors = load(data)
    except (struct.error, KeyError, TypeError, ValueError, SafetensorError) as cause:
        raise StoreError(
            f"Got {len(data)} bytes that are not a limelight answer.",
            "Wanted safetensors with a 'limelight' metadata entry.",
            "Fetch the answer again; if it persists, the two sides differ in version.",
        ) from cause
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"Got an answer of schema {version}.",
            f"This limelight reads schema {SCHEMA_VERSION} and older.",
            f"Upgrade limelight here: {installation.command()}",
        )
    data_vars: dict[str, xr.Variable] = {}
    coords: dict[str, xr.Variable] = {}
    for name, entry in header["variables"].items():
        values = _words(entry) if "text" in entry else tensors[name]
        target = coords if entry["coord"] else data_vars
        target[name] = xr.Variable(entry["dims"], values, entry["attrs"])
    return xr.Dataset(data_vars, coords, header["attrs"])


def _portable(name: str, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if values.dtype.kind not in "biuf" or values.dtype.itemsize > 8:
        raise StoreError(
            f"Got variable {name!r} of type {values.dtype}.",
            "Wanted numbers of at most 64 bits, bools or text.",
            "Convert it first; a date, say, to seconds since 1970.",
        )
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        values = values.astype(np.float64)
    return np.asarray(values, order="C")


def _text(value: Any) -> Any:
    """Keep text, nested as it came; what is missing becomes the empty text."""
    if isinstance(value, list):
        return [_text(item) for item in value]
    missing = value is None or (isinstance(value, float) and np.isnan(value))
    return "" if missing else str(value)


def _words(entry: dict[str, Any]) -> np.ndarray[Any, Any]:
    # NumPy's own text type would drop a trailing NUL, so the texts stay Python objects.
    return np.array(entry["text"], dtype=object).reshape(entry["shape"])


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
