"""Brings patterns to the axes of a softmax, and weights to those of maps, in Keras.

Room: capture, Keras. Comes in: what the axes of a softmax count. Goes out: masks that can be laid
over it, and maps [example, head, query, key].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.capture.keras.recognise.layouts import Layout
from limelight.errors import GateError

ROLES: Final = ("example", "head", "query", "key")

#: Of each part of each axis: its role and its size; -1 for one that is not known yet.
Parts = list[tuple[str, int]]


def parts_of(layout: Layout, shape: Sequence[int | None]) -> Parts:
    """Return what the axes of a softmax are made of, as long as they are now.

    Parameters
    ----------
    layout : Layout
    shape : sequence of int or None

    Returns
    -------
    list of (str, int)
        The slowest first.

    Raises
    ------
    GateError
        If an axis cannot be what it was when the model was looked at.
    """
    if len(layout.axes) != len(shape):
        raise _otherwise(layout, shape)
    parts: Parts = []
    for axis, size in zip(layout.axes, shape, strict=True):
        if len(axis) == 1:
            parts.append((axis[0][0], -1 if size is None else int(size)))
            continue
        rest = math.prod(n for role, n in axis if role != "example")
        whole = -1 if size is None else int(size) // rest
        if not any(role == "example" for role, _ in axis):
            whole = 1
        if size is not None and rest * whole != size:
            raise _otherwise(layout, shape)
        parts += [(role, whole if role == "example" else n) for role, n in axis]
    return parts


def _otherwise(layout: Layout, shape: Sequence[int | None]) -> GateError:
    made = [[size for _, size in axis] for axis in layout.axes]
    return GateError(
        f"Got a softmax of shape {list(shape)} at {layout.site!r}, whose axes were made of {made}.",
        "Wanted inputs that the model attends to as to those before.",
        "Open the context anew for inputs of another form.",
    )


def sizes(parts: Parts) -> tuple[int, int, int, int]:
    """Return how many examples, heads, queries and keys there are; -1 of what is not known yet.

    Parameters
    ----------
    parts : list of (str, int)

    Returns
    -------
    tuple of int
    """
    counts = {role: [size for name, size in parts if name == role] for role in ROLES}
    examples, heads, queries, keys = (
        -1 if -1 in counts[role] else math.prod(counts[role]) for role in ROLES
    )
    return examples, heads, queries, keys


def on_axes(cells: NDArray[Any], layout: Layout, parts: Parts) -> NDArray[Any]:
    """Bring cells to the axes of a softmax.

    Parameters
    ----------
    cells : array [example or 1, head or 1, query or 1, key or 1]
    layout : Layout
    parts : list of (str, int)

    Returns
    -------
    array
        With as many axes as the softmax; sizes of one stand for all.
    """
    if layout.example is not None and len(cells) > 1:
        cells = cells[layout.example : layout.example + 1]
    grouped = [index for role in ROLES for index, part in enumerate(parts) if part[0] == role]
    alone = {role: cells.shape[axis] == 1 for axis, role in enumerate(ROLES)}
    fine = [1 if alone[parts[index][0]] else parts[index][1] for index in grouped]
    values = cells.reshape(fine).transpose([grouped.index(index) for index in range(len(parts))])
    shape, first = [], 0
    wide = list(values.shape)
    for axis in layout.axes:
        span = range(first, first + len(axis))
        if any(wide[index] > 1 for index in span):  # what an axis is made of goes together
            for index in span:
                wide[index] = parts[index][1]
        shape.append(math.prod(wide[index] for index in span))
        first += len(axis)
    return np.broadcast_to(values, wide).reshape(shape)


def as_map(values: Any, layout: Layout) -> Any:
    """Bring what has the axes of a softmax to [example, head, query, key], in the graph.

    Parameters
    ----------
    values : tensor
    layout : Layout

    Returns
    -------
    tensor
    """
    from keras import ops

    parts = parts_of(layout, values.shape)
    order = [index for role in ROLES for index, part in enumerate(parts) if part[0] == role]
    turned = ops.transpose(ops.reshape(values, [size for _, size in parts]), order)
    return ops.reshape(turned, sizes(parts))


def joined(pieces: Sequence[tuple[Layout, Any]]) -> Any:
    """Join the maps of a site's softmaxes.

    Parameters
    ----------
    pieces : sequence of (Layout, tensor [example, head, query, key])
        In the order they ran.

    Returns
    -------
    tensor [example, head, query, key]
    """
    from keras import ops

    last = [(layout, values) for layout, values in pieces if layout.how != "earlier"]
    if len(last) == 1:
        return last[0][1]
    how = last[0][0].how
    if how == "examples":
        last.sort(key=lambda piece: piece[0].example or 0)
        return ops.concatenate([values for _, values in last], axis=0)
    keys = max(values.shape[-1] for _, values in last)
    wide = [ops.pad(values, [[0, 0]] * 3 + [[0, keys - values.shape[-1]]])
            if values.shape[-1] < keys else values for _, values in last]  # fmt: skip
    return ops.concatenate(wide, axis=2)
