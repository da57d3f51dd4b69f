"""Values out of the bytes of one row, believed only as far as they fit.

Room: store. Comes in: an :class:`~limelight.store.format.layout.ArraySpec`, what
:mod:`~limelight.store.zarr.shards` made of a row, a selection. Goes out: NumPy arrays. What a frame
says of its size is compared before it is unpacked.
"""

from __future__ import annotations

import math
import struct
from itertools import product
from typing import Any, Final

import google_crc32c
import numpy as np
from numcodecs import blosc, zstd  # type: ignore[import-untyped]

from limelight.store.format.layout import ArraySpec

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_NONE: Final = 2**64 - 1


def unpacked(spec: ArraySpec, data: bytes, at: tuple[Any, ...] = ()) -> np.ndarray[Any, Any]:
    """Return part of a row.

    Parameters
    ----------
    spec : ArraySpec
    data : bytes
    at : tuple of int, slice or array of int
        What to take along the axes after the first; all of what is not named.

    Returns
    -------
    array

    Raises
    ------
    ValueError
        If the bytes are not those of such a row.
    """
    if spec.chunk is None:
        values = _part(spec, data)
        for axis in reversed(range(len(at))):
            values = values[(slice(None),) * axis + (at[axis],)]
        return values
    every = [np.arange(size) for size in spec.tail]
    wanted = [np.atleast_1d(axis[part]) for axis, part in zip(every, at, strict=False)]
    wanted += every[len(at) :]
    parts = [np.unique(axis // unit) for axis, unit in zip(wanted, spec.unit, strict=True)]
    fill = np.nan if spec.fill == "NaN" else spec.fill
    sizes = [part.size * unit for part, unit in zip(parts, spec.unit, strict=True)]
    box = np.full(sizes, fill, spec.dtype)
    index = _index(spec, data)
    for corner in product(*(range(part.size) for part in parts)):
        number = [int(part[ordinal]) for part, ordinal in zip(parts, corner, strict=True)]
        start, size = index[int(np.ravel_multi_index(number, spec.grid))]
        if start != _NONE:
            where = (slice(n * unit, (n + 1) * unit)
                     for n, unit in zip(corner, spec.unit, strict=True))  # fmt: skip
            box[tuple(where)] = _part(spec, data[start : start + size])
    local = [
        np.searchsorted(part, axis // unit) * unit + axis % unit
        for part, axis, unit in zip(parts, wanted, spec.unit, strict=True)
    ]
    values = box[np.ix_(*local)]
    single = [axis for axis, part in enumerate(at) if isinstance(part, int | np.integer)]
    return np.asarray(values.squeeze(tuple(single)))


def _index(spec: ArraySpec, data: bytes) -> list[tuple[int, int]]:
    """Return where a shard's parts begin and how long they are."""
    size = 16 * math.prod(spec.grid)
    index = _unchecked(data[-size - 4 :])
    if len(index) != size:
        raise ValueError("too short")
    numbers = struct.unpack(f"<{size // 8}Q", index)
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _part(spec: ArraySpec, data: bytes) -> np.ndarray[Any, Any]:
    """Unpack one part, or a row that is not cut into any."""
    dtype = np.dtype(spec.dtype).newbyteorder("<")
    size = dtype.itemsize * math.prod(spec.unit)
    if spec.shuffled:
        data = _unchecked(data)
        if len(data) < 16 or struct.unpack_from("<I", data, 4)[0] != size:
            raise ValueError(f"its parts do not hold {size} bytes")
        plain = blosc.decompress(data)
    else:
        if content_size(data) != size:
            raise ValueError(f"its parts do not hold {size} bytes")
        plain = zstd.decompress(data)
    return np.frombuffer(plain, dtype).reshape(spec.unit).astype(spec.dtype, copy=True)


def content_size(frame: bytes) -> int:
    """Return how many bytes a frame of zstd says it holds; -1 if it does not say.

    Parameters
    ----------
    frame : bytes

    Returns
    -------
    int

    References
    ----------
    .. [1] RFC 8878, "Zstandard Compression", section 3.1.1.1 (frame header).
    """
    if frame[:4] != _MAGIC or len(frame) < 5:
        return -1
    descriptor = frame[4]
    flag, single = descriptor >> 6, descriptor >> 5 & 1
    start = 5 + (1 - single) + (0, 1, 2, 4)[descriptor & 3]
    length = (single, 2, 4, 8)[flag]
    field = frame[start : start + length]
    if not length or len(field) < length:
        return -1
    return int.from_bytes(field, "little") + (256 if flag == 1 else 0)


def _unchecked(data: bytes) -> bytes:
    """Return what a checksum follows, if it is that of it."""
    body = data[:-4]
    if len(data) < 4 or struct.unpack("<I", data[-4:])[0] != google_crc32c.value(body):
        raise ValueError("its checksum is another")
    return body
