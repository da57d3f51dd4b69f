"""Reads what softmaxes of a Keras forward pass held.

Room: capture, Keras. Comes in: named sites, still as tensors. Goes out: plain NumPy captures.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.keras.backends.backend import backend, dtype_of, single
from limelight.capture.keras.listen.arguments import arguments, is_whole
from limelight.capture.keras.listen.provenance import ProvenanceTracker
from limelight.capture.keras.recognise.attention import Site
from limelight.capture.probe import Probe
from limelight.capture.site import CapturedAttention
from limelight.factors import Factors, lazy_allowed


class Reader:
    """Reads sites into NumPy.

    Parameters
    ----------
    tracker : ProvenanceTracker
    probe : Probe
    inputs : list of tensor
        What the model was called with.
    """

    def __init__(self, tracker: ProvenanceTracker, probe: Probe, inputs: list[Any]) -> None:
        import keras

        self._tracker = tracker
        self._several = len(probe.arrays) > 1
        ids = [i for i, t in enumerate(inputs) if len(t.shape) == 2 and is_whole(t)]
        self._worded = ids[0] if ids else 0
        self._framework = f"keras {keras.__version__}, {backend().version()}"

    def __call__(self, path: str, group: list[Site]) -> CapturedAttention:
        """Read the softmaxes of one site.

        Parameters
        ----------
        path : str
            Its name.
        group : list of Site
            Several are the steps of a loop, each a row.

        Returns
        -------
        CapturedAttention
        """
        site = group[0]
        factors = _factors(group)
        weights = logits = None
        if factors is not None:
            shape: tuple[int, ...] = factors.shape
        else:
            pairs = [_dense(step) for step in group]
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
            masked_by="both",  # who decided in a layer's own code is not followed
            masks=_masks(site),
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
    factors = softmax_call.factored()
    allowed = lazy_allowed(factors.rule, factors.shape).values
    allowed = allowed if factors.rule.by_head else allowed[:, None]
    allowed = np.broadcast_to(allowed, factors.shape)
    logits = np.where(allowed, np.float32(0), np.float32(-np.inf))
    return _ordered(site, factors.dense()), _ordered(site, logits)


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
