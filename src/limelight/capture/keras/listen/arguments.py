"""What a Keras layer was called with.

Room: capture, Keras. Comes in: a call of a trace. Goes out: its tensors, by what they are for.
"""

from __future__ import annotations

import inspect
from typing import Any

from limelight.capture.keras.backends.backend import dtype_of
from limelight.capture.keras.trace import Call

# How layers call what they are given: queries, then what keys are made of.
_NAMES = (("query", "key", "value"), ("q", "k", "v"), ("queries", "keys", "values"))


def tensors(value: Any) -> list[Any]:
    """Return the tensors inside nested arguments, in order.

    Parameters
    ----------
    value : nested structure

    Returns
    -------
    list of tensor
    """
    import keras

    return [leaf for leaf in keras.tree.flatten(value) if keras.ops.is_tensor(leaf)]


def is_float(tensor: Any) -> bool:
    """Say whether a tensor holds floats.

    Parameters
    ----------
    tensor : tensor

    Returns
    -------
    bool
    """
    import keras

    return bool(keras.backend.is_float_dtype(dtype_of(tensor)))


def is_whole(tensor: Any) -> bool:
    """Say whether a tensor holds whole numbers, such as ids.

    Parameters
    ----------
    tensor : tensor

    Returns
    -------
    bool
    """
    import keras

    return bool(keras.backend.is_int_dtype(dtype_of(tensor)))


def arguments(call: Call) -> dict[str, Any]:
    """Return a call's arguments by name, with the masks Keras added.

    Parameters
    ----------
    call : Call

    Returns
    -------
    dict of str to object
    """
    try:
        signature = inspect.signature(call.operation.call)
        bound = dict(signature.bind_partial(*call.args, **call.kwargs).arguments)
    except (TypeError, ValueError, AttributeError):
        bound = {**{str(index): arg for index, arg in enumerate(call.args)}, **call.kwargs}
    added = {name: value for name, value in call.filled.items() if bound.get(name) is None}
    return {**bound, **added}


def sequences(call: Call) -> list[Any]:
    """Return the sequences among a call's arguments: no masks, no biases, no vectors.

    Parameters
    ----------
    call : Call

    Returns
    -------
    list of tensor
        Floats with at least three axes; where there are none, ids [example, position].
    """
    named = arguments(call)
    given = [v for n, v in named.items() if "mask" not in n and "bias" not in n]
    whole = [t for t in tensors(given) if len(t.shape) >= 3 and is_float(t)]
    return whole or [t for t in tensors(given) if len(t.shape) == 2 and is_whole(t)]


def query_and_key(call: Call) -> tuple[Any, Any]:
    """Return what a call was given as queries and as keys.

    Parameters
    ----------
    call : Call

    Returns
    -------
    (tensor, tensor) or (None, None)
        The same tensor twice where there is only one; None where it is not clear.
    """
    named = arguments(call)
    for query, *keys in _NAMES:
        if named.get(query) is not None:
            key = next((named[name] for name in keys if named.get(name) is not None), None)
            return named[query], named[query] if key is None else key
    given = [v for n, v in named.items() if "mask" not in n and "bias" not in n]
    floats = [t for t in tensors(given) if len(t.shape) >= 2 and is_float(t)]
    if not floats:
        return None, None
    if len(floats) == 1:
        return floats[0], floats[0]
    # ``Attention`` takes [query, value, key].
    listed = isinstance(next(iter(given), None), (list, tuple)) and len(floats) == 3
    return floats[0], floats[2] if listed else floats[1]


def lengths(candidates: list[Any], also_ids: bool = False) -> set[int]:
    """Return how long the sequences among some tensors are.

    Parameters
    ----------
    candidates : list of tensor
    also_ids : bool
        Whether whole numbers [example, position] are sequences too.

    Returns
    -------
    set of int
    """
    return {
        int(tensor.shape[1])
        for tensor in candidates
        if len(tensor.shape) >= 3 or (also_ids and len(tensor.shape) == 2 and is_whole(tensor))
    }


def within(call: Call, other: Call) -> bool:
    """Say whether a call was made inside another.

    Parameters
    ----------
    call, other : Call

    Returns
    -------
    bool
    """
    parent = call.parent
    while parent is not None and parent is not other:
        parent = parent.parent
    return parent is other


def loop_around(call: Call) -> Call | None:
    """Return the recurrent layer in whose loop a call ran, if any.

    Parameters
    ----------
    call : Call

    Returns
    -------
    Call or None
    """
    import keras

    parent = call.parent
    while parent is not None and not isinstance(parent.operation, keras.layers.RNN):
        parent = parent.parent
    return parent
