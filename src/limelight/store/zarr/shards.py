"""Rows of Zarr arrays, written straight to disk.

Room: store. Comes in: an :class:`~limelight.store.format.layout.ArraySpec` and a row's values. Goes
out: files, or members of a bundle, that any reader of Zarr v3 understands. Zarr's own writer spends
most of its time between the parts of a shard: 0.45 s for 576 heads of 128², where compressing them
takes 0.04 s.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterable, Iterator
from itertools import chain, product
from pathlib import Path
from typing import Any, Final

import google_crc32c
import numpy as np
from numcodecs import blosc, zstd  # type: ignore[import-untyped]

from limelight.store.format.files import Files
from limelight.store.format.layout import MARK, ArraySpec

#: Higher levels take three times as long and gain a fiftieth on attention maps.
_LEVEL: Final = 1

#: Compressed bytes up to which a row that need not be a file is bundled with others.
_SMALL: Final = 1 << 20

#: Arrays get room for rows by so many at a time.
ROOM: Final = 64

_BYTES: Final = {"name": "bytes", "configuration": {"endian": "little"}}
_CRC: Final = {"name": "crc32c"}
_ZSTD: Final = {"name": "zstd", "configuration": {"level": _LEVEL, "checksum": True}}
#: Where a shard's list of parts says that one was not written.
_NONE: Final = struct.pack("<QQ", 2**64 - 1, 2**64 - 1)


def metadata(spec: ArraySpec, rows: int) -> dict[str, Any]:
    """Return what an array's ``zarr.json`` says.

    Parameters
    ----------
    spec : ArraySpec
    rows : int
        Size of the first axis.

    Returns
    -------
    dict

    References
    ----------
    .. [1] Zarr core specification version 3, and its codec ``sharding_indexed``.
       https://zarr-specs.readthedocs.io/
    """
    whole = [count * part for count, part in zip(spec.grid, spec.unit, strict=True)]
    serial = {"name": "bytes"} if spec.dtype in ("bool", "uint8") else _BYTES
    packed = [_blosc(np.dtype(spec.dtype).itemsize), _CRC] if spec.shuffled else [_ZSTD]
    codecs: list[dict[str, Any]] = [serial, *packed]
    if spec.chunk is not None:
        sharding = {
            "chunk_shape": [1, *spec.unit],
            "codecs": codecs,
            "index_codecs": [_BYTES, _CRC],
            "index_location": "end",
        }
        codecs = [{"name": "sharding_indexed", "configuration": sharding}]
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [rows, *spec.tail],
        "data_type": spec.dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, *whole]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": spec.fill,
        "codecs": codecs,
        "attributes": {},
        "dimension_names": list(spec.dims),
    }


def least_size(spec: ArraySpec) -> int:
    """Return how many bytes a row's file takes before any values: the list of its parts."""
    index = 0 if spec.chunk is None else 16 * math.prod(spec.grid) + 4
    return index + (MARK if spec.marked else 0)


def grow(files: Files, spec: ArraySpec, rows: int) -> int:
    """Make room for so many rows, rounded up to a multiple of :data:`ROOM`, and return how many."""
    room = -(-rows // ROOM) * ROOM
    files.array(spec).mkdir(parents=True, exist_ok=True)
    group = files.data / "zarr.json"
    if not group.exists():
        replace(group, json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}}))
    replace(files.array(spec) / "zarr.json", json.dumps(metadata(spec, room)))
    return room


def write(
    files: Files,
    spec: ArraySpec,
    row: int,
    values: np.ndarray[Any, Any] | Iterable[np.ndarray[Any, Any] | None],
    run: str,
) -> bytes | None:
    """Write one row, if it is to be a file of its own.

    Parameters
    ----------
    files : Files
    spec : ArraySpec
    row : int
    values : array, or iterable of arrays
        The row in the array's own type; of one cut into parts, one array after another along the
        first axis, each asked for when those before it are written. What lies beyond an axis
        shorter than the array's, or where None stands for an array, is not written.
    run : str
        The run's own mark.

    Returns
    -------
    bytes or None
        What is small, to be bundled; None if it was written.

    Raises
    ------
    OSError
        If it cannot be written. Whatever is raised, nothing of the row is left then.

    Notes
    -----
    A killed process loses nothing. After a power cut a published row may be missing; readers then
    say so. Waiting for the disk would cost more than all else here.
    """
    pieces = _pieces(spec, values)
    if spec.chunk is None:
        return next(pieces)
    if not spec.single:
        begun, size = [], 0
        for piece in pieces:
            begun.append(piece)
            size += len(piece or b"")
            if size > _SMALL:
                break
        else:
            return b"".join(_shard(iter(begun), 0))
        pieces = chain(begun, pieces)
    mark, path = spec.mark(run, row), files.row(spec, row)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("wb") as file:
            file.write(mark)
            file.writelines(_shard(pieces, len(mark)))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return None


def replace(path: Path, text: str | bytes) -> None:
    """Write a small file so that readers see the old one or the new one, whole."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _blosc(size: int) -> dict[str, Any]:
    # Numbers of attention are noise in their lower bytes; apart from these the upper ones shrink
    # further.
    configuration = {
        "typesize": size, "cname": "zstd", "clevel": _LEVEL, "shuffle": "shuffle", "blocksize": 0,
    }  # fmt: skip
    return {"name": "blosc", "configuration": configuration}


def _shard(pieces: Iterator[bytes | None], offset: int) -> Iterator[bytes]:
    """Yield the parts of a shard, and last the list of where they are."""
    index = bytearray()
    for piece in pieces:
        if piece is None:
            index += _NONE
            continue
        index += struct.pack("<QQ", offset, len(piece))
        offset += len(piece)
        yield piece
    yield _checked(bytes(index))


def _pieces(
    spec: ArraySpec, values: np.ndarray[Any, Any] | Iterable[np.ndarray[Any, Any] | None]
) -> Iterator[bytes | None]:
    """Cut a row into its parts, in order, compressed."""
    if spec.chunk is None:
        yield _packed(spec, np.ascontiguousarray(values))
        return
    shape = spec.chunk[1:]  # a part is always one wide along the first axis
    count, *grid = spec.grid
    cuts = [
        tuple(slice(at * size, (at + 1) * size) for at, size in zip(corner, shape, strict=True))
        for corner in product(*map(range, grid))
    ]
    for _, array in zip(range(count), values, strict=True):
        for cut in cuts:
            part = None if array is None else array[cut]
            if part is None or not part.size:
                yield None
            else:
                yield _packed(spec, _filled(spec, part, shape))


def _filled(
    spec: ArraySpec, part: np.ndarray[Any, Any], shape: tuple[int, ...]
) -> np.ndarray[Any, Any]:
    """Bring a part at the edge to full size: Zarr's parts are all alike."""
    if part.shape == shape:
        return np.ascontiguousarray(part)
    fill = np.nan if spec.fill == "NaN" else spec.fill
    full = np.full(shape, fill, part.dtype)
    full[tuple(map(slice, part.shape))] = part
    return full


def _packed(spec: ArraySpec, part: np.ndarray[Any, Any]) -> bytes:
    if spec.shuffled:
        return _checked(blosc.compress(part, b"zstd", _LEVEL, blosc.SHUFFLE, 0))
    return bytes(zstd.compress(part, _LEVEL, True))


def _checked(data: bytes) -> bytes:
    return bytes(data) + struct.pack("<I", google_crc32c.value(bytes(data)))
