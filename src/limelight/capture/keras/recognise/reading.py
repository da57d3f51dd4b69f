"""Reads what softmaxes of a Keras forward pass held.

Room: capture, Keras. Comes in: named sites, still as tensors. Goes out: plain NumPy captures.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from limelight.capture.axes.labels import Factor
from limelight.capture.generation.joining import in_full, join
from limelight.capture.keras.backends.backend import backend, dtype_of, single, weights_of
from limelight.capture.keras.listen.arguments import arguments
from limelight.capture.keras.listen.provenance import ProvenanceTracker
from limelight.capture.keras.recognise.attention import Site
from limelight.capture.keras.recognise.maps import Map, mapped
from limelight.capture.keras.recognise.steps import Group
from limelight.capture.probe import Probe
from limelight.capture.site import CapturedAttention
from limelight.factors import lazy_allowed


class Reader:
    """Reads sites into NumPy.

    Parameters
    ----------
    tracker : ProvenanceTracker
    probe : Probe
    """

    def __init__(self, tracker: ProvenanceTracker, probe: Probe) -> None:
        import keras

        self._tracker = tracker
        self._several = len(probe.arrays) > 1
        self._examples = probe.examples
        self._spoken = probe.worded
        self._framework = f"keras {keras.__version__}, {backend().version()}"

    def __call__(self, path: str, group: Group) -> CapturedAttention:
        """Read the softmaxes of one site.

        Parameters
        ----------
        path : str
            Its name.
        group : Group

        Returns
        -------
        CapturedAttention
        """
        captures = [self._captured(path, site) for site in group.sites]
        if group.how == "examples":
            return _stacked(captures)
        if group.how == "alike":
            return _repeated(captures[0], self._examples)
        if group.how == "growing":
            captures[0] = replace(captures[0], stage=captures[-1].stage)
            return join(captures, crossing=False)
        return join(captures)

    def _captured(self, path: str, site: Site) -> CapturedAttention:
        made = map_of(site)
        shape = made.factors.shape if made.factors is not None else made.weights.shape  # type: ignore[union-attr]
        query_valid, key_valid = _padding(site, shape[2], shape[3])
        query_layout, key_layout = _axes(site)
        return CapturedAttention(
            module=path,
            module_class=type(site.operation).__name__,
            kind=site.kind,
            framework=self._framework,
            dtype=dtype_of(site.softmax_call.weights),
            weights=made.weights,
            logits=made.logits,
            factors=made.factors,
            query_valid=query_valid,
            key_valid=key_valid,
            query_words=self._worded_by(site, site.query, "query"),
            key_words=self._worded_by(site, site.key, "key"),
            query_layout=query_layout,
            key_layout=key_layout,
            masked_by="both",  # who decided in a layer's own code is not followed
            masks=_masks(site),
            reading=site.note,
            stage=made.stage,
        )

    def _worded_by(self, site: Site, tensor: Any, side: Literal["query", "key"]) -> int | None:
        """Return the input whose words positions may bear: they are made of that one alone."""
        if site.kind == "feature":
            return None
        reading = site.reading
        inputs = None if reading is None else getattr(reading, f"{side}_inputs")
        if inputs:
            return self._spoken_of(inputs)
        if not self._several:
            return -1
        if tensor is None:
            return -1 if site.kind != "cross" else None
        sources, known = self._tracker.sources(tensor)
        if site.kind != "cross" and not known:
            return -1
        alone = len(sources) == 1 or site.kind != "cross"
        return self._spoken_of(sources) if alone else None

    def _spoken_of(self, inputs: Any) -> int | None:
        return next((number for number in self._spoken if number in inputs), None)


def map_of(site: Site) -> Map:
    """Return a site's weights: as vectors, where it is one softmax of queries and keys."""
    softmax_call = site.softmax_call
    if site.reading is not None:
        return mapped(softmax_call, site.reading)
    if softmax_call.factored is None:
        return Map(_ordered(site, weights_of(softmax_call)),
                   _ordered(site, single(softmax_call.logits)))  # fmt: skip
    factors = softmax_call.factored()
    if site.order == (0, 1, 2, 3) and site.queries:
        return Map(None, None, factors=factors)
    allowed = lazy_allowed(factors.rule, factors.shape).values
    allowed = allowed if factors.rule.by_head else allowed[:, None]
    allowed = np.broadcast_to(allowed, factors.shape)
    logits = np.where(allowed, np.float32(0), np.float32(-np.inf))
    return Map(_ordered(site, factors.dense()), _ordered(site, logits))


def _stacked(captures: list[CapturedAttention]) -> CapturedAttention:
    """Join captures of single examples into that of all."""
    dense = [in_full(captured) for captured in captures]
    weights, logits = (np.concatenate(side) for side in zip(*dense, strict=True))
    return replace(
        captures[0], factors=None, weights=weights, logits=logits,
        query_valid=None, key_valid=None,
    )  # fmt: skip


def _repeated(captured: CapturedAttention, examples: int) -> CapturedAttention:
    """Give each example weights that are the same for all."""
    pair = [np.repeat(values[:1], examples, axis=0) for values in in_full(captured)]
    return replace(captured, factors=None, weights=pair[0], logits=pair[1],
                   query_valid=None, key_valid=None)  # fmt: skip


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
    reading, course = site.reading, site.softmax_call.course
    if reading is not None and course is not None:
        sides = [[course.factors[mark] for mark, name in enumerate(reading.roles)
                  if name == side] for side in ("query", "key")]  # fmt: skip
        return _grid(sides[0]), _grid(sides[1])
    if site.softmax_call.axes != 2:
        return None, None
    shape = [int(size) for size in site.softmax_call.weights.shape]
    return (shape[-4], shape[-3]), (shape[-2], shape[-1])


def _grid(factors: list[Factor]) -> tuple[int, int] | None:
    """Return the rows and columns of positions, if they are two axes of one input."""
    if len(factors) != 2:
        return None
    rows, columns = ({(a.source, a.axis) for a in f.atoms if a.kind == "position"} for f in factors)
    two = any(row[0] == column[0] and row[1] + 1 == column[1] for row in rows for column in columns)
    return (factors[0].size, factors[1].size) if two else None


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


def _masks(site: Site) -> tuple[NDArray[Any], ...]:
    """Read the masks that a module was handed for each example."""
    handed = [value for name, value in arguments(site.owner).items() if "mask" in name]
    shaped = [mask for mask in handed if len(getattr(mask, "shape", ())) >= 2]
    return tuple(backend().read(mask) for mask in shaped if backend().has_values(mask))


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
