"""Turns what one softmax held into the labelled dataset of a site.

Room: capture. Comes in: a :class:`CapturedAttention`, plain NumPy, from any framework. Goes out: a
dataset that keeps the laws of :mod:`limelight.schema`, and a tree of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight import schema
from limelight.capture.probe import Probe
from limelight.capture.special import named
from limelight.capture.validity import MaskedBy, Reach, filled, padded_keys, padded_queries
from limelight.capture.wording import Ids, texts_of
from limelight.errors import DimensionError
from limelight.factors import Factors, factors_of, lazy_allowed, lazy_weights
from limelight.measure import LARGEST_SCORE


@dataclass(frozen=True)
class CapturedAttention:
    """One softmax that is attention.

    Attributes
    ----------
    module : str
        Path of the module in its model; unique within one capture.
    module_class : str
        Name of the module's class.
    kind : str
        ``self``, ``cross``, ``pooling`` or ``feature``.
    framework : str
        What ran it, such as ``keras 3.15.1, tensorflow 2.21.0``.
    dtype : str
        Precision the softmax ran in.
    weights, logits : array [example, head, query, key], optional
        After and before the softmax, float32.
    factors : Factors, optional
        Given instead, where the weights are a function of queries and keys.
    sink_weight : array [example, head, query], optional
        What a sink logit takes of each row; with dense weights, which then sum to less than 1.
    query_valid, key_valid : array [example, query] or [example, key], optional
        False where the model itself says a position is padding.
    query_words, key_words : int, optional
        Number of the input, among the tensors that the model is called with, whose words may name
        these positions; -1 for the first that has any, None if none may.
    ids : Ids, optional
        That queries stand for, and keys of their own sequence: those a module was called with.
    query_layout, key_layout : (int, int), optional
        Rows and columns, where the module's own axes form an image.
    reading : str
        How its axes were read, where another reading remains; else empty.
    stage : str
        What of the weights is shown, where it is not the plain softmax, such as ``after mask and
        renormalisation``; else empty.
    masked_by : str
        What decides which keys may be attended to, as :mod:`limelight.capture.validity` names it:
        a key that none may attend to is padding only if what was given to the model says so.
    masks : tuple of array
        Masks that the module was handed [example, …, key], of any type.
    """

    module: str
    module_class: str
    kind: str
    framework: str
    dtype: str
    weights: NDArray[np.float32] | None = None
    logits: NDArray[np.float32] | None = None
    factors: Factors | None = None
    sink_weight: NDArray[np.float32] | None = None
    query_valid: NDArray[np.bool_] | None = None
    key_valid: NDArray[np.bool_] | None = None
    query_words: int | None = -1
    key_words: int | None = -1
    ids: Ids | None = None
    query_layout: tuple[int, int] | None = None
    key_layout: tuple[int, int] | None = None
    reading: str = ""
    stage: str = ""
    masked_by: MaskedBy = "unknown"
    masks: tuple[NDArray[Any], ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of example, head, query and key."""
        if self.factors is not None:
            return self.factors.shape
        return () if self.weights is None else self.weights.shape


def label(captured: CapturedAttention, probe: Probe, special: tuple[str, ...] = ()) -> xr.Dataset:
    """Build a site's dataset and check it.

    Parameters
    ----------
    captured : CapturedAttention
    probe : Probe
        Gives tokens, padding and layout where their lengths are the site's.
    special : tuple of str
        Names of positions that may stand before an image's.

    Returns
    -------
    Dataset
        As :mod:`limelight.schema` describes it.
    """
    variables, attends, reached = _cells(captured)
    _, _, queries, keys = captured.shape
    itself = captured.kind == "self"
    query_text = texts_of(probe, queries, captured.query_words, captured.ids)
    key_text = texts_of(probe, keys, captured.key_words, captured.ids if itself else None)
    vectors = None if captured.factors is None else captured.factors.key
    end = filled(reached, queries, vectors) if itself else keys
    reach = Reach(attends, reached, captured.masked_by, end)
    marks = [*probe.by_example, *captured.masks]
    padding = padded_keys(reach, marks)
    query_valid = attends
    if captured.key_valid is not None:
        padding |= ~captured.key_valid
    if captured.query_valid is not None:
        query_valid &= captured.query_valid
    if query_text is None:
        query_text = _beside(captured, probe, special, queries)
    if key_text is None:
        key_text = _beside(captured, probe, special, keys)
    if query_text is not None and captured.kind != "pooling":
        query_valid &= query_text != ""
        variables["query_token"] = ((schema.EXAMPLE, schema.QUERY), query_text)
    if key_text is not None:
        padding |= key_text == ""
        variables["key_token"] = ((schema.EXAMPLE, schema.KEY), key_text)
    if itself:  # frameworks let padding look
        query_valid &= ~padded_queries(padding, queries, reach, marks)
    key_valid = ~padding & (np.arange(keys) < end)
    variables["query_valid"] = ((schema.EXAMPLE, schema.QUERY), query_valid)
    largest = _largest_score(captured, variables, query_valid)
    if largest is not None:
        variables[LARGEST_SCORE] = ((schema.EXAMPLE, schema.HEAD), largest)
    variables["key_valid"] = ((schema.EXAMPLE, schema.KEY), key_valid)
    site = schema.check(xr.Dataset(variables, attrs=_facts(captured, probe, special)))
    # Weights stay what the model computed; what they carry tells measures which rows to leave out.
    return site.set_coords([name for name in schema.POSITIONS if name in site])


def _cells(
    captured: CapturedAttention,
) -> tuple[dict[str, Any], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return weights and what is allowed; which queries may attend, and which keys are reached.

    Vectors are kept only where they are smaller than the map they stand for.
    """
    factors = captured.factors
    if factors is not None:
        examples, heads, queries, keys = factors.shape
        variables: dict[str, Any] = {}
        sink_weight = factors.sink_weights()
        if sink_weight is not None:
            variables["sink_weight"] = (schema.SITE_DIMS[:3], sink_weight)
        small = factors.nbytes + factors.rule.nbytes < 5 * examples * heads * queries * keys
        weights, allowed = lazy_weights(factors), lazy_allowed(factors.rule, factors.shape)
        variables["weights"] = weights if small else weights.load()
        variables["allowed"] = allowed if small else allowed.load()
        rule = factors.rule
        return variables, rule.query_valid(examples), rule.key_valid(examples)
    if captured.weights is None or captured.logits is None:
        raise DimensionError(
            f"Got a capture of {captured.module} without values.",
            "Wanted weights and logits, or factors.",
            "Correct the adapter that made it.",
        )
    may = _usable(allowed_in(captured.logits), captured.logits)
    variables = {
        "weights": (schema.SITE_DIMS, np.where(may, captured.weights, np.float32(0))),
        "allowed": _without_heads(may),
    }
    if captured.sink_weight is not None:
        variables["sink_weight"] = (schema.SITE_DIMS[:3], captured.sink_weight)
    return variables, np.asarray(may.any(axis=(1, 3))), np.asarray(may.any(axis=(1, 2)))


def _largest_score(
    captured: CapturedAttention, variables: dict[str, Any], valid: NDArray[np.bool_]
) -> NDArray[np.float32] | None:
    """Return the greatest score of each head [example, head], of maps that are there anyhow.

    Of vectors it follows from the one pass that measures make over them.
    """
    factors = captured.factors
    if factors is None:
        assert captured.logits is not None, "no logits beside weights"
        may = _usable(allowed_in(captured.logits), captured.logits) & valid[:, None, :, None]
        may &= ~np.isnan(captured.logits)
        scores = np.where(may, captured.logits, -np.inf).max(axis=(2, 3))
    elif factors_of(xr.DataArray(variables["weights"])) is None:
        most = np.asarray(variables["weights"].transpose(*schema.SITE_DIMS).values).max(axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            each = np.log(most) + factors.normaliser
        scores = np.where(valid[:, None, :] & (most > 0), each, -np.inf).max(axis=2)
    else:
        return None
    return np.where(np.isneginf(scores), np.nan, scores).astype(np.float32)


def allowed_in(logits: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Tell from the logits which keys each query was allowed to attend to.

    Whatever computed a mask, it reaches the softmax as a huge negative number: minus infinity,
    -1e9 and below in single precision, about -3e4 to -65504 in half, and by an old habit -1e4. The
    last two count only when no logit lies between them and ordinary values.

    Parameters
    ----------
    logits : array [..., query, key]
        What went into the softmax.

    Returns
    -------
    array [..., query, key]
        True = may attend. NaN counts as allowed.

    Examples
    --------
    >>> allowed_in(np.array([[0.5, -1e9], [0.5, 1.0]])).tolist()
    [[True, False], [True, True]]
    """
    never = logits <= -1e8
    soft = (logits <= -9e3) & ~never
    if soft.any():
        others = logits[~(never | soft)]
        if not bool((np.abs(others) >= 1e3).any()):
            return ~(never | soft)
    return ~never


def _usable(allowed: NDArray[np.bool_], logits: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Allow all keys where a row is masked in some heads only, yet has a softmax.

    Of numbers that are huge, negative and finite a softmax is made all the same, and the model uses
    it. A row of minus infinities has none: that head has no weights there.
    """
    dead = np.asarray(~allowed.any(axis=-1, keepdims=True))
    used = dead & ~dead.all(axis=1, keepdims=True)
    if used.any():
        used &= ~np.isneginf(logits).any(axis=-1, keepdims=True)
    return allowed | used


def assemble(sites: Sequence[xr.Dataset]) -> xr.DataTree:
    """Join the datasets of sites into one tree, in the order given.

    Parameters
    ----------
    sites : sequence of Dataset
        Each with its path in ``attrs["module"]``.

    Returns
    -------
    DataTree
        Each site has its ordinal among them in ``attrs["order"]``, because a tree keeps those of
        one folder together. A site that has other sites inside it becomes the node ``softmax``
        beside them, because nodes of a tree must agree with their parents on the sizes of dims.
    """
    paths = [str(site.attrs["module"]) for site in sites]
    tree = xr.DataTree()
    for order, (path, site) in enumerate(zip(paths, sites, strict=True)):
        holds_others = any(other.startswith(f"{path}/") for other in paths)
        node = f"{path}/softmax" if holds_others else path
        # One by one: all at once they would be sorted by depth.
        tree[node] = xr.DataTree(site.assign_attrs(module=node, order=order))
    return tree


def _without_heads(allowed: NDArray[np.bool_]) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    if np.array_equal(allowed, np.broadcast_to(allowed[:, :1], allowed.shape)):
        return (schema.EXAMPLE, schema.QUERY, schema.KEY), allowed[:, 0]
    return schema.SITE_DIMS, allowed


def _facts(captured: CapturedAttention, probe: Probe, special: tuple[str, ...]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "module": captured.module,
        "kind": captured.kind,
        "module_class": captured.module_class,
        "framework": captured.framework,
        "passed": "inference",
        "dropout": "before",
        "dtype": captured.dtype,
    }
    facts |= {name: said for name in ("reading", "stage") if (said := getattr(captured, name))}
    for axis, given, length in (
        ("query_layout", captured.query_layout, captured.shape[2]),
        ("key_layout", captured.key_layout, captured.shape[3]),
    ):
        layout = given or _layout(captured, probe, special, length)
        if layout is not None:
            facts[axis] = layout
    return facts


def _layout(
    captured: CapturedAttention, probe: Probe, special: tuple[str, ...], length: int
) -> tuple[int, int] | None:
    if probe.layout is None or captured.kind == "feature":
        return None
    alone = probe.layout[0] * probe.layout[1] == length
    return probe.layout if alone or named(special, probe.layout, length) else None


def _beside(
    captured: CapturedAttention, probe: Probe, special: tuple[str, ...], length: int
) -> NDArray[np.str_] | None:
    """Return the names of an image's positions where others stand before them."""
    if probe.layout is None or captured.kind == "feature":
        return None
    names = named(special, probe.layout, length)
    return np.array([names] * captured.shape[0], dtype=np.str_) if names else None
