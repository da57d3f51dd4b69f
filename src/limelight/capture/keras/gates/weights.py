"""Brings gates to the axes of weights, wherever examples and heads lie among them.

Room: capture, Keras. Comes in: gates [example, head], weights, and what their axes count. Goes out:
gates that can be multiplied with the weights.
"""

from __future__ import annotations

import math
from typing import Any

from limelight.capture.gating.blending import wrong_batch
from limelight.capture.keras.recognise.layouts import Layout
from limelight.errors import GateError


def on_weights(gates: Any, weights: Any, layout: Layout) -> Any:
    """Bring gates to the axes of weights.

    Parameters
    ----------
    gates : tensor [example, head]
        One example stands for all.
    weights : tensor
    layout : Layout
        What their axes count.

    Returns
    -------
    tensor
        With as many axes as the weights.

    Raises
    ------
    GateError
        If the batch has other examples than the gates, or heads do not go on one by one.
    """
    from keras import ops

    if layout.stage:
        raise GateError(
            f"Got gates for {layout.site!r}, whose weights are changed after the softmax: "
            f"{layout.stage}.",
            "Wanted weights that are multiplied with the values as they are, or masked.",
            "Scale what the layer returns instead.",
        )
    if layout.example is not None and gates.shape[0] != 1:
        gates = gates[layout.example : layout.example + 1]
    roles = [role for axis in layout.axes for role, _ in axis]
    counted = "example" in roles and gates.shape[0] != 1
    sizes = _sizes(layout, weights, gates.shape[0] if counted else None)
    heads = [size for role, size in zip(roles, sizes, strict=True) if role == "head"]
    gates = ops.reshape(gates, (-1, *heads))
    order = [index for index, role in enumerate(roles) if role in {"example", "head"}]
    if "example" in roles:  # the order in which examples and heads come
        numbers = iter(range(1, len(heads) + 1))
        turn = [0 if roles[index] == "example" else next(numbers) for index in order]
        gates = ops.transpose(gates, turn)
    else:
        gates = gates[0] if gates.shape[0] == 1 else gates
    gated = {"head", "example"} if counted else {"head"}
    fine = [size if role in gated else 1 for role, size in zip(roles, sizes, strict=True)]
    return _joined(ops.reshape(gates, fine), layout, sizes, gated)


def _sizes(layout: Layout, weights: Any, examples: int | None) -> list[int]:
    """Return the size of each part of the weights' axes; -1 of a batch that is not known yet."""
    sizes: list[int] = []
    for axis, size in zip(layout.axes, weights.shape, strict=True):
        rest = math.prod(n for role, n in axis if role != "example")
        for role, n in axis:
            if role == "example":
                whole = -1 if size is None else size // rest
                if examples is not None and whole not in {-1, examples}:
                    raise wrong_batch(examples, whole)
                sizes.append(whole)
            else:
                sizes.append(n if len(axis) > 1 or role == "head" else 1)
    return sizes


def _joined(gates: Any, layout: Layout, sizes: list[int], gated: set[str]) -> Any:
    """Join gates' axes to those of the weights; what an axis is made of is repeated beside them."""
    from keras import ops

    wide, shape, first = list(gates.shape), [], 0
    for axis in layout.axes:
        span = range(first, first + len(axis))
        if len(axis) > 1 and gated & {role for role, _ in axis}:
            for index in span:
                wide[index] = sizes[index]
        known = [wide[index] for index in span]
        shape.append(-1 if -1 in known or None in known else math.prod(known))
        first += len(axis)
    if wide != list(gates.shape):
        if -1 in wide:
            raise GateError(
                f"Got gates for {layout.site!r} in a batch whose size is not known yet; its heads "
                "and examples share an axis.",
                "Wanted a batch of a known size.",
                "Call the model itself, not fit or predict, or give a batch_size.",
            )
        gates = ops.broadcast_to(gates, wide)
    return ops.reshape(gates, shape)
