"""Cuts edges of attention in Keras models.

Room: capture, Keras. Comes in: a model and which cells stay. Goes out: a context in which kernels
get the cut through their mask, and softmaxes through their scores.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.gating.cutting import Cut, lost
from limelight.capture.keras.backends.backend import backend, dtype_of
from limelight.capture.keras.doors.axes import on_axes, parts_of, sizes
from limelight.capture.keras.doors.door import Door, Meeting
from limelight.capture.keras.gates.hooking import CLOSED, attending_by, attends_by
from limelight.capture.keras.recognise.layouts import Layout
from limelight.errors import LimelightWarning

Cells = NDArray[np.bool_]


@contextmanager
def cut(model: Any, cut: Cut) -> Iterator[None]:
    """Let queries attend to some keys only while the context lasts.

    Parameters
    ----------
    model : keras.Layer
    cut : Cut

    Yields
    ------
    None

    Raises
    ------
    GateError
        As :func:`limelight.capture.cut`.
    """
    edges = _Edges(cut)
    with Door(model, cut.scope, edges.at, edges.begin).open():
        yield


class _Edges:
    """Lays a cut over whatever attends."""

    def __init__(self, cut: Cut) -> None:
        self._cut = cut
        self._asked: dict[str, int] = {}
        self._warned: set[str] = set()

    def begin(self) -> None:
        """Forget which queries have asked in the call before."""
        self._asked.clear()

    def at(self, meeting: Meeting) -> Any:
        """Let something attend to what stays."""
        return self._kernel(meeting) if meeting.kernel else self._softmax(meeting)

    def _cells(self, layout: Layout, shape: Any) -> Cells:
        """Return which cells stay, with as many axes as a softmax."""
        parts = parts_of(layout, shape)
        examples, heads, queries, keys = sizes(parts)
        first, whole = 0, (queries, keys)
        if layout.how in ("steps", "growing"):
            first = self._asked.get(layout.site, 0)
            self._asked[layout.site] = first + queries
            if layout.whole[0] > queries or first:  # one of several steps
                whole = max(layout.whole[0], first + queries), max(layout.whole[1], keys)
        grows = layout.kind == "self"
        cells = self._cut.cells(layout.site, (examples, heads, *whole), grows=grows)
        if whole != (queries, keys):
            cells = cells[:, :, first : first + queries, :keys]
        return on_axes(cells, layout, parts)

    def _softmax(self, meeting: Meeting) -> Any:
        from keras import ops

        layout = meeting.layout
        scores = attends_by(meeting.args, meeting.kwargs)
        stay = ops.convert_to_tensor(self._cells(layout, scores.shape))
        open_before = scores > ops.cast(CLOSED, scores.dtype)
        mask = meeting.kwargs.get("mask")
        if mask is not None:
            open_before = ops.logical_and(open_before, ops.cast(mask, "bool"))
        axes = [axis for axis, row in enumerate(layout.axes) if any(r == "key" for r, _ in row)]
        had, left = (ops.any(cells, axis=axes, keepdims=True)
                     for cells in (open_before, ops.logical_and(open_before, stay)))  # fmt: skip
        low = -6e4 if dtype_of(scores) == "float16" else -1e30
        closed = ops.where(ops.logical_or(stay, ops.logical_not(had)), scores,
                           ops.cast(low, scores.dtype))  # fmt: skip
        args, kwargs = attending_by(meeting.args, meeting.kwargs, closed)
        gone = ops.logical_and(had, ops.logical_not(left))
        self._warn(layout.site, gone)
        weights = meeting.function(*args, **kwargs)
        return ops.where(gone, ops.zeros_like(weights), weights)

    def _kernel(self, meeting: Meeting) -> Any:
        from keras import ops

        given = inspect.signature(meeting.function).bind(*meeting.args, **meeting.kwargs)
        arguments = given.arguments
        query, key = arguments["query"], arguments["key"]
        shape = (query.shape[0], query.shape[2], query.shape[1], key.shape[1])
        stay = self._cells(meeting.layout, shape)
        mask, bias = arguments.get("mask"), arguments.get("bias")
        before: Any = np.ones((1, 1, 1, 1), np.bool_)
        if arguments.get("is_causal"):
            before = np.tri(shape[2], shape[3], dtype=np.bool_)[None, None]
        if mask is None and bias is None:  # nothing depends on the data
            cells = before & stay
            had, left = (rows.any(-1, keepdims=True) for rows in (before, cells))
            whole = bool(left.all())
        else:
            before, stay = ops.convert_to_tensor(before), ops.convert_to_tensor(stay)
            if mask is not None:
                before = ops.logical_and(before, ops.cast(mask, "bool"))
            if bias is not None:
                before = ops.logical_and(before, bias > ops.cast(CLOSED, bias.dtype))
            cells, whole = ops.logical_and(before, stay), False
            had, left = (ops.any(rows, axis=-1, keepdims=True) for rows in (before, cells))
            cells = ops.where(had, cells, before)
        if bias is not None:  # torch takes one of both
            low = ops.cast(-6e4 if dtype_of(bias) == "float16" else -1e30, bias.dtype)
            arguments |= {"bias": ops.where(cells, bias, low), "mask": None}
        else:
            arguments |= {"mask": ops.convert_to_tensor(cells), "is_causal": False}
        if arguments.get("flash_attention"):
            arguments["flash_attention"] = None  # as far as it takes masks
        outputs = meeting.function(*given.args, **given.kwargs)
        if whole:
            return outputs
        gone = ops.logical_and(had, ops.logical_not(left))
        self._warn(meeting.layout.site, gone)
        return ops.where(ops.transpose(gone, (0, 2, 1, 3)), ops.zeros_like(outputs), outputs)

    def _warn(self, site: str, gone: Any) -> None:
        """Tell once of queries that have no key left, where it is known."""
        knows = backend()
        if site in self._warned or not knows.has_values(gone):
            return
        rows = int(knows.read(gone).sum())
        if rows:
            self._warned.add(site)
            warnings.warn(LimelightWarning(lost(site, rows)), stacklevel=2)
