"""Attention whose weights no softmax shows: kernels that keep them to themselves.

Room: capture, Keras. Comes in: queries, keys and what may be attended to, as a kernel was given
them. Goes out: the softmax it stands for, as vectors where possible.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from limelight.capture.keras.backends.backend import backend, dtype_of, single
from limelight.capture.keras.trace import Call, Softmax, Trace
from limelight.capture.site import allowed_in
from limelight.factors import Factors, factored
from limelight.rule import Rule


class Form(NamedTuple):
    """A tensor's form, where it has no values.

    Attributes
    ----------
    shape : tuple of int
    dtype : str
    """

    shape: tuple[int, ...]
    dtype: str


@contextmanager
def kernels_watched(trace: Trace, stack: list[Call]) -> Iterator[None]:
    """Add what Keras' fused attention hides, such as flash attention, to a trace.

    Parameters
    ----------
    trace : Trace
    stack : list of Call
        The calls that are running, innermost last.

    Yields
    ------
    None
    """
    from keras.src import backend as keras_backend

    module = keras_backend.nn
    original = getattr(module, "dot_product_attention", None)
    if original is None:  # Keras before 3.7
        yield
        return
    module.dot_product_attention = _watched(original, trace, stack)
    try:
        yield
    finally:
        module.dot_product_attention = original


def attention(
    call: Call | None,
    query: Any,
    key: Any,
    *,
    dtype: str,
    scale: float | None = None,
    bias: Any = None,
    causal: bool = False,
) -> Softmax:
    """Return the softmax that an attention kernel stands for.

    Parameters
    ----------
    call : Call or None
        Where it ran.
    query, key : array [..., query, feature] and [..., key, feature]
        float32; leading axes are examples and heads, keys may have fewer heads.
    dtype : str
        Precision the kernel ran in.
    scale : float, optional
        None is one over the root of the number of features.
    bias : array, optional
        bool (True = may attend) or added to the scores; broadcast over [..., query, key].
    causal : bool
        Query ``q`` attends to keys up to ``q``, counted from the first key.

    Returns
    -------
    Softmax
        As vectors where there is one axis each of examples and heads and no scores are added.
    """
    scale = query.shape[-1] ** -0.5 if scale is None else float(scale)
    lengths = (query.shape[-2], key.shape[-2])
    bias = _as_allowed(bias)
    shape = (*query.shape[:-1], key.shape[-2])
    if query.ndim == 4 and (bias is None or bias.dtype == np.bool_):

        def vectors() -> Factors:
            return factored(query, key, _rule(bias, causal, *lengths), scale)

        form = Form(shape, dtype)
        return Softmax(call, form, form, used=True, factored=vectors)
    if query.ndim > 2 and key.shape[-3] != query.shape[-3]:
        key = np.repeat(key, query.shape[-3] // key.shape[-3], axis=-3)
    logits = np.float32(scale) * (query @ np.swapaxes(key, -1, -2))
    if causal:
        logits = np.where(np.tri(*lengths, dtype=np.bool_), logits, -np.inf)
    if bias is not None:
        logits = np.where(bias, logits, -np.inf) if bias.dtype == np.bool_ else logits + bias
    logits = logits.astype(np.float32)
    return Softmax(call, logits, _softmax(logits), used=True)


def _watched(original: Callable[..., Any], trace: Trace, stack: list[Call]) -> Callable[..., Any]:
    """Wrap ``dot_product_attention`` of Keras' backend."""
    thread = threading.get_ident()

    def dot_product_attention(
        query: Any,
        key: Any,
        value: Any,
        bias: Any = None,
        mask: Any = None,
        scale: float | None = None,
        is_causal: bool = False,
        **options: Any,
    ) -> Any:
        elsewhere = threading.get_ident() != thread or trace.muted
        if not elsewhere and not backend().has_values(query):
            return _explicit(query, key, value, bias, mask, scale, is_causal)
        before = len(trace.softmaxes)
        output = original(query, key, value, bias, mask, scale, is_causal, **options)
        if elsewhere:
            return output
        shape = (query.shape[0], query.shape[2], query.shape[1], key.shape[1])
        seen = trace.softmaxes[before:]
        if len(seen) == 1 and tuple(seen[0].weights.shape) == shape:
            return output
        queries, keys = (single(t).transpose(0, 2, 1, 3) for t in (query, key))
        given = bias if mask is None else mask
        added = None if given is None else backend().read(given)
        if mask is not None and added is not None:
            added = added.astype(np.bool_)
            if bias is not None:
                added = np.where(added, single(bias), -np.inf)
        call = stack[-1] if stack else None
        softmax_call = attention(
            call, queries, keys, dtype=dtype_of(query), scale=scale, bias=added, causal=is_causal
        )
        softmax_call.partners.append(tuple(value.shape))
        if trace.examined:
            softmax_call.products.append((value, output))
        softmax_call.course = trace.flow.kernel(query, key, value, heads_last=True)
        softmax_call.values = value
        del trace.softmaxes[before:]
        trace.note(softmax_call)
        return output

    return dot_product_attention


def weights_and_values(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
) -> tuple[Any, Any]:
    """Compute the weights that a kernel keeps to itself, in the graph, and what they weigh.

    Parameters
    ----------
    query, key, value : tensor [example, position, head, feature]
        Keys and values may have fewer heads.
    bias, mask, scale, is_causal : optional
        As the kernel takes them.

    Returns
    -------
    tensor [example, head, query, key], tensor [example, key, head, feature]
        In the precision of the values, which have as many heads as the queries.
    """
    from keras import ops

    scale = query.shape[-1] ** -0.5 if scale is None else scale
    groups = query.shape[2] // key.shape[2]
    if groups > 1:
        key, value = (ops.repeat(tensor, groups, axis=2) for tensor in (key, value))
    first, second = (ops.cast(tensor, "float32") for tensor in (query, key))
    logits = ops.einsum("bqhd,bkhd->bhqk", first, second) * scale
    if bias is not None:
        logits = logits + ops.cast(bias, "float32")
    if is_causal:
        rule = ops.convert_to_tensor(np.tri(query.shape[1], key.shape[1], dtype=np.bool_))
        mask = rule if mask is None else ops.logical_and(ops.cast(mask, "bool"), rule)
    if mask is not None:
        logits = ops.where(ops.cast(mask, "bool"), logits, -1e30)
    return ops.cast(ops.softmax(logits), value.dtype), value


def _explicit(*args: Any) -> Any:
    """Do what the kernel does with a softmax that can be seen when the traced part is run."""
    from keras import ops

    weights, value = weights_and_values(*args)
    return ops.einsum("bhqk,bkhd->bqhd", weights, value)


def _as_allowed(bias: Any) -> Any:
    """Read added scores as a rule, where they are nothing but 0 and minus infinity."""
    if bias is None or bias.dtype == np.bool_:
        return bias
    bias = np.asarray(bias, np.float32)
    allowed = allowed_in(bias)
    return allowed if not bias[allowed].any() else bias


def _rule(allowed: NDArray[np.bool_] | None, causal: bool, queries: int, keys: int) -> Rule:
    if allowed is None:
        return Rule.causal(queries, keys) if causal else Rule.everything(queries, keys)
    if causal:
        allowed = allowed & np.tri(queries, keys, dtype=np.bool_)
    allowed = allowed.reshape((1,) * (4 - allowed.ndim) + allowed.shape)
    return Rule.of(np.broadcast_to(allowed, (*allowed.shape[:2], queries, keys)))


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    top = logits.max(axis=-1, keepdims=True)
    raised = np.exp(logits - np.where(np.isneginf(top), 0, top), dtype=np.float64)
    total = raised.sum(axis=-1, keepdims=True)
    return (raised / np.where(total == 0, 1, total)).astype(np.float32)
