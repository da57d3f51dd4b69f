"""From the trace of a Keras forward pass to named sites.

Room: capture, Keras. Comes in: a trace. Goes out: the softmaxes that are attention, under the paths
of their layers and in the order they ran, and a record of every softmax; or an error that says what
was seen instead.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from limelight.capture.axes.roles import SINGLE
from limelight.capture.keras import names as keras_names
from limelight.capture.keras.recognise.attention import Recogniser, Site
from limelight.capture.keras.recognise.maps import mapped
from limelight.capture.keras.recognise.steps import Group, grouped
from limelight.capture.keras.trace import Call, Trace
from limelight.capture.recognition import Choice, Softmax, nothing_seen
from limelight.errors import UnsupportedModelError

#: Said where softmaxes may have run unseen.
COMPILED = "A part of it ran inside compiled functions, which show no values."
_SOME = "it ran for some of the examples by themselves, not for each"
_SAVED = "Load the Keras file the model was saved to, not an exported one."
_FIX = "If a layer forms weights with exp() and sum(), let it use keras.ops.softmax."


def recognised(
    model: Any, trace: Trace, recogniser: Recogniser, choice: Choice
) -> tuple[list[tuple[str, Group]], list[Softmax]]:
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
    list of (str, Group)
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
    single_values = []
    for softmax_call in trace.softmaxes:
        call, operation = recogniser.owner(softmax_call)
        path = _path(call, operation, names, model)
        seen.append(path)
        verdict = recogniser(softmax_call, choice.includes(path), choice.axes_of(path))
        if verdict == SINGLE and not choice.excludes(path):
            single_values.append(softmax_call)
        if not isinstance(verdict, str):
            if choice.excludes(path):
                verdict = "exclude names it"
            else:
                sites.append((path, verdict))
        shape = _shape(softmax_call)
        kind = "" if call is None else type(operation).__name__
        classifies = recogniser.classifies(softmax_call)
        softmaxes.append(_record(Softmax(path, kind, shape), verdict, classifies))
    numbered: list[tuple[str, Group]] = []
    count: dict[str, int] = {}
    for path, group in grouped(sites, recogniser.examples, single_values):
        number = count.get(path, 0)
        count[path] = number + 1
        numbered.append((f"{path}:{number}" if number else path, group))
    rows = _named(softmaxes, trace, numbered)
    choice.check(seen, [softmax for softmax in rows if softmax.kind is None], "layer")
    return numbered, rows


def _shape(softmax_call: Any) -> tuple[int, ...]:
    """Return the shape of a softmax's input, its axes as the model has them."""
    shape = [int(size) for size in softmax_call.weights.shape]
    if softmax_call.course is None:
        return tuple(shape)
    return tuple(size for _, size in sorted(zip(softmax_call.course.moved, shape, strict=True)))


def _record(softmax: Softmax, verdict: Site | str, classifies: bool) -> Softmax:
    """Add what a softmax was taken for, or why it was not."""
    if isinstance(verdict, str):
        argument = "" if classifies else "include"
        if verdict == "exclude names it":
            argument = "exclude"
        elif "not begin with" in verdict:
            argument = "axes"
        return replace(softmax, reason=verdict, argument=argument)
    softmax = replace(
        softmax, kind=verdict.kind, source=verdict, reading=verdict.note, argument="exclude"
    )
    reading, softmax_call = verdict.reading, verdict.softmax_call
    if reading is not None and reading.use is not None and reading.use.stages:
        softmax = replace(softmax, stage=mapped(softmax_call, reading).stage)
    return replace(softmax, axes=roles_of(verdict, len(softmax.shape)))


def roles_of(site: Site, rank: int) -> tuple[str | None, ...]:
    """Return what each axis of a softmax's input counts.

    Parameters
    ----------
    site : Site
    rank : int

    Returns
    -------
    tuple of (str or None)
    """
    roles: list[str | None] = ["head"] * rank
    course = site.softmax_call.course
    if site.reading is not None and course is not None:
        names = iter(site.reading.roles)
        for index, axis in zip(course.moved, course.axes, strict=True):
            row = {next(names) for _ in axis}
            roles[index] = row.pop() if len(row) == 1 else None
        if site.kind == "feature":
            roles = ["feature" if role == "key" else role for role in roles]
        return tuple(roles)
    axes, order = site.softmax_call.axes, site.order
    roles[order[0]] = "example"
    for axis_index in order[len(order) - axes :]:
        roles[axis_index] = "key"
    if site.queries:
        for axis_index in order[len(order) - 2 * axes : len(order) - axes]:
            roles[axis_index] = "query"
    return tuple(roles)


def _named(
    softmaxes: list[Softmax], trace: Trace, numbered: list[tuple[str, Group]]
) -> list[Softmax]:
    """Give the softmaxes that were taken the names of their sites."""
    names = {id(site.softmax_call): (path, site) for path, group in numbered
             for site in (*group.earlier, *group.sites, *group.trials)}  # fmt: skip
    pairs = zip(softmaxes, trace.softmaxes, strict=True)
    rows = []
    for softmax, softmax_call in pairs:
        named = names.get(id(softmax_call))
        if named is not None:
            softmax = replace(_record(replace(softmax, reason=""), named[1], False), path=named[0])
        elif softmax.kind is not None:
            softmax = replace(softmax, kind=None, source=None, reason=_SOME, argument="axes")
        rows.append(softmax)
    return rows


def path_of(model: Any, recogniser: Recogniser, softmax_call: Any) -> str:
    """Return the path of the layer that a softmax belongs to.

    Parameters
    ----------
    model : keras.Layer
    recogniser : Recogniser
    softmax_call : Softmax

    Returns
    -------
    str
    """
    call, operation = recogniser.owner(softmax_call)
    return _path(call, operation, keras_names.paths(model), model)


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
