"""From the trace of a Keras forward pass to named sites.

Room: capture, Keras. Comes in: a trace. Goes out: the softmaxes that are attention, under the paths
of their layers and in the order they ran, and a record of every softmax; or an error that says what
was seen instead.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from limelight.capture.keras import names as keras_names
from limelight.capture.keras.backends.backend import backend
from limelight.capture.keras.listen.arguments import loop_around
from limelight.capture.keras.recognise.attention import Recogniser, Site
from limelight.capture.keras.trace import Call, Trace
from limelight.capture.recognition import Choice, Softmax, nothing_seen
from limelight.errors import UnsupportedModelError

#: Said where softmaxes may have run unseen.
COMPILED = "A part of it ran inside compiled functions, which show no values."
_SAVED = "Load the Keras file the model was saved to, not an exported one."
_FIX = "If a layer forms weights with exp() and sum(), let it use keras.ops.softmax."


def recognised(
    model: Any, trace: Trace, recogniser: Recogniser, choice: Choice
) -> tuple[list[tuple[str, list[Site]]], list[Softmax]]:
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
        Several sites under one path are the steps of a loop.
    list of Softmax
        Every one that ran, in order.

    Raises
    ------
    UnsupportedModelError
        If ``include`` or ``exclude`` names a path without a softmax.
    """
    names = keras_names.paths(model)
    sites: list[tuple[str, Site]] = []
    softmaxes: list[Softmax] = []
    seen: list[str] = []
    for softmax_call in trace.softmaxes:
        call, operation = recogniser.owner(softmax_call)
        path = _path(call, operation, names, model)
        seen.append(path)
        verdict = recogniser(softmax_call, forced=choice.includes(path))
        if not isinstance(verdict, str):
            if choice.excludes(path):
                verdict = "exclude names it"
            else:
                sites.append((path, verdict))
        shape = tuple(int(size) for size in softmax_call.weights.shape)
        kind = "" if call is None else type(operation).__name__
        classifies = recogniser.classifies(softmax_call)
        softmaxes.append(_record(Softmax(path, kind, shape), verdict, classifies))
    choice.check(seen, [softmax for softmax in softmaxes if softmax.kind is None], "layer")
    numbered: list[tuple[str, list[Site]]] = []
    count: dict[str, int] = {}
    for path, group in _steps_joined(sites):
        number = count.get(path, 0)
        count[path] = number + 1
        numbered.append((f"{path}:{number}" if number else path, group))
    return numbered, _named(softmaxes, trace, numbered)


def _record(softmax: Softmax, verdict: Site | str, classifies: bool) -> Softmax:
    """Add what a softmax was taken for, or why it was not."""
    if isinstance(verdict, str):
        argument = "" if classifies else "include"
        if verdict == "exclude names it":
            argument = "exclude"
        elif "not begin with" in verdict:
            argument = "axes"
        return replace(softmax, reason=verdict, argument=argument)
    roles: list[str | None] = ["head"] * len(softmax.shape)
    axes, order = verdict.softmax_call.axes, verdict.order
    roles[order[0]] = "example"
    for axis in order[len(order) - axes :]:
        roles[axis] = "key"
    if verdict.queries:
        for axis in order[len(order) - 2 * axes : len(order) - axes]:
            roles[axis] = "query"
    return replace(
        softmax, kind=verdict.kind, source=verdict, axes=tuple(roles), argument="exclude"
    )


def _named(
    softmaxes: list[Softmax], trace: Trace, numbered: list[tuple[str, list[Site]]]
) -> list[Softmax]:
    """Give the softmaxes that were taken the names of their sites."""
    names = {id(site.softmax_call): path for path, group in numbered for site in group}
    pairs = zip(softmaxes, trace.softmaxes, strict=True)
    return [
        replace(softmax, path=names.get(id(softmax_call), softmax.path))
        for softmax, softmax_call in pairs
    ]


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


def nothing(model: Any, trace: Trace, softmaxes: list[Softmax]) -> UnsupportedModelError:
    """Build the error that says what was seen instead of attention.

    Parameters
    ----------
    model : keras.Layer
    trace : Trace
    softmaxes : list of Softmax
        Those that ran.

    Returns
    -------
    UnsupportedModelError
    """
    names = keras_names.paths(model)
    others = [softmax for softmax in softmaxes if softmax.kind is None]
    return nothing_seen(
        model.name,
        "layer",
        (names.get(id(call.operation), "") for call in trace.calls),
        others,
        why=COMPILED if trace.hidden else "",
        wanted="Wanted Attention, AdditiveAttention, MultiHeadAttention, or a layer that takes a "
        "softmax over positions.",
        fix=_SAVED if trace.hidden else _FIX,
    )
