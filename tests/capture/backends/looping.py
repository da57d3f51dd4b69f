"""Loops whose maps are known: decoders that ask a memory, or what they were shown."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers, ops

from .architectures import CROSS, POOLING, D, T, merged, qk, row, split, turned
from .conftest import array


@row("attention of a GRU cell", sites={"layer/attn": "cross"})
def attention_of_a_cell(s: Any, x: Any) -> Any:
    attn = s.part("attn", lambda: layers.Attention(name="attn"))
    cell = s.part("cell", lambda: layers.GRUCell(D))
    h = ops.mean(x, axis=1)
    outs = []
    for _ in range(3):
        c, w = attn([h[:, None], x], return_attention_scores=True)
        s.note(w[:, None], "layer/attn")
        o, (h,) = cell(c[:, 0], [h])
        outs.append(o)
    return ops.stack(outs, 1)


@row("additive attention of an LSTM cell", sites={"layer/attn": "cross"})
def additive_attention_of_an_cell(s: Any, x: Any) -> Any:
    attn = s.part("attn", lambda: layers.AdditiveAttention(name="attn"))
    cell = s.part("cell", lambda: layers.LSTMCell(D))
    h = ops.zeros((x.shape[0], D))
    st = [h, h]
    for _ in range(4):
        c, w = attn([h[:, None], x], return_attention_scores=True)
        s.note(w[:, None], "layer/attn")
        h, st = cell(c[:, 0], st)
    return h


@row("one query asked again and again", sites={"layer/attn": "cross"})
def one_query_asked_again_and_again(s: Any, x: Any) -> Any:
    attn = s.part("attn", lambda: layers.MultiHeadAttention(2, 4, name="attn"))
    h = ops.mean(x, axis=1, keepdims=True)
    for _ in range(4):
        c, w = attn(h, x, return_attention_scores=True)
        s.note(w, "layer/attn")
        h = ops.tanh(c + h)
    return h


@row("a memory that grows", sites={"layer": "self"})
def a_memory_that_grows(s: Any, x: Any) -> Any:
    cache = []
    outs = []
    ws = []
    for t in range(T):
        h = x[:, t : t + 1]
        q, k = qk(s, h)
        cache.append(k)
        memory = ops.concatenate(cache, axis=1)
        w = ops.softmax(q @ turned(memory))
        ws.append(array(w))
        outs.append(w @ ops.concatenate([x[:, i : i + 1] for i in range(t + 1)], axis=1))
    full = np.zeros((x.shape[0], T, T), "float32")
    for t, w in enumerate(ws):
        full[:, t, : t + 1] = w[:, 0]
    s.right = {"layer": [full[:, None]]}
    return ops.concatenate(outs, axis=1)


@row("coverage", sites=CROSS)
def coverage(s: Any, x: Any) -> Any:
    h = ops.mean(x, axis=1)
    cov = ops.zeros((x.shape[0], T))
    for _ in range(3):
        e = s.dense("v", 1)(
            ops.tanh(
                s.dense("q", D)(h)[:, None] + s.dense("k", D)(x) + s.dense("c", D)(cov[..., None])
            )
        )[..., 0]
        w = ops.softmax(e, axis=-1)
        s.note(w[:, None, None])
        cov = cov + w
        h = s.dense("step", D)(ops.concatenate([ops.squeeze(w[:, None] @ x, 1), h], -1))
    return h


@row("a loop of one step", sites=POOLING)
def a_loop_of_one_step(s: Any, x: Any) -> Any:
    h = ops.mean(x, axis=1)
    for _ in range(1):
        w = ops.softmax(ops.einsum("bd,btd->bt", h, x))
        s.note(w[:, None, None])
        h = ops.einsum("bt,btd->bd", w, x)
    return h


@row("set to set", sites=CROSS)
def set_to_set(s: Any, x: Any) -> Any:
    cell = s.part("cell", lambda: layers.LSTMCell(D))
    q = ops.zeros((x.shape[0], 2 * D))
    st = [q[:, :D], q[:, :D]]
    for _ in range(3):
        h, st = cell(q, st)
        w = ops.softmax(ops.sum(x * h[:, None], -1, keepdims=True), axis=1)
        s.note(ops.transpose(w, (0, 2, 1))[:, None])
        q = ops.concatenate([h, ops.sum(w * x, axis=1)], -1)
    return q


@row("latents ask one memory twice", sites={"layer": "cross", "layer:1": "cross"})
def latents_ask_one_memory_twice(s: Any, x: Any) -> Any:
    z = ops.broadcast_to(s.learned("z", 4, D)[None], (x.shape[0], 4, D))
    for n in range(2):
        w = ops.softmax(s.dense("q", D)(z) @ turned(s.dense("k", D)(x)))
        s.note(w[:, None], "layer:1" if n else "layer")
        z = z + w @ x
    return z


@row("heads over a memory that grows", sites={"layer/attn": "self"})
def heads_over_a_memory_that_grows(s: Any, x: Any) -> Any:
    attn = s.part("attn", lambda: layers.MultiHeadAttention(2, 4, name="attn"))
    ws = []
    h = x[:, :1]
    mem = h
    for _ in range(5):
        o, w = attn(h, mem, return_attention_scores=True)
        ws.append(array(w))
        h = ops.tanh(o + h)
        mem = ops.concatenate([mem, h], 1)
    full = np.zeros((x.shape[0], 2, 5, 5), "float32")
    for t, w in enumerate(ws):
        full[:, :, t, : t + 1] = w[:, :, 0]
    s.right = {"layer/attn": [full]}
    return mem


@row("a beginning, then word by word", sites={"layer": "self"})
def a_beginning_then_word_by_word(s: Any, x: Any) -> Any:
    seq = x[:, :3]
    ws = []
    new = x[:, :3]
    for _ in range(4):
        q = split(s.dense("q", D)(new), 2)
        n = seq.shape[1]
        m = new.shape[1]
        sc = q @ turned(split(s.dense("k", D)(seq), 2))
        if m > 1:
            sc = ops.where(np.tril(np.ones((m, m), bool)), sc, -1000000000.0)
        w = ops.softmax(sc)
        ws.append((array(w), n, m))
        o = merged(w @ split(seq, 2))
        new = ops.tanh(o[:, -1:] + 1)
        seq = ops.concatenate([seq, new], 1)
    full = np.zeros((x.shape[0], 2, 6, 6), "float32")
    for w, n, m in ws:
        full[:, :, n - m : n, :n] = w
    s.right = {"layer": [full]}
    return seq


@row("states so far", sites={"layer": "self"})
def states_so_far(s: Any, x: Any) -> Any:
    cell = s.part("cell", lambda: layers.GRUCell(D))
    h = ops.mean(x, 1)
    past = [h]
    ws = []
    for t in range(4):
        h, _ = cell(x[:, t], h)
        h = h if not isinstance(h, list) else h[0]
        past.append(h)
        past_states = ops.stack(past, 1)
        w = ops.softmax(ops.einsum("bd,btd->bt", s.dense("q", D)(h), past_states))
        ws.append(array(w))
        h = h + ops.einsum("bt,btd->bd", w, past_states)
    full = np.zeros((x.shape[0], 1, 4, 5), "float32")
    for t, w in enumerate(ws):
        full[:, 0, t, : t + 2] = w
    s.right = {"layer": [full]}
    return h
