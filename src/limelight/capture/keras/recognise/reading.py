"""From the trace of a Keras forward pass to named captures.

Room: capture, Keras. Comes in: a trace. Goes out: plain NumPy captures in the order the modules
ran, or an error that says what was seen instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.keras import names as keras_names
from limelight.capture.keras.backends.backend import backend, dtype_of, single
from limelight.capture.keras.listen.arguments import arguments, is_whole, loop_around
from limelight.capture.keras.listen.provenance import ProvenanceTracker
from limelight.capture.keras.recognise.attention import Judge, Other, Site
from limelight.capture.keras.trace import Call, Trace
from limelight.capture.probe import Probe
from limelight.capture.site import CapturedAttention
from limelight.errors import UnsupportedModelError
from limelight.factors import Factors, lazy_allowed


def pick(
    model: Any,
    trace: Trace,
    inputs: list[Any],
    probe: Probe,
    include: Sequence[str],
    exclude: Sequence[str],
) -> list[CapturedAttention]:
    """Choose the softmaxes that are attention, name them, and read them.

    Parameters
    ----------
    model : keras.Layer
    trace : Trace
    inputs : list of tensor
        What the model was called with.
    probe : Probe
    include, exclude : sequence of str
        Paths the user decided on.

    Returns
    -------
    list of CapturedAttention
        At least one.

    Raises
    ------
    UnsupportedModelError
        If none is attention, or ``include`` or ``exclude`` names a place without a softmax.
    """
    tracker = ProvenanceTracker(trace, inputs)
    judge = Judge(trace, tracker, probe.examples, inputs)
    names = keras_names.paths(model)
    sites: list[tuple[str, Site]] = []
    others: list[tuple[str, Other]] = []
    seen: list[str] = []
    for softmax_call in trace.softmaxes:
        call, operation = judge.owner(softmax_call)
        path = _path(call, operation, names, model)
        seen.append(path)
        verdict = judge.judge(softmax_call, forced=_matches(path, include))
        if isinstance(verdict, Other):
            others.append((path, verdict))
        elif not _matches(path, exclude):
            sites.append((path, verdict))
    _check_choices(include, exclude, seen)
    refused = [path for path, _ in others if _matches(path, include)]
    if not sites or refused:
        raise _nothing(model, trace, others, names, refused)
    read = _Reader(tracker, probe, inputs)
    named: list[CapturedAttention] = []
    count: dict[str, int] = {}
    for path, group in _steps_joined(sites):
        number = count.get(path, 0)
        count[path] = number + 1
        named.append(read(f"{path}:{number}" if number else path, group))
    return named


class _Reader:
    """Reads sites into NumPy."""

    def __init__(self, tracker: ProvenanceTracker, probe: Probe, inputs: list[Any]) -> None:
        import keras

        self._tracker = tracker
        self._several = len(probe.arrays) > 1
        ids = [i for i, t in enumerate(inputs) if len(t.shape) == 2 and is_whole(t)]
        self._worded = ids[0] if ids else 0
        self._framework = f"keras {keras.__version__}, {backend().version()}"

    def __call__(self, path: str, group: list[Site]) -> CapturedAttention:
        site = group[0]
        factors = _factors(group)
        weights = logits = None
        if factors is not None:
            shape: tuple[int, ...] = factors.shape
        else:
            pairs = [_dense(one) for one in group]
            weights, logits = (np.concatenate(side, axis=2) for side in zip(*pairs, strict=True))
            shape = weights.shape
        query_valid, key_valid = _padding(site, shape[2], shape[3])
        query_layout, key_layout = _axes(site)
        return CapturedAttention(
            module=path,
            module_class=type(site.operation).__name__,
            kind="cross" if len(group) > 1 else site.kind,
            framework=self._framework,
            dtype=dtype_of(site.softmax_call.weights),
            weights=weights,
            logits=logits,
            factors=factors,
            query_valid=query_valid,
            key_valid=key_valid,
            query_tokens=len(group) == 1 and self._worded_by(site, site.query),
            key_tokens=self._worded_by(site, site.key),
            query_layout=query_layout,
            key_layout=key_layout,
        )

    def _worded_by(self, site: Site, tensor: Any) -> bool:
        """Say whether positions may bear the probe's words: they are made of that input alone."""
        if not self._several:
            return True
        if tensor is None:
            return site.kind != "cross"
        sources, known = self._tracker.sources(tensor)
        if site.kind != "cross" and not known:
            return True
        return self._worded in sources and (len(sources) == 1 or site.kind != "cross")


def _factors(group: list[Site]) -> Factors | None:
    """Return a site's weights as vectors, where it is one softmax [example, head, query, key]."""
    softmax_call, order = group[0].softmax_call, group[0].order
    if (
        len(group) > 1
        or softmax_call.factored is None
        or order != (0, 1, 2, 3)
        or not group[0].queries
    ):
        return None
    return softmax_call.factored()


def _dense(site: Site) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a site's weights and logits as [example, head, query, key]."""
    softmax_call = site.softmax_call
    if softmax_call.factored is None:
        return _ordered(site, single(softmax_call.weights)), _ordered(
            site, single(softmax_call.logits)
        )
    found = softmax_call.factored()
    allowed = lazy_allowed(found.rule, found.shape).values
    allowed = allowed if found.rule.by_head else allowed[:, None]
    allowed = np.broadcast_to(allowed, found.shape)
    logits = np.where(allowed, np.float32(0), np.float32(-np.inf))
    return _ordered(site, found.dense()), _ordered(site, logits)


def _ordered(site: Site, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a softmax's values as [example, head, query, key]."""
    values = values.transpose(site.order)
    shape = values.shape
    axes = site.softmax_call.axes
    keys = int(np.prod(shape[len(shape) - axes :]))
    before = len(shape) - axes
    queries = int(np.prod(shape[before - axes : before])) if site.queries else 1
    return values.reshape(shape[0], -1, queries, keys)


def _axes(site: Site) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """Return the layouts of a site whose queries and keys have two axes each."""
    if site.softmax_call.axes != 2:
        return None, None
    shape = [int(size) for size in site.softmax_call.weights.shape]
    return (shape[-4], shape[-3]), (shape[-2], shape[-1])


def _padding(
    site: Site, queries: int, keys: int
) -> tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None]:
    """Read the masks Keras handed the module."""
    named = arguments(site.owner)
    masks = named.get("mask")
    pair = masks if isinstance(masks, (list, tuple)) else (masks, masks)
    query = [named.get("query_mask"), pair[0] if pair else None, _mask_of(site.query)]
    key = [
        named.get("key_mask"),
        named.get("value_mask"),
        pair[1] if len(pair) > 1 else None,
        _mask_of(site.key),
    ]
    key_valid = _first_fitting(key, keys)
    query_valid = _first_fitting(query, queries) if site.kind != "pooling" else None
    return query_valid, key_valid


def _mask_of(tensor: Any) -> Any:
    from keras.src import backend as keras_backend

    return None if tensor is None else keras_backend.get_keras_mask(tensor)


def _first_fitting(masks: list[Any], length: int) -> NDArray[np.bool_] | None:
    for mask in masks:
        shape = getattr(mask, "shape", None)
        fits = shape is not None and len(shape) == 2 and shape[1] == length
        if fits and backend().has_values(mask):
            return backend().read(mask).astype(bool)
    return None


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
    """Return a module's place in the model; the model itself goes by its name."""
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


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def _check_choices(include: Sequence[str], exclude: Sequence[str], seen: list[str]) -> None:
    for name, patterns in (("include", include), ("exclude", exclude)):
        for pattern in patterns:
            if not any(fnmatchcase(path, pattern) for path in seen):
                raise UnsupportedModelError(
                    f"Got {name}={pattern!r}, where no softmax ran.",
                    f"Softmaxes ran in: {', '.join(dict.fromkeys(seen)) or 'no layer'}.",
                    "Name one of these.",
                )


def _nothing(
    model: Any,
    trace: Trace,
    others: list[tuple[str, Other]],
    names: dict[int, str],
    refused: list[str],
) -> UnsupportedModelError:
    """Build the error that says what was seen instead of attention."""
    judged = [(p, o) for p, o in others if not refused or p in refused]
    told = list(dict.fromkeys(f"{p!r} ({_kind(o)}): {o.reason}" for p, o in judged))
    ran = [names.get(id(call.operation)) for call in trace.calls]
    layers = list(dict.fromkeys(path for path in ran if path))
    listed = ", ".join(layers[:12]) or "none"
    if len(layers) > 12:
        listed += f" and {len(layers) - 12} more"
    came = f"No attention was seen in the model {model.name!r}; its layers that ran: {listed}."
    if told:
        came += f" Softmaxes that are not attention: {'; '.join(told[:6])}."
    if trace.hidden:
        came += " A part of it ran inside compiled functions, which show no values."
        fix = "Load the Keras file the model was saved to, not an exported one."
    else:
        fix = "If a layer forms weights with exp() and sum(), let it use keras.ops.softmax."
    if told and not refused:
        fix = f"If one of these is attention after all, say include=[{judged[0][0]!r}]. {fix}"
    return UnsupportedModelError(
        came,
        "Wanted Attention, AdditiveAttention, MultiHeadAttention, or a layer that takes a softmax "
        "over positions.",
        fix,
    )


def _kind(other: Other) -> str:
    return type(other.operation).__name__
