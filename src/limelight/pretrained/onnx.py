"""Reads parameters out of an ONNX file, without ONNX.

Room: pretrained. Comes in: the bytes of a file. Goes out: its constants, and for a DINOv2 the names
that transformers gives them. Of the protocol buffer only what holds parameters is read: graph (7)
with nodes (1) and initialisers (5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.errors import UnavailableError

_FLOAT = 1


def constants(data: bytes) -> tuple[dict[str, NDArray[np.float32]], dict[str, list[str]]]:
    """Return the float constants of an ONNX graph, and what each node takes.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    dict of str to array
        float32, by name.
    dict of str to list of str
        Names of each node's inputs, by the node's name.
    """
    arrays: dict[str, NDArray[np.float32]] = {}
    nodes: dict[str, list[str]] = {}
    for graph in _fields(memoryview(data), 7):
        for node in _fields(graph, 1):
            name = b"".join(bytes(text) for text in _fields(node, 3)).decode()
            nodes[name] = [bytes(text).decode() for text in _fields(node, 1)]
        for tensor in _fields(graph, 5):
            if next(_fields(tensor, 2), 0) != _FLOAT:
                continue
            name = bytes(next(_fields(tensor, 8))).decode()
            values = np.frombuffer(next(_fields(tensor, 9)), "<f4")
            arrays[name] = values.reshape(list(_fields(tensor, 1)))
    return arrays, nodes


def dinov2_state(data: bytes) -> dict[str, NDArray[np.float32]]:
    """Return the parameters of a DINOv2 backbone under the names of ``Dinov2Model``.

    Parameters
    ----------
    data : bytes
        Exported with the backbone under ``backbone``.

    Returns
    -------
    dict of str to array
        float32.

    Raises
    ------
    UnavailableError
        If the file holds no such backbone.
    """
    arrays, nodes = constants(data)
    state = {
        name.removeprefix("backbone."): values
        for name, values in arrays.items()
        if name.startswith("backbone.")
    }
    for name, inputs in nodes.items():
        # The exporter turned matrices round and took their names away; the node that multiplies
        # by one is still called after it.
        module = re.fullmatch(r"/backbone/(encoder/.+)/MatMul", name)
        if module and inputs[1] in arrays:
            state[module[1].replace("/", ".") + ".weight"] = arrays[inputs[1]].T
    width = state.get("layernorm.weight", np.empty(0, np.float32)).shape[-1]
    embeddings = [v for v in arrays.values() if v.ndim == 3 and v.shape[-1] == width]
    first = [v for n, v in arrays.items() if v.shape == (1, 1, width) and n.startswith("onnx::")]
    patches = [v for v in embeddings if v.shape[1] > 1]
    if not width or len(first) != 1 or len(patches) != 1:
        raise UnavailableError(
            f"Got an ONNX file with {len(arrays)} constants.",
            "Wanted the backbone of a DINOv2 in it, with its position embeddings.",
            "Report it: the version and hash of its package are the expected ones.",
        )
    # The exporter split them to interpolate all but the first.
    state["embeddings.position_embeddings"] = np.concatenate([first[0], patches[0]], axis=1)
    return state


def _fields(message: Any, wanted: int) -> Iterator[Any]:
    """Yield the values of one field of a message: a number, or a view of bytes."""
    start = 0
    while start < len(message):
        tag, start = _number(message, start)
        kind = tag & 7
        value: Any
        if kind == 0:
            value, start = _number(message, start)
        else:
            size, start = _number(message, start) if kind == 2 else ({1: 8, 5: 4}[kind], start)
            value = message[start : start + size]
            start += size
        if tag >> 3 == wanted:
            yield value


def _number(message: Any, start: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[start]
        start += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, start
