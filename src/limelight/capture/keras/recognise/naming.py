"""From the trace of a Keras forward pass to named sites.

Room: capture, Keras. Comes in: a trace. Goes out: the softmaxes that are attention, under the paths
of their layers and in the order they ran, or an error that says what was seen instead.
"""

from __future__ import annotations

from typing import Any

from limelight.capture.keras import names as keras_names
from limelight.capture.keras.backends.backend import backend
from limelight.capture.keras.listen.arguments import loop_around
from limelight.capture.keras.recognise.attention import Recogniser, Site
from limelight.capture.keras.trace import Call, Trace
from limelight.capture.recognition import Choice, Other, nothing_seen
from limelight.errors import UnsupportedModelError

_COMPILED = "A part of it ran inside compiled functions, which show no values."
_SAVED = "Load the Keras file the model was saved to, not an exported one."
_FIX = "If a layer forms weights with exp() and sum(), let it use keras.ops.softmax."


def recognised(
    model: Any, trace: Trace, recogniser: Recogniser, choice: Choice
) -> list[tuple[str, list[Site]]]:
    """Choose the softmaxes that are attention, and name them.

    Parameters
    ----------
    model : keras.Layer
    trace : Trace
    recogniser : Recogniser
    choice : Choice
        What the user decided on.

    Returns
    -------
    list of (str, list of Site)
        At least one; several sites under one path are the steps of a loop.

    Raises
    ------
    UnsupportedModelError
        If none is attention, or ``include`` or ``exclude`` names a path without a softmax.
    """
    names = keras_names.paths(model)
    sites: list[tuple[str, Site]] = []
    others: list[Other] = []
    seen: list[str] = []
    for softmax_call in trace.softmaxes:
        call, operation = recogniser.owner(softmax_call)
        path = _path(call, operation, names, model)
        seen.append(path)
        verdict = recogniser(softmax_call, forced=choice.includes(path))
        if isinstance(verdict, str):
            others.append(Other(path, "" if call is None else type(operation).__name__, verdict))
        elif not choice.excludes(path):
            sites.append((path, verdict))
    choice.check(seen, others, "layer")
    if not sites:
        raise _nothing(model, trace, others, names)
    numbered: list[tuple[str, list[Site]]] = []
    count: dict[str, int] = {}
    for path, group in _steps_joined(sites):
        number = count.get(path, 0)
        count[path] = number + 1
        numbered.append((f"{path}:{number}" if number else path, group))
    return numbered


def _steps_joined(sites: list[tuple[str, Site]]) -> list[tuple[str, list[Site]]]:
    """Join the steps of a recurrent cell: each attends with one query.

    On some backends Keras calls a cell once more before the first step, only to learn its output's
    shape; that call is dropped.
    """
    joined: list[tuple[str, list[Site]]] = []
    loops: dict[tuple[str, int], tuple[Call, list[Site]]] = {}
    for path, site in sites:
        loop = loop_around(site.owner)
        if loop is None or site.kind != "pooling":
            joined.append((path, [site]))
            continue
        key = (path, id(loop))
        if key not in loops:
            loops[key] = (loop, [])
            joined.append((path, loops[key][1]))
        loops[key][1].append(site)
    for loop, group in loops.values():
        shapes = {tuple(site.softmax_call.weights.shape) for site in group}
        tried = backend().TRIES_A_STEP and not loop.operation.unroll
        if tried and len(group) > 1 and len(shapes) == 1:
            del group[0]
    return joined


def _path(call: Call | None, operation: Any, names: dict[int, str], model: Any) -> str:
    """Return a module's path in the model; the model itself goes by its name."""
    if call is None:
        return keras_names.name_of(model)
    known = names.get(id(operation))
    if known is not None:
        return known or keras_names.name_of(model)
    # A layer its owner did not attach, or an operation of a functional graph.
    if call.parent is None:
        return keras_names.name_of(operation)
    above = names.get(id(call.parent.operation))
    if above is None:
        above = _path(call.parent, call.parent.operation, names, model)
    return f"{above}/{keras_names.name_of(operation)}".lstrip("/")


def _nothing(
    model: Any, trace: Trace, others: list[Other], names: dict[int, str]
) -> UnsupportedModelError:
    """Build the error that says what was seen instead of attention."""
    return nothing_seen(
        model.name,
        "layer",
        (names.get(id(call.operation), "") for call in trace.calls),
        others,
        why=_COMPILED if trace.hidden else "",
        wanted="Wanted Attention, AdditiveAttention, MultiHeadAttention, or a layer that takes a "
        "softmax over positions.",
        fix=_SAVED if trace.hidden else _FIX,
    )
