"""Models that change the weights of a softmax before they weigh values with them."""

from __future__ import annotations

from typing import Any

from keras import layers, ops

from .architectures import POOLING, B, D, T, merged, qk, row, split, turned


@row("talking on both sides", stage="after mixing of heads")
def talking_on_both_sides(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    logits = ops.transpose(split(q, 4) @ turned(split(k, 4)), (0, 2, 3, 1))
    logits = ops.transpose(s.dense("pre", 4, use_bias=False)(logits), (0, 3, 1, 2))
    w = ops.softmax(logits)
    w = ops.transpose(
        s.dense("post", 4, use_bias=False)(ops.transpose(w, (0, 2, 3, 1))), (0, 3, 1, 2)
    )
    s.note(w)
    return merged(w @ split(x, 4))


@row("more heads than softmaxes", stage="after mixing of heads")
def more_heads_than_softmaxes(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    w = ops.softmax(split(q, 2) @ turned(split(k, 2)))
    w = ops.transpose(s.dense("post", 4)(ops.transpose(w, (0, 2, 3, 1))), (0, 3, 1, 2))
    s.note(w)
    return merged(w @ split(x, 4))


@row("heads mixed and normed", stage="after ...")
def heads_mixed_and_normed(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    w = ops.softmax(split(q, 4) @ turned(split(k, 4)))
    w = ops.einsum("bhij,hg->bgij", w, s.learned("th", 4, 4))
    w = s.part("bn", lambda: layers.BatchNormalization(axis=1))(w)
    s.note(w)
    return merged(w @ split(x, 4))


@row("dropout")
def dropout(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    w = ops.softmax(split(q, 2) @ turned(split(k, 2)))
    w = s.part("dr", lambda: layers.Dropout(0.5))(w)
    s.note(w)
    return merged(w @ split(x, 2))


@row("learned gates of heads", stage="after ...")
def learned_gates_of_heads(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    w = ops.softmax(split(q, 2) @ turned(split(k, 2))) * ops.sigmoid(s.learned("g", 1, 2, 1, 1))
    s.note(w)
    return merged(w @ split(x, 2))


@row("mask alone", inputs=((B, T, D), (B, T)), stage="after mask")
def mask_alone(s: Any, x: Any, real: Any) -> Any:
    q, k = qk(s, x)
    w = ops.softmax(split(q, 2) @ turned(split(k, 2))) * real[:, None, None]
    s.note(w)
    return merged(w @ split(x, 2))


@row("rows of nothing filled", inputs=((B, T, D), (B, T)))
def rows_of_nothing_filled(s: Any, x: Any, real: Any) -> Any:
    q, k = qk(s, x)
    w = ops.softmax(
        ops.where(real[:, None, None] > 0, split(q, 2) @ turned(split(k, 2)), -1000000000.0)
    )
    w = ops.where(ops.isnan(w), 0.0, w)
    s.note(w)
    return merged(w @ split(x, 2))


@row(
    "renormalised by at least something",
    sites=POOLING,
    inputs=((B, T, D), (B, T)),
    stage="after ...",
)
def renormalised_by_at_least_something(s: Any, x: Any, real: Any) -> Any:
    w = ops.softmax(s.dense("e", 1)(x)[..., 0]) * real
    w = w / ops.maximum(ops.sum(w, -1, keepdims=True), 1e-09)
    s.note(w[:, None, None])
    return ops.squeeze(w[:, None] @ x, 1)


@row("best keys renormalised", stage="after ...")
def best_keys_renormalised(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    w = ops.softmax(q @ turned(k))
    t = ops.top_k(w, 3)[0][..., -1:]
    w = ops.where(w >= t, w, 0.0)
    w = w / ops.sum(w, -1, keepdims=True)
    s.note(w[:, None])
    return w @ x


@row("roots", stage="after ...")
def roots(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    w = ops.sqrt(ops.softmax(q @ turned(k)))
    s.note(w[:, None])
    return w @ x


@row("what is left of one", stage="after ...")
def what_is_left_of_one(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    w = 1 - ops.softmax(q @ turned(k))
    s.note(w[:, None])
    return w @ x


@row("identity added", stage="after ...")
def identity_added(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    w = ops.softmax(q @ turned(k)) + ops.eye(T)
    w = w / ops.sum(w, -1, keepdims=True)
    s.note(w[:, None])
    return w @ x


@row("halves of the heads", stage="after combination of heads")
def halves_of_the_heads(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    first, second = ops.split(ops.softmax(split(q, 4) @ turned(split(k, 4))), 2, axis=1)
    w = s.note(first - ops.exp(ops.sum(s.learned("share", 4))) * second)
    return merged(w @ split(x, 2))


@row("heads in pairs", stage="after combination of heads")
def heads_in_pairs(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    pairs = ops.reshape(ops.softmax(split(q, 4) @ turned(split(k, 4))), (-1, 2, 2, T, T))
    w = s.note(pairs[:, :, 0] - 0.5 * pairs[:, :, 1])
    return merged(w @ split(x, 2))
