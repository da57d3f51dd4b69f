"""Values out of the bytes of one row, believed only as far as they fit.

Room: store. Comes in: an :class:`~limelight.store.format.layout.ArraySpec`, what
:mod:`~limelight.store.zarr.shards` made of a row, a selection. Goes out: NumPy arrays. Of a row cut
into parts only those are read that are asked for; what a frame says of its size is compared before
it is unpacked.
"""

from __future__ import annotations

import math
import struct
from itertools import product
from typing import Any, Final, Protocol

import google_crc32c
import numpy as np
from numcodecs import blosc, zstd  # type: ignore[import-untyped]

from limelight.store.format.layout import ArraySpec

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_NONE: Final = 2**64 - 1


#: No compressor makes more of what it cannot compress, beside its own header.
_WORST: Final = 1 << 12


class Bytes(Protocol):
    """Bytes of which some can be read, as those of a :class:`~..format.guarded.Source`."""

    size: int

    def read(self, start: int, length: int) -> bytes:
        """Return that many from a position on; raise ValueError if there are not so many."""


class Held:
    """Bytes in memory.

    Parameters
    ----------
    data : bytes
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, start: int, length: int) -> bytes:
        """Return that many from a position on; raise ValueError if there are not so many."""
        if start < 0 or length < 0 or start + length > self.size:
            raise ValueError("too short")
        return self._data[start : start + length]


def most_bytes(spec: ArraySpec) -> int:
    """Return how many bytes a row may take, if nothing of it could be compressed."""
    parts = 1 if spec.chunk is None else math.prod(spec.grid)
    return parts * (_most_of_part(spec) + 16) + _WORST


def unpacked(spec: ArraySpec, data: Bytes, at: tuple[Any, ...] = ()) -> np.ndarray[Any, Any]:
    """Return part of a row.

    Parameters
    ----------
    spec : ArraySpec
    data : Bytes
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
        if data.size > _most_of_part(spec):
            raise ValueError("too long")
        values = _part(spec, data.read(0, data.size))
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
        start, size = map(int, index[np.ravel_multi_index(number, spec.grid)])
        if start != _NONE:
            where = (slice(n * unit, (n + 1) * unit)
                     for n, unit in zip(corner, spec.unit, strict=True))  # fmt: skip
            if size > _most_of_part(spec):
                raise ValueError("a part is too long")
            box[tuple(where)] = _part(spec, data.read(start, size))
    local = [
        np.searchsorted(part, axis // unit) * unit + axis % unit
        for part, axis, unit in zip(parts, wanted, spec.unit, strict=True)
    ]
    values = box[np.ix_(*local)]
    single = [axis for axis, part in enumerate(at) if isinstance(part, int | np.integer)]
    return np.asarray(values.squeeze(tuple(single)))


def _most_of_part(spec: ArraySpec) -> int:
    plain = np.dtype(spec.dtype).itemsize * math.prod(spec.unit)
    return plain + plain // 8 + _WORST


def _index(spec: ArraySpec, data: Bytes) -> np.ndarray[Any, Any]:
    """Return where a shard's parts begin and how long they are [part, 2]."""
    size = 16 * math.prod(spec.grid)
    index = _unchecked(data.read(data.size - size - 4, size + 4))
    return np.frombuffer(index, "<u8").reshape(-1, 2)


def _part(spec: ArraySpec, data: bytes) -> np.ndarray[Any, Any]:
    """Unpack one part, or a row that is not cut into any."""
    dtype = np.dtype(spec.dtype).newbyteorder("<")
    size = dtype.itemsize * math.prod(spec.unit)
    if spec.shuffled:
        data = _unchecked(data)
        if len(data) < 16 or struct.unpack_from("<I4xI", data, 4) != (size, len(data)):
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
