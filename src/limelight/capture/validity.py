"""Which positions of a site are padding: only those of which something says so.

Room: capture. Comes in: which keys were reached in one softmax, what decided that, and the probe.
Goes out: which queries and which keys are valid. Knows no framework.

A key that nobody may attend to need not be padding: sparse attention leaves real words unread, and
a strictly causal mask the last one. It is padding where the model's mask was made of what the model
was given, or where the inputs themselves mark it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]

#: What decides which keys may be attended to. ``inputs``: a mask that the model was given, or that
#: was made of its ids or lengths; ``scores``: what positions hold, as where only the best keys are
#: left; ``both`` of them, or one of them; ``constant``: nothing that differs from input to input,
#: such as causality; ``unknown``: an adapter cannot tell, and what none may attend to is padding.
MaskedBy = Literal["inputs", "scores", "both", "constant", "unknown"]

#: What is added to scores that do not count is below this.
_CLOSED: Final = -9e3

#: From the one that proves least.
_LEAST_FIRST: Final[tuple[MaskedBy, ...]] = ("both", "scores", "inputs", "unknown", "constant")


@dataclass(frozen=True)
class Reach:
    """Which positions take part in any head's attention.

    Attributes
    ----------
    queries : array [example, query]
        bool, True = may attend to any key in any head.
    keys : array [example, key]
        bool, True = any query may attend to it in any head.
    masked_by : str
    filled : int, optional
        How many keys there are, less the empty end of a cache, where that is known.
    """

    queries: Flags
    keys: Flags
    masked_by: MaskedBy = "unknown"
    filled: int | None = None


def joint(parts: list[MaskedBy]) -> MaskedBy:
    """Return what decides in several calls together.

    Parameters
    ----------
    parts : list of str

    Returns
    -------
    str

    Examples
    --------
    >>> joint(["constant", "inputs"])
    'inputs'
    """
    if {"scores", "inputs"} <= set(parts):
        return "both"
    return min(parts, key=_LEAST_FIRST.index)


def padded_keys(reach: Reach, arrays: list[NDArray[Any]]) -> Flags:
    """Tell which keys are padding.

    Parameters
    ----------
    reach : Reach
    arrays : list of array
        What may mark it: the model's inputs, and masks that a module was handed. The first axis is
        the example.

    Returns
    -------
    array [example, key]
        bool.
    """
    dead = ~reach.keys
    if not dead.any() or reach.masked_by in {"inputs", "unknown"}:
        return dead
    if reach.masked_by == "constant" and bool((dead != dead[:1]).any()):
        return dead  # made of lengths, on their way through Python
    proven = np.zeros_like(dead)
    if reach.masked_by == "scores":
        return proven
    for marked, _ in _marked(arrays, dead):
        proven |= marked
    return proven


def padded_queries(padding: Flags, queries: int, reach: Reach, arrays: list[NDArray[Any]]) -> Flags:
    """Tell which queries of self-attention are padding, because their keys are.

    Parameters
    ----------
    padding : array [example, key]
        bool.
    queries : int
    reach : Reach
    arrays : list of array
        As in :func:`padded_keys`.

    Returns
    -------
    array [example, query]
        bool. Query ``q`` is key ``q`` + offset: what a cache holds comes first.
    """
    keys = padding.shape[1] if reach.filled is None else reach.filled
    offset = keys - queries
    if offset < 0:
        return np.zeros((len(padding), queries), np.bool_)
    if offset and not any(at == offset for _, at in _marked(arrays, padding)):
        # Keys that a layer learned come last in some, and then the inputs begin at the first key.
        offset = min((at for _, at in _marked(arrays, padding)), default=offset)
    return padding[:, offset : offset + queries]


def filled(keys: Flags, queries: int, vectors: NDArray[np.float32] | None) -> int:
    """Return how many keys of self-attention there are, less the empty end of a cache.

    Parameters
    ----------
    keys : array [example, key]
        bool, False where none may attend to it.
    queries : int
    vectors : array [example, head, key, feature], optional
        A cache's empty end holds zeros; padding does not.

    Returns
    -------
    int
    """
    count = keys.shape[1]
    if count <= queries or bool(keys[:, -1].any()):
        return int(count)
    used = np.flatnonzero(keys.any(axis=0))
    end = max(int(used[-1]) + 1 if len(used) else count, queries)
    if vectors is not None and bool(vectors[:, :, end:].any()):
        return int(count)
    return end


def _marked(arrays: list[NDArray[Any]], dead: Flags) -> Iterator[tuple[Flags, int]]:
    """Yield what inputs mark as padding and none may attend to; and at which key they begin."""
    examples, keys = dead.shape
    for array in arrays:
        if len(array) != examples:
            continue
        for marks in _marks(array, keys):
            width = marks.shape[1]
            for offset in dict.fromkeys((keys - width, 0)):
                spread = np.zeros_like(dead)
                spread[:, offset : offset + width] = marks
                if marks.any() and not (spread & ~dead).any():
                    yield spread, offset


def _marks(array: NDArray[Any], keys: int) -> Iterator[Flags]:
    """Yield what one input may say of padding [example, position]."""
    if array.ndim == 1 and array.dtype.kind in "iu" and array.max(initial=0) <= keys:
        yield np.arange(keys) >= array[:, None]  # lengths
    if array.ndim < 2 or not 1 < array.shape[-1] <= keys:
        yield from _blank(array, keys)
        return
    if array.dtype.kind == "f" and bool((array <= _CLOSED).any()):
        array = array > _CLOSED  # it is added to scores
    if array.dtype == np.bool_ or (array.dtype.kind in "iuf" and not _other(array)):
        flags = array.astype(np.bool_).reshape(len(array), -1, array.shape[-1])
        yield np.asarray(~flags.any(axis=1))
        yield np.asarray(flags.all(axis=1))
    elif array.ndim == 2 and array.dtype.kind in "iuf" and np.array_equal(array, np.trunc(array)):
        zeros = array == 0
        if _at_an_end(zeros):  # ids, padded with 0
            yield zeros
    yield from _blank(array, keys)


def _at_an_end(flags: Flags) -> bool:
    """Tell whether what is marked comes first, or last, in every example."""
    falls = np.diff(flags.astype(np.int8), axis=1)
    return not (falls < 0).any() or not (falls > 0).any()


def _other(array: NDArray[Any]) -> bool:
    """Tell whether an array holds other numbers than 0 and 1."""
    return bool(((array != 0) & (array != 1)).any())


def _blank(array: NDArray[Any], keys: int) -> Iterator[Flags]:
    """Yield which positions hold zeros only."""
    if array.ndim == 3 and 1 < array.shape[1] <= keys and array.dtype.kind in "iuf":
        yield ~(array != 0).any(axis=2)
