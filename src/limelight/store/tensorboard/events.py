"""What stock TensorBoard sees of a recording: a pointer, mean measures, histograms.

Room: store. Comes in: facts of one published step. Goes out: records of an event file. Uses
TensorBoard's messages but not its writer: that one imports TensorFlow where there is one, and
spends 0.2 s per megabyte on checksums in Python.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any, Final

import google_crc32c
import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import (
    DATA_CLASS_SCALAR,
    DATA_CLASS_TENSOR,
    Summary,
    SummaryMetadata,
)
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DT_DOUBLE, DT_FLOAT, DT_INT64

from limelight.schema import SCHEMA_VERSION

#: Tag of the summary that tells TensorBoard, without a look at the disk, that we recorded here.
POINTER: Final = "limelight/index"
PLUGIN: Final = "limelight"

_numbers = count()


class EventFile:
    """An event file of our own in a run's folder, made when something is first written.

    Parameters
    ----------
    run_dir : Path
        The run's folder.
    """

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._path: Path | None = None
        self._described: set[str] = set()

    def write(
        self,
        step: int,
        wall_time: float,
        scalars: Mapping[str, float],
        histograms: Mapping[str, np.ndarray[Any, Any]],
        pointer: bool = True,
    ) -> None:
        """Write one step.

        Parameters
        ----------
        step : int
        wall_time : float
            Seconds since 1970.
        scalars : mapping of str to float
            By tag.
        histograms : mapping of str to array [bin, 3]
            Left edge, right edge and count of each bin, by tag.
        pointer : bool
            Whether the step is a new one, of which TensorBoard is told.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        if self._path is not None and not self._path.exists():
            # The folder was emptied: a file without its beginning, and without what tells
            # TensorBoard of each tag, would be read as nothing.
            self._path = None
            self._described.clear()
        event = Event(wall_time=wall_time, step=step)
        values = event.summary.value
        if pointer:
            self._add(values, POINTER, PLUGIN, np.int64(step), DT_INT64, DATA_CLASS_TENSOR)
        for tag, number in scalars.items():
            self._add(values, tag, "scalars", np.float32(number), DT_FLOAT, DATA_CLASS_SCALAR)
        for tag, bins in histograms.items():
            self._add(values, tag, "histograms", bins.astype("<f8"), DT_DOUBLE, DATA_CLASS_TENSOR)
        # One write of whole records: a reader that comes meanwhile sees all of them or waits.
        data = _record(event.SerializeToString())
        if self._path is None:
            self._path = self._run_dir / _name(wall_time)
            data = _record(_version(wall_time)) + data
        with self._path.open("ab") as file:
            file.write(data)

    def _add(
        self, values: Any, tag: str, plugin: str, number: Any, dtype: Any, data_class: Any
    ) -> None:
        number = np.asarray(number)
        tensor = TensorProto(dtype=dtype, tensor_content=number.tobytes())
        for size in number.shape:
            tensor.tensor_shape.dim.add(size=size)
        value = Summary.Value(tag=tag, tensor=tensor)
        if tag not in self._described:  # TensorBoard keeps what a tag's first summary says
            value.metadata.CopyFrom(_metadata(plugin, data_class))
            self._described.add(tag)
        values.append(value)


def _metadata(plugin: str, data_class: Any) -> Any:
    # Scalars and histograms say "version 0" by an empty message.
    content = str(SCHEMA_VERSION).encode() if plugin == PLUGIN else b""
    data = SummaryMetadata.PluginData(plugin_name=plugin, content=content)
    return SummaryMetadata(plugin_data=data, data_class=data_class)


def _name(wall_time: float) -> str:
    host = socket.gethostname()
    number = f"{os.getpid()}.{next(_numbers)}"
    return f"events.out.tfevents.{int(wall_time):010d}.{host}.{number}.limelight"


def _version(wall_time: float) -> bytes:
    return bytes(Event(wall_time=wall_time, file_version="brain.Event:2").SerializeToString())


def _record(data: bytes) -> bytes:
    """Frame a message as event files do: length, its checksum, the message, its checksum."""
    length = struct.pack("<Q", len(data))
    return length + _checksum(length) + data + _checksum(data)


def _checksum(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    # TensorFlow turns and shifts it, so that a checksum of checksums stays one.
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
