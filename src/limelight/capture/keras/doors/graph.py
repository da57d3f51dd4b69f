"""Hands out the weights of Keras models inside the graph, and what a number changes by with them.

Room: capture, Keras. Comes in: a model. Goes out: tensors [example, head, query, key] of a call
that gradients flow through, compiled or not; or such gradients as arrays.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.gating.scope import Scope
from limelight.capture.keras import once
from limelight.capture.keras.backends.backend import backend, single
from limelight.capture.keras.backends.kernels import weights_and_values
from limelight.capture.keras.calling import outputs, tensors
from limelight.capture.keras.doors.axes import as_map, joined
from limelight.capture.keras.doors.door import Door, Meeting
from limelight.capture.keras.recognise.layouts import Layout
from limelight.capture.keras.state import untouched
from limelight.capture.probe import Probe
from limelight.capture.recognition import Choice
from limelight.errors import GateError, UnsupportedModelError

#: What Keras compiled for a model, and makes anew where it is missing.
_COMPILED = ("train_function", "test_function", "predict_function")

#: What a kernel takes that decides over its weights.
_DECIDES = ("query", "key", "value", "bias", "mask", "scale", "is_causal")


@contextmanager
def attended(model: Any, scope: Scope) -> Iterator[Mapping[str, Any]]:
    """Let each call leave its weights in the graph, by site.

    Parameters
    ----------
    model : keras.Layer
        ``fit`` and its like are compiled anew inside, so that losses may use the weights.
    scope : Scope

    Yields
    ------
    mapping of str to tensor [example, head, query, key]
        Of the newest call.
    """
    weights: dict[str, Any] = {}
    pieces: dict[str, list[tuple[Layout, Any]]] = {}

    def begin() -> None:
        weights.clear()
        pieces.clear()

    def act(meeting: Meeting) -> Any:
        given = meeting.run()
        values = _weights(meeting) if meeting.kernel else given
        layout = meeting.layout
        rows = pieces.setdefault(layout.site, [])
        rows.append((layout, as_map(values, layout)))
        weights[layout.site] = joined(rows)
        return given

    door = Door(model, scope, act, begin)
    with _compiled_anew(model), door.open(nullcontext()):
        yield weights


@contextmanager
def _compiled_anew(model: Any) -> Iterator[None]:
    """Drop what was compiled before, which knows nothing of a context, and what is inside it.

    Not from within a training step: it would pull the rug from under ``fit``. Nor is anything put
    away for later: JAX remembers what a method was compiled to for as long as somebody holds it.
    """
    knows = backend()
    try:
        knows.ready(model)
        drops = knows.COMPILES and not getattr(model, "run_eagerly", False)
    except UnsupportedModelError:  # it is being traced
        drops = False
    _drop(model, drops)
    try:
        yield
    finally:
        _drop(model, drops)


def _drop(model: Any, drops: bool) -> None:
    if drops:
        vars(model).update({name: None for name in _COMPILED if name in vars(model)})


def _weights(meeting: Meeting) -> Any:
    """Compute the weights of a kernel beside it."""
    return weights_and_values(**_deciding(meeting))[0]


def _deciding(meeting: Meeting) -> dict[str, Any]:
    """Return what of a kernel's arguments decides over its weights."""
    given = inspect.signature(meeting.function).bind(*meeting.args, **meeting.kwargs).arguments
    return {name: given[name] for name in _DECIDES if name in given}


def weight_gradients(
    model: Any, probe: Probe, scalar: Callable[[Any], Any]
) -> dict[str, NDArray[np.float32] | str]:
    """Return what a scalar of the outputs changes by with each weight, by site.

    Parameters
    ----------
    model : keras.Layer
    probe : Probe
    scalar : callable

    Returns
    -------
    dict of str to array [example, head, query, key], or str
        A text says why there is none.
    """
    from keras import ops

    tree, _ = once.laid_out(model, probe)
    stages = {str(node.attrs["module"]): str(node.attrs.get("stage", ""))
              for node in tree.subtree if node.has_data}  # fmt: skip
    added = _Added()
    door = Door(model, Scope(None, Choice.of(probe)), added.at, added.begin)
    knows, inputs = backend(), tensors(probe)

    def act(at: list[Any]) -> Any:
        added.values = at
        return _scalar(scalar, outputs(model, probe, inputs))

    with untouched(model), door.open():
        act([])
        layouts = added.layouts
        at = [ops.zeros(shape, "float32") for shape in added.shapes]
        _, slopes = knows.slopes(act, at)
    maps: dict[str, list[tuple[Layout, Any]]] = {}
    for layout, zeros, slope in zip(layouts, at, slopes, strict=True):
        values = as_map(zeros if slope is None else slope, layout)
        maps.setdefault(layout.site, []).append((layout, values))
    return {site: _shown(rows, stages.get(site) or stages.get(f"{site}/softmax", ""), probe)
            for site, rows in maps.items()}  # fmt: skip


def _shown(rows: list[tuple[Layout, Any]], stage: str, probe: Probe) -> NDArray[np.float32] | str:
    if stage:
        return f"its weights are changed after the softmax ({stage})"
    if rows[0][0].how == "alike" and probe.examples > 1:
        return "all examples share one softmax"
    return single(joined(rows))


def _scalar(scalar: Callable[[Any], Any], given: Any) -> Any:
    """Return one number, or one for each example, of what a model returned."""
    from keras import ops

    values = scalar(given)
    if not hasattr(values, "shape") or len(values.shape) > 1:
        came = f"an array {list(values.shape)}" if hasattr(values, "shape") else type(values)
        raise GateError(
            f"Got gradients= a function that gives {came}.",
            "Wanted one number, or one for each example, as a tensor.",
            "Return such as outputs[:, 1].",
        )
    return ops.reshape(ops.cast(values, "float32"), (-1,))


class _Added:
    """Adds something to whatever weights there are, so that it can be differentiated by."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.layouts: list[Layout] = []
        self.shapes: list[tuple[int, ...]] = []

    def begin(self) -> None:
        """Begin a call of the model anew."""
        self.layouts, self.shapes = [], []

    def at(self, meeting: Meeting) -> Any:
        """Return what comes out, with something added to the weights."""
        from keras import ops

        if not meeting.kernel:
            return self._with(meeting.layout, meeting.run())
        weights, value = weights_and_values(**_deciding(meeting))
        return ops.einsum("bhqk,bkhd->bqhd", self._with(meeting.layout, weights), value)

    def _with(self, layout: Layout, weights: Any) -> Any:
        from keras import ops

        number = len(self.layouts)
        self.layouts.append(layout)
        self.shapes.append(tuple(int(size) for size in weights.shape))
        if number >= len(self.values):
            return weights
        return weights + ops.cast(self.values[number], weights.dtype)
