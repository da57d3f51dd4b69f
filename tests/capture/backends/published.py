"""Forms of attention as they are published, whose maps are known."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers, ops

from .architectures import CROSS, POOLING, B, D, T, merged, qk, row, split, turned


@row("as many heads as positions", inputs=((B, 4, 8),))
def as_many_heads_as_positions(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    w = s.note(ops.softmax(split(q, 4) @ turned(split(k, 4))))
    return merged(w @ split(x, 4))


@row("class query, as many heads as positions", sites=POOLING, inputs=((B, 4, 8),))
def class_query_as_many_heads_as_positions(s: Any, x: Any) -> Any:
    q, k = qk(s, x[:, :1], x)
    w = s.note(ops.softmax(split(q, 4) @ turned(split(k, 4))))
    return merged(w @ split(x, 4))


@row("learned class query", sites=POOLING, inputs=((B, 3, 8),))
def learned_class_query(s: Any, x: Any) -> Any:
    c = ops.broadcast_to(s.learned("cls", 1, 1, D), (x.shape[0], 1, D))
    y = ops.concatenate([c, x], 1)
    q, k = qk(s, y[:, 0:1], y)
    w = s.note(ops.softmax(split(q, 4) @ turned(split(k, 4))))
    return merged(w @ split(y, 4))


@row("queries, keys and values of one layer")
def queries_keys_and_values_of_one_layer(s: Any, x: Any) -> Any:
    y = ops.reshape(s.dense("qkv", 3 * D)(x), (-1, T, 3, 2, 4))
    q, k, v = ops.unstack(ops.transpose(y, (2, 0, 3, 1, 4)))
    w = s.note(ops.softmax(q @ turned(k) / 2))
    return merged(w @ v)


@row("queries, keys and values cut apart")
def queries_keys_and_values_cut_apart(s: Any, x: Any) -> Any:
    q, k, v = ops.split(s.dense("qkv", 3 * D)(x), 3, axis=-1)
    w = s.note(ops.softmax(split(q, 2) @ turned(split(k, 2))))
    return merged(w @ split(v, 2))


@row("repeated keys")
def repeated_keys(s: Any, x: Any) -> Any:
    q = split(s.dense("q", 16)(x), 4)
    k, v = (ops.repeat(split(s.dense(n, 8)(x), 2), 2, axis=1) for n in "kv")
    w = s.note(ops.softmax(q @ turned(k)))
    return w @ v


@row("groups of heads")
def groups_of_heads(s: Any, x: Any) -> Any:
    q = ops.reshape(s.dense("q", 16)(x), (-1, T, 2, 2, 4))
    k, v = (ops.reshape(s.dense(n, 8)(x), (-1, T, 2, 4)) for n in "kv")
    w = ops.softmax(ops.einsum("btgrd,bsgd->bgrts", q, k))
    s.note(ops.reshape(w, (-1, 4, T, T)))
    return ops.einsum("bgrts,bsgd->btgrd", w, v)


@row("heads of einsum layers")
def heads_of_einsum_layers(s: Any, x: Any) -> Any:
    q = s.part("q", lambda: layers.EinsumDense("abc,cde->abde", output_shape=(None, 2, 4)))(x)
    k = s.part("k", lambda: layers.EinsumDense("abc,cde->abde", output_shape=(None, 2, 4)))(x)
    w = s.note(ops.softmax(ops.einsum("aecd,abcd->acbe", k, q) * 0.5))
    return ops.einsum("acbe,aecd->abcd", w, k)


@row("heads one by one", sites={"layer": "self", "layer:1": "self"})
def heads_one_by_one(s: Any, x: Any) -> Any:
    o = []
    for h in range(2):
        w = ops.softmax(s.dense(f"q{h}", 4)(x) @ turned(s.dense(f"k{h}", 4)(x)))
        s.note(w[:, None], "layer:1" if h else "layer")
        o.append(w @ s.dense(f"v{h}", 4)(x))
    return ops.concatenate(o, -1)


@row("stacked heads")
def stacked_heads(s: Any, x: Any) -> Any:
    sc = ops.stack(
        [s.dense(f"q{h}", 4)(x) @ turned(s.dense(f"k{h}", 4)(x)) for h in range(3)], axis=1
    )
    v = ops.stack([s.dense(f"v{h}", 4)(x) for h in range(3)], axis=1)
    w = s.note(ops.softmax(sc))
    return w @ v


@row("table of distances")
def table_of_distances(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    t = s.learned("table", 2 * T - 1, 2)
    idx = np.arange(T)[:, None] - np.arange(T)[None] + T - 1
    b = ops.transpose(ops.reshape(ops.take(t, idx.reshape(-1), axis=0), (T, T, 2)), (2, 0, 1))
    w = s.note(ops.softmax(split(q, 2) @ turned(split(k, 2)) + b[None]))
    return merged(w @ split(x, 2))


@row("turned by position")
def turned_by_position(s: Any, x: Any) -> Any:
    q, k = (split(t, 2) for t in qk(s, x))

    def rot(t):
        a, b = ops.split(t, 2, axis=-1)
        c = ops.convert_to_tensor(np.cos(np.arange(T))[:, None].astype("float32"))
        n = ops.convert_to_tensor(np.sin(np.arange(T))[:, None].astype("float32"))
        return ops.concatenate([a * c - b * n, a * n + b * c], -1)

    w = s.note(ops.softmax(rot(q) @ turned(rot(k))))
    return merged(w @ split(x, 2))


@row("mask of an input", inputs=((B, T, D), (B, T)))
def mask_of_an_input(s: Any, x: Any, real: Any) -> Any:
    q, k = qk(s, x)
    w = s.note(
        ops.softmax(split(q, 2) @ turned(split(k, 2)) + (1 - real)[:, None, None] * -1000000000.0)
    )
    return merged(w @ split(x, 2))


@row("inducing points", sites={"layer": "cross", "layer:1": "cross"})
def inducing_points(s: Any, x: Any) -> Any:
    i = ops.tile(s.learned("i", 1, 3, D), (x.shape[0], 1, 1))
    w = s.note(ops.softmax(split(s.dense("q1", D)(i), 2) @ turned(split(s.dense("k1", D)(x), 2))))
    h = merged(w @ split(x, 2))
    w = s.note(
        ops.softmax(split(s.dense("q2", D)(x), 2) @ turned(split(s.dense("k2", D)(h), 2))),
        "layer:1",
    )
    return merged(w @ split(h, 2))


@row("seed", sites=POOLING)
def seed(s: Any, x: Any) -> Any:
    i = ops.repeat(s.learned("i", 1, 1, D), x.shape[0], axis=0)
    w = s.note(ops.softmax(split(s.dense("q1", D)(i), 2) @ turned(split(s.dense("k1", D)(x), 2))))
    return merged(w @ split(x, 2))


@row("queries for the future", sites=CROSS, inputs=((B, T, D),))
def queries_for_the_future(s: Any, x: Any) -> Any:
    q, k = qk(s, x[:, 4:], x[:, :4])
    w = ops.softmax(q @ turned(k))
    s.note(w[:, None])
    return w @ x[:, :4]


@row("queries taken by number", sites=CROSS)
def queries_taken_by_number(s: Any, x: Any) -> Any:
    y = ops.take(x, np.array([1, 3, 5]), axis=1)
    q, k = qk(s, y, x)
    w = ops.softmax(q @ turned(k))
    s.note(w[:, None])
    return w @ x


@row("pooled keys", sites=CROSS)
def pooled_keys(s: Any, x: Any) -> Any:
    y = layers.AveragePooling1D(2)(x)
    q, k = qk(s, x, y)
    w = s.note(ops.softmax(split(q, 2) @ turned(split(k, 2))))
    return merged(w @ split(y, 2))


@row("keys of a strided convolution", sites=CROSS)
def keys_of_a_strided_convolution(s: Any, x: Any) -> Any:
    y = s.part("c", lambda: layers.Conv1D(D, 2, strides=2))(x)
    q, k = qk(s, x, y)
    w = s.note(ops.softmax(split(q, 2) @ turned(split(k, 2))))
    return merged(w @ split(y, 2))


@row("length projected", sites=CROSS)
def length_projected(s: Any, x: Any) -> Any:
    shorter = s.learned("shorter", T, 4)
    k = ops.einsum("btd,tk->bkd", s.dense("key", D)(x), shorter)
    v = ops.einsum("btd,tk->bkd", x, shorter)
    w = s.note(ops.softmax(split(s.dense("query", D)(x), 2) @ turned(split(k, 2))))
    return merged(w @ split(v, 2))


@row("nonlocal block", inputs=((B, 3, 3, D),))
def nonlocal_block(s: Any, x: Any) -> Any:
    def flat(name: str) -> Any:
        return ops.reshape(s.part(name, lambda: layers.Conv2D(4, 1, name=name))(x), (-1, 9, 4))

    w = ops.softmax(flat("t") @ turned(flat("p")))
    s.note(w[:, None])
    return ops.reshape(w @ flat("g"), (-1, 3, 3, 4))


@row("within rows", inputs=((B, 3, 4, D),))
def within_rows(s: Any, x: Any) -> Any:
    q, k = (s.dense("q", D)(x), s.dense("k", D)(x))
    w = ops.softmax(ops.einsum("bhwd,bhvd->bhwv", q, k))
    s.note(w)
    return ops.einsum("bhwv,bhvd->bhwd", w, x)


@row("within columns", inputs=((B, 3, 4, D),))
def within_columns(s: Any, x: Any) -> Any:
    q, k = (s.dense("q", D)(x), s.dense("k", D)(x))
    w = ops.softmax(ops.einsum("bhwd,bgwd->bwhg", q, k))
    s.note(w)
    return ops.einsum("bwhg,bgwd->bhwd", w, x)


@row("windows folded into examples", inputs=((B, 4, 4, D),))
def windows_folded_into_examples(s: Any, x: Any) -> Any:
    y = ops.reshape(
        ops.transpose(ops.reshape(x, (-1, 2, 2, 2, 2, D)), (0, 1, 3, 2, 4, 5)), (-1, 4, D)
    )
    q, k = qk(s, y)
    w = ops.softmax(split(q, 2) @ turned(split(k, 2)))
    s.note(
        ops.reshape(ops.transpose(ops.reshape(w, (-1, 4, 2, 4, 4)), (0, 1, 2, 3, 4)), (-1, 8, 4, 4))
    )
    return merged(w @ split(y, 2))


@row("frames folded into examples", sites={"layer/m": "self"}, inputs=((B, 2, 4, D),))
def frames_folded_into_examples(s: Any, x: Any) -> Any:
    y = ops.reshape(x, (-1, 4, D))
    o, w = s.part("m", lambda: layers.MultiHeadAttention(2, 4, name="m"))(
        y, y, return_attention_scores=True
    )
    s.note(ops.reshape(w, (-1, 4, 4, 4)), "layer/m")
    return o


@row("dense graph", inputs=((B, T, D), (B, T)))
def dense_graph(s: Any, x: Any, real: Any) -> Any:
    h = s.dense("h", D)(x)
    a = s.dense("l", 1)(h) + turned(s.dense("r", 1)(h))
    a = ops.leaky_relu(a)
    a = ops.where(real[:, None] > 0, a, -1000000000.0)
    w = ops.softmax(a)
    s.note(w[:, None])
    return w @ h


@row("asked by the mean", sites=POOLING)
def asked_by_the_mean(s: Any, x: Any) -> Any:
    g = ops.mean(x, axis=1)
    w = ops.softmax(ops.squeeze(ops.matmul(x, g[..., None]), -1))
    s.note(w[:, None, None])
    return ops.squeeze(ops.matmul(w[:, None], x), 1)


@row("both directions", sites={"layer": "cross", "layer:1": "pooling"}, inputs=((B, T, D),))
def both_directions(s: Any, x: Any) -> Any:
    c, q = (x[:, :4], x[:, 4:])
    affinity = ops.einsum("btd,bjd->btj", s.dense("a", D)(c), q)
    w = ops.softmax(affinity)
    s.note(w[:, None])
    u = w @ q
    b = ops.softmax(ops.max(affinity, axis=-1))
    s.note(b[:, None, None], "layer:1")
    h = ops.einsum("bt,btd->bd", b, c)
    return ops.concatenate([c, u, c * u, c * h[:, None]], -1)


@row("one affinity, two softmaxes", sites={"layer": "cross", "layer:1": "cross"})
def one_affinity_two_softmaxes(s: Any, x: Any) -> Any:
    c, q = (x[:, :4], x[:, 3:])
    affinity = ops.einsum("btd,bjd->btj", s.dense("a", D)(c), q)
    w = ops.softmax(affinity, axis=2)
    s.note(w[:, None])
    u = w @ q
    v = ops.softmax(affinity, axis=1)
    s.note(turned(v)[:, None], "layer:1")
    p = ops.einsum("btj,btd->bjd", v, c)
    return ops.concatenate([u, p[:, :1]], 1)


@row("product from the left")
def product_from_the_left(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    w = ops.softmax(k @ turned(q), axis=-2)
    s.note(turned(w)[:, None])
    return turned(turned(x) @ w)


@row("global context", sites=POOLING, inputs=((B, 4, 4, 3),))
def global_context(s: Any, x: Any) -> Any:
    a = s.part("c", lambda: layers.Conv2D(1, 1))(x)
    w = ops.softmax(ops.reshape(a, (-1, 1, 16)), axis=-1)
    s.note(w[:, None])
    return x + (w @ ops.reshape(x, (-1, 16, 3)))[:, None]


@row("mean of weighed values", sites=POOLING)
def mean_of_weighed_values(s: Any, x: Any) -> Any:
    w = ops.softmax(s.dense("e", 1)(x), axis=1)
    s.note(ops.transpose(w, (0, 2, 1))[:, None])
    return ops.mean(w * x, axis=1)
