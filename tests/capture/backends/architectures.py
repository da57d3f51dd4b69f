"""Models written by hand whose maps are known: each says what it multiplied its values with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import layers, ops

B, T, D = 3, 6, 8
ROWS: dict[str, Row] = {}
CROSS, POOLING = {"layer": "cross"}, {"layer": "pooling"}


class Written(layers.Layer):
    """Runs a function, with as many dense layers and parameters as it asks for.

    ``right`` holds, for each site, its weights as [example, head, query, key], or parts of them.
    """

    def __init__(self, function: Callable[..., Any], shape: Any = None, **options: Any) -> None:
        super().__init__(**options)
        self.function, self.shape_out = function, shape
        self.right: dict[str, list[Any]] = {}

    def part(self, name: str, make: Callable[[], Any]) -> Any:
        if not hasattr(self, name):
            self._tracker.unlock()  # built once it was called; its parts come with the call
            setattr(self, name, make())
        return getattr(self, name)

    def dense(self, name: str, units: int, **options: Any) -> Any:
        return self.part(name, lambda: layers.Dense(units, name=name, **options))

    def learned(self, name: str, *shape: int) -> Any:
        make = lambda: self.add_weight(shape=shape, name=name, initializer="normal")  # noqa: E731
        return ops.convert_to_tensor(self.part(name, make))

    def note(self, weights: Any, site: str = "layer") -> Any:
        self.right.setdefault(site, []).append(weights)
        return weights

    def call(self, *inputs: Any) -> Any:
        self.right = {}
        return self.function(self, *inputs)


@dataclass(frozen=True)
class Row:
    """A model, and what is right for it.

    ``sites`` gives for each site its kind; None means that nothing is to be taken. Backends have
    words of their own for a ``stage`` that ends in dots.
    """

    function: Callable[..., Any]
    sites: dict[str, str] | None = field(default_factory=lambda: {"layer": "self"})
    inputs: tuple[tuple[int, ...], ...] = ((B, T, D),)
    shape: tuple[int, ...] | None = None
    stage: str = ""
    reason: str = ""


def row(name: str, **options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function into the table."""

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        assert name not in ROWS
        ROWS[name] = Row(function, **options)
        return function

    return enter


def split(x: Any, heads: int) -> Any:
    """[example, position, feature] to [example, head, position, feature]."""
    _, length, width = x.shape
    return ops.transpose(ops.reshape(x, (-1, length, heads, width // heads)), (0, 2, 1, 3))


def merged(x: Any) -> Any:
    _, heads, length, size = x.shape
    return ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, length, heads * size))


def turned(x: Any) -> Any:
    return ops.swapaxes(x, -1, -2)


def qk(s: Any, x: Any, memory: Any = None) -> tuple[Any, Any]:
    return s.dense("query", D)(x), s.dense("key", D)(x if memory is None else memory)


# Heads and queries ---------------------------------------------------------------------------


def latents(heads: int, queries: int) -> Callable[..., Any]:
    def call(s: Any, x: Any) -> Any:
        q = ops.broadcast_to(s.learned("q", queries, D), (x.shape[0], queries, D))
        w = ops.softmax(split(q, heads) @ turned(split(s.dense("key", D)(x), heads)))
        s.note(w)
        return merged(w @ split(x, heads))

    return call


def latents_alone(s: Any, x: Any) -> Any:
    w = ops.softmax(ops.matmul(s.learned("q", 5, D), turned(s.dense("key", D)(x))))
    s.note(w[:, None])
    return w @ x


def cropped(s: Any, x: Any) -> Any:
    w = ops.softmax(s.dense("query", D)(x[:, 3:]) @ turned(s.dense("key", D)(x)))
    s.note(w[:, None])
    return w @ x


def strided_keys(s: Any, x: Any) -> Any:
    q, k = qk(s, x, x[:, ::2])
    w = s.note(ops.softmax(split(q, 2) @ turned(split(k, 2))))
    return merged(w @ split(x[:, ::2], 2))


def class_query(s: Any, x: Any) -> Any:
    q, k = qk(s, x[:, :1], x)
    w = s.note(ops.softmax(split(q, 2) @ turned(split(k, 2))))
    return merged(w @ split(x, 2))


def heads_after(s: Any, x: Any) -> Any:
    q, k = (ops.reshape(t, (-1, T, 2, D // 2)) for t in qk(s, x))
    w = ops.softmax(ops.einsum("bqhd,bkhd->bqhk", q, k))
    s.note(ops.transpose(w, (0, 2, 1, 3)))
    return ops.einsum("bqhk,bkhd->bqhd", w, ops.reshape(x, (-1, T, 2, D // 2)))


def heads_first(s: Any, x: Any) -> Any:
    q, k = (ops.transpose(split(t, 2), (1, 0, 2, 3)) for t in qk(s, x))
    w = ops.softmax(q @ turned(k))
    s.note(ops.transpose(w, (1, 0, 2, 3)))
    return w @ ops.transpose(split(x, 2), (1, 0, 2, 3))


def keys_before_queries(s: Any, x: Any) -> Any:
    q, k = qk(s, x, x[:, :4])
    w = ops.softmax(k @ turned(q), axis=1)
    s.note(turned(w)[:, None])
    return ops.einsum("bkq,bkd->bqd", w, x[:, :4])


def folded(s: Any, x: Any) -> Any:
    q, k, v = (ops.reshape(split(t, 2), (-1, T, D // 2)) for t in (*qk(s, x), x))
    w = ops.softmax(q @ turned(k))
    s.note(ops.reshape(w, (-1, 2, T, T)))
    return ops.reshape(w @ v, (-1, 2, T, D // 2))


def shared_keys(s: Any, x: Any) -> Any:
    q = split(s.dense("query", D)(x), 2)
    k, v = (s.dense(n, D // 2)(x) for n in ("key", "value"))
    w = s.note(ops.softmax(ops.einsum("bhqd,bkd->bhqk", q, k)))
    return ops.einsum("bhqk,bkd->bhqd", w, v)


def shared_values(s: Any, x: Any) -> Any:
    q, k = qk(s, x[:, 4:], x)
    w = s.note(ops.softmax(split(q, 4) @ turned(split(k, 4))))
    return ops.mean(ops.einsum("bhqk,bkd->bhqd", w, s.dense("value", D)(x)), axis=1)


def additive(s: Any, x: Any) -> Any:
    q, k = qk(s, x, x[:, :4])
    scores = s.dense("score", 1)(ops.tanh(q[:, :, None] + k[:, None]))[..., 0]
    w = ops.softmax(scores)
    s.note(w[:, None])
    return ops.einsum("bqk,bkd->bqd", w, x[:, :4])


def additive_heads(s: Any, x: Any) -> Any:
    q, k = qk(s, x[:, :3], x)
    scores = s.dense("score", 4)(ops.tanh(q[:, :, None] + k[:, None]))
    w = ops.softmax(scores, axis=2)
    s.note(ops.transpose(w, (0, 3, 1, 2)))
    return ops.einsum("bqkh,bkhd->bqhd", w, ops.reshape(s.dense("value", 8)(x), (-1, T, 4, 2)))


def products_summed(s: Any, x: Any) -> Any:
    q, k = qk(s, x, x)
    w = ops.softmax(ops.sum(q[:, :, None] * k[:, None], axis=-1), axis=-1)
    s.note(w[:, None])
    return ops.sum(w[..., None] * x[:, None], axis=2)


def image(s: Any, x: Any) -> Any:
    v = layers.Reshape((16, D))(s.part("patches", lambda: layers.Conv2D(D, 2, strides=2))(x))
    q, k = qk(s, v[:, :1], v)
    w = s.note(ops.softmax(split(q, 2) @ turned(split(k, 2))))
    return merged(w @ split(v, 2))


def grid(s: Any, x: Any) -> Any:
    q, k = s.dense("query", D)(x), s.dense("key", D)(x)
    scores = ops.reshape(ops.einsum("bhwd,bkld->bhwkl", q, k), (-1, 2, 3, 6))
    w = ops.softmax(scores)
    s.note(ops.reshape(w, (-1, 1, 6, 6)))
    return ops.einsum("bhwk,bkd->bhwd", w, ops.reshape(x, (-1, 6, D)))


def windows(s: Any, x: Any) -> Any:
    q, k, v = (ops.reshape(t, (-1, 3, 2, D)) for t in (*qk(s, x), x))
    w = s.note(ops.softmax(q @ turned(k)))
    return ops.reshape(w @ v, (-1, T, D))


def causal(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    scores = split(q, 2) @ turned(split(k, 2))
    may = ops.convert_to_tensor(np.tril(np.ones((T, T), bool)))
    w = s.note(ops.softmax(ops.where(may, scores, -1e9)))
    return merged(w @ split(x, 2))


def logarithm(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    w = ops.exp(ops.log_softmax(q @ turned(k)))
    s.note(w[:, None])
    return w @ x


# Pooling -------------------------------------------------------------------------------------


def pooled(s: Any, x: Any) -> Any:
    w = ops.softmax(s.dense("score", 1)(ops.tanh(s.dense("hidden", 4)(x))), axis=1)
    s.note(ops.transpose(w, (0, 2, 1))[:, None])
    return ops.sum(w * x, axis=1)


def hops(s: Any, x: Any) -> Any:
    w = ops.softmax(s.dense("score", 3)(ops.tanh(s.dense("hidden", 4)(x))), axis=1)
    s.note(ops.transpose(w, (0, 2, 1))[:, :, None])
    return ops.matmul(ops.transpose(w, (0, 2, 1)), x)


def pooled_by_context(s: Any, x: Any) -> Any:
    u = ops.tanh(s.dense("hidden", D)(x))
    w = ops.softmax(ops.squeeze(ops.matmul(u, s.learned("context", D, 1)), -1))
    s.note(w[:, None, None])
    return ops.einsum("bt,btd->bd", w, x)


def stacked_states(s: Any, x: Any) -> Any:
    states = ops.stack([ops.tanh(s.dense("step", D)(x[:, t])) for t in range(T)], axis=1)
    w = ops.softmax(s.dense("score", 1)(states), axis=1)
    s.note(ops.transpose(w, (0, 2, 1))[:, None])
    return ops.sum(w * states, axis=1)


def of_numbers(s: Any, x: Any) -> Any:
    w = ops.softmax(s.dense("score", 1)(x)[..., 0])
    s.note(w[:, None, None])
    return ops.sum(w * s.dense("value", 1)(x)[..., 0], axis=1, keepdims=True)


def words_then_sentences(s: Any, x: Any) -> Any:
    w = ops.softmax(s.dense("score", 1)(x)[..., 0])  # [example, sentence, word]
    s.note(w[:, None])
    return ops.sum(w[..., None] * x, axis=2)


# Examples ------------------------------------------------------------------------------------


def example_by_example(s: Any, x: Any) -> Any:
    rows = []
    for i in range(x.shape[0]):
        e = x[i]
        w = ops.softmax(split(s.dense("query", D)(e[None]), 2) @ turned(split(e[None], 2)))
        s.note(w)
        rows.append((w @ split(e[None], 2))[0])
    return ops.stack(rows)


def without_example_axis(s: Any, x: Any) -> Any:
    rows = []
    for i in range(x.shape[0]):
        w = ops.softmax(s.dense("query", D)(x[i]) @ ops.transpose(x[i]))
        s.note(w[None, None])
        rows.append(w @ x[i])
    return ops.stack(rows)


def positions_first(s: Any, x: Any) -> Any:
    y = ops.transpose(x, (1, 0, 2))  # [position, example, feature]
    w = ops.softmax(ops.einsum("qbd,kbd->qbk", s.dense("query", D)(y), y))
    s.note(ops.transpose(w, (1, 0, 2))[:, None])
    return ops.einsum("qbk,kbd->qbd", w, y)


def positions_first_pooled(s: Any, x: Any) -> Any:
    y = ops.transpose(x, (1, 0, 2))
    w = ops.softmax(s.dense("score", 1)(y)[..., 0], axis=0)
    s.note(ops.transpose(w)[:, None, None])
    return ops.sum(w[..., None] * y, axis=0)


def learned_queries_first(s: Any, x: Any) -> Any:
    q = s.learned("q", 5, D)
    w = ops.softmax(s.dense("first", D)(q) @ ops.transpose(s.dense("second", D)(q)))
    s.note(ops.broadcast_to(w[None, None], (x.shape[0], 1, 5, 5)))
    q = ops.broadcast_to((w @ s.dense("third", D)(q))[None], (x.shape[0], 5, D))
    w = ops.softmax(q @ turned(s.dense("key", D)(x)))
    s.note(w[:, None], "layer:1")
    return w @ x


# Things that are positions, whatever they were made of ----------------------------------------


def read_out(s: Any, x: Any) -> Any:
    rows = ops.broadcast_to(s.learned("rows", 5, D)[None], (x.shape[0], 5, D))
    first = ops.softmax(rows @ turned(s.dense("key", D)(x)))
    s.note(first[:, None])
    rows = first @ x
    second = ops.softmax(s.dense("query", D)(x) @ turned(rows))
    s.note(second[:, None], "layer:1")
    return second @ rows


def made_of_features(s: Any, x: Any) -> Any:
    made = ops.reshape(s.dense("made", 4 * D)(ops.mean(x, axis=1)), (-1, 4, D))
    q, k = (split(t, 2) for t in qk(s, made))
    w = s.note(ops.softmax(q @ turned(k)))
    return merged(w @ split(made, 2))


def columns(s: Any, x: Any) -> Any:
    made = ops.stack([s.dense(f"column{n}", D)(x[:, 0]) for n in range(3)], axis=1)
    q, k = (split(t, 2) for t in qk(s, made))
    w = s.note(ops.softmax(q @ turned(k)))
    return merged(w @ split(made, 2))


# Loops ---------------------------------------------------------------------------------------


def decoder(multiplies: bool) -> Callable[..., Any]:
    def call(s: Any, x: Any) -> Any:
        state = ops.mean(x, axis=1)
        for _ in range(4):
            if multiplies:  # Luong
                scores = ops.einsum("bd,btd->bt", s.dense("query", D)(state), x)
            else:  # Bahdanau
                both = s.dense("query", D)(state)[:, None] + s.dense("key", D)(x)
                scores = s.dense("score", 1)(ops.tanh(both))[..., 0]
            w = ops.softmax(scores)
            s.note(w[:, None, None])
            state = s.dense("step", D, activation="tanh")(ops.einsum("bt,btd->bd", w, x))
        return state

    return call


class Bahdanau(layers.Layer):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.one_side, self.other_side, self.score = (layers.Dense(n) for n in (D, D, 1))

    def call(self, query: Any, values: Any) -> Any:
        both = ops.tanh(self.one_side(values) + self.other_side(query)[:, None])
        weights = ops.softmax(self.score(both), axis=1)
        return ops.sum(weights * values, axis=1), weights


def tutorial_decoder(s: Any, x: Any) -> Any:
    attend = s.part("attention", Bahdanau)
    cell = s.part("cell", lambda: layers.GRUCell(D))
    state, steps = ops.zeros((x.shape[0], D)), []
    for _ in range(4):
        context, w = attend(state, x)
        s.note(ops.transpose(w, (0, 2, 1))[:, None], "layer/bahdanau")
        output, (state,) = cell(context, [state])
        steps.append(output)
    return ops.stack(steps, axis=1)


def word_by_word(s: Any, x: Any) -> Any:
    words = x[:, :1]
    for _ in range(3):
        w = ops.softmax(s.dense("query", D)(words) @ turned(s.dense("key", D)(x)))
        s.right = {"layer": [w[:, None]]}  # the last asks for all words again
        words = ops.concatenate([words, (w @ x)[:, -1:]], axis=1)
    return words


def again_and_again(s: Any, x: Any) -> Any:
    for number in range(3):
        w = ops.softmax(s.dense("query", D)(x) @ turned(s.dense("key", D)(x)))
        s.note(w[:, None], f"layer:{number}" if number else "layer")
        x = w @ x
    return x


def twice_over_one_memory(s: Any, x: Any) -> Any:
    first = ops.softmax(s.dense("first", 1)(x), axis=1)
    second = ops.softmax(s.dense("second", 1)(x), axis=1)
    s.note(ops.transpose(first, (0, 2, 1))[:, None])
    s.note(ops.transpose(second, (0, 2, 1))[:, None], "layer:1")
    return ops.sum(first * x, axis=1) + ops.sum(second * x, axis=1)


class Pool(layers.Layer):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.score = layers.Dense(1)

    def call(self, x: Any) -> Any:
        w = ops.softmax(self.score(x), axis=1)
        return ops.sum(w * x, axis=1), w


def siamese(s: Any, x: Any) -> Any:
    pool = s.part("pool", Pool)
    results = []
    for number, half in enumerate((x[:, :3], x[:, 3:])):
        pooled_half, w = pool(half)
        s.note(ops.transpose(w, (0, 2, 1))[:, None], f"layer/pool:{number}".removesuffix(":0"))
        results.append(pooled_half)
    return ops.concatenate(results, axis=-1)


# After the softmax ---------------------------------------------------------------------------


def masked_and_renormalised(s: Any, x: Any, real: Any) -> Any:
    w = ops.softmax(s.dense("score", 1)(x)[..., 0]) * real
    w = w / ops.sum(w, axis=1, keepdims=True)
    s.note(w[:, None, None])
    return ops.einsum("bt,btd->bd", w, x)


def masked_map(s: Any, x: Any, real: Any) -> Any:
    q, k = qk(s, x)
    w = ops.softmax(split(q, 2) @ turned(split(k, 2))) * real[:, None, None]
    w = s.note(w / (ops.sum(w, axis=-1, keepdims=True) + 1e-9))
    return merged(w @ split(x, 2))


def sharpened(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    w = ops.softmax(q @ turned(k)) ** 2
    w = w / ops.sum(w, axis=-1, keepdims=True)
    s.note(w[:, None])
    return w @ x


def thresholded(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    w = ops.softmax(q @ turned(k))
    w = ops.where(w < 0.1, 0.0, w)
    w = w / ops.sum(w, axis=-1, keepdims=True)
    s.note(w[:, None])
    return w @ x


def talking(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    w = ops.softmax(split(q, 4) @ turned(split(k, 4)))
    mixed = s.note(ops.einsum("bhqk,hg->bgqk", w, s.learned("mixing", 4, 4)))
    return merged(mixed @ split(x, 4))


def averaged_heads(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    w = s.note(ops.softmax(split(q, 4) @ turned(split(k, 4))))
    return ops.mean(w, axis=1) @ x


def mixed_by_convolution(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    w = ops.softmax(split(q, 4) @ turned(split(k, 4)))
    mix = s.part("mix", lambda: layers.Conv2D(4, 1))
    mixed = s.note(ops.transpose(mix(ops.transpose(w, (0, 2, 3, 1))), (0, 3, 1, 2)))
    return merged(mixed @ split(x, 4))


def subtracted(s: Any, x: Any) -> Any:
    first, second = (ops.softmax(s.dense(f"query{n}", D)(x) @ turned(s.dense(f"key{n}", D)(x)))
                     for n in range(2))  # fmt: skip
    s.note(first[:, None])
    s.note(second[:, None], "layer:1")
    return (first - 0.5 * second) @ x


def normed(s: Any, x: Any) -> Any:
    q, k = qk(s, x)
    norm = s.part("norm", layers.LayerNormalization)
    w = ops.transpose(ops.softmax(split(q, 4) @ turned(split(k, 4))), (0, 2, 3, 1))
    w = s.note(ops.transpose(norm(w), (0, 3, 1, 2)))
    return merged(w @ split(x, 4))


# Not attention -------------------------------------------------------------------------------


def channels(s: Any, x: Any) -> Any:
    w = ops.softmax(turned(s.dense("key", D)(x)) @ s.dense("query", D)(x))
    return turned(w @ turned(x))


def squeezed(s: Any, x: Any) -> Any:
    return x * ops.softmax(s.dense("gate", D)(ops.mean(x, axis=1)))[:, None]


def selective_kernels(s: Any, x: Any) -> Any:
    branches = ops.stack([s.dense("small", D)(x), s.dense("large", D)(x)], axis=1)
    about = ops.mean(x, axis=1)
    gates = ops.stack([s.dense("a", D)(about), s.dense("b", D)(about)], axis=1)
    return ops.sum(ops.softmax(gates, axis=1)[:, :, None] * branches, axis=1)


def experts(s: Any, x: Any) -> Any:
    w = ops.softmax(s.dense("gate", T)(x))
    outputs = ops.stack([s.dense(f"expert{n}", D)(x) for n in range(T)], axis=2)
    return ops.sum(w[..., None] * outputs, axis=2)


def capsules(s: Any, x: Any) -> Any:
    u = ops.reshape(s.dense("u", 24)(x), (-1, T, 6, 4))
    c = ops.softmax(ops.sum(u * ops.sum(u, axis=1, keepdims=True), axis=-1), axis=2)
    return ops.sum(c[..., None] * u, axis=1)


def slots(s: Any, x: Any) -> Any:
    q = ops.broadcast_to(s.learned("slots", 1, T, D), (x.shape[0], 1, T, D))[:, 0]
    w = ops.softmax(ops.einsum("bid,bjd->bij", q, s.dense("key", D)(x)), axis=1) + 1e-8
    return ops.einsum("bij,bjd->bid", w / ops.sum(w, axis=-1, keepdims=True), x)


def of_several(s: Any, x: Any) -> Any:
    """Nyström's way: the map is a product of softmaxes."""
    few = x[:, ::2]
    first, last = ops.softmax(x @ turned(few)), ops.softmax(few @ turned(x))
    return (first @ last) @ x


def gated(s: Any, x: Any) -> Any:
    return x * ops.softmax(x)


def gated_positions(s: Any, x: Any) -> Any:
    return x * ops.softmax(s.dense("score", 1)(x), axis=1)


def linear(s: Any, x: Any) -> Any:
    q, k = ops.softmax(s.dense("query", 4)(x)), ops.softmax(s.dense("key", 4)(x), axis=1)
    return q @ (turned(k) @ x)


def lambdas(s: Any, x: Any) -> Any:
    k = ops.softmax(s.dense("key", 4)(x), axis=1)
    return ops.einsum("bqk,bkv->bqv", s.dense("query", 4)(x), ops.einsum("bmk,bmv->bkv", k, x))


def codebook(s: Any, x: Any) -> Any:
    book = s.learned("book", T, D)
    return ops.softmax(x @ ops.transpose(book)) @ book


def classes(s: Any, x: Any) -> Any:
    return ops.softmax(s.dense("class", T)(ops.mean(x, axis=1)))


def between_examples(s: Any, x: Any) -> Any:
    y = ops.mean(x, axis=1)
    return ops.softmax(y @ ops.transpose(y)) @ y


def dynamic_taps(s: Any, x: Any) -> Any:
    taps = ops.softmax(ops.reshape(s.dense("taps", 3)(x), (-1, 3, 1)), axis=1)
    padded = ops.pad(x, ((0, 0), (1, 1), (0, 0)))
    views = ops.stack([padded[:, i : i + T] for i in range(3)], axis=2)
    return ops.sum(taps * ops.reshape(views, (-1, 3, D)), axis=1)


ROWS |= {
    **{f"{h} heads, {q} latents": Row(latents(h, q), CROSS)
       for h in (1, 2, 4) for q in (2, 3, 4, 5)},
    "6 latents over 6": Row(latents(2, 6), CROSS),
    "latents alone": Row(latents_alone, CROSS),
    "cropped queries": Row(cropped, CROSS),
    "strided keys": Row(strided_keys, CROSS),
    "class query": Row(class_query, POOLING),
    "heads after queries": Row(heads_after),
    "heads before examples": Row(heads_first),
    "keys before queries": Row(keys_before_queries, CROSS),
    "heads folded into examples": Row(folded),
    "shared keys and values": Row(shared_keys),
    "shared values": Row(shared_values, CROSS),
    "additive": Row(additive, CROSS),
    "additive heads": Row(additive_heads, CROSS),
    "products summed": Row(products_summed),
    "class query of an image": Row(image, POOLING, ((B, 8, 8, 3),)),
    "rows and columns": Row(grid, inputs=((B, 2, 3, D),)),
    "windows": Row(windows),
    "causal": Row(causal),
    "logarithm": Row(logarithm),
    "pooling": Row(pooled, POOLING),
    "hops": Row(hops, POOLING),
    "pooling by context": Row(pooled_by_context, POOLING),
    "pooling of stacked states": Row(stacked_states, POOLING),
    "pooling of numbers": Row(of_numbers, POOLING),
    "words of sentences": Row(words_then_sentences, CROSS, ((B, 2, 4, D),)),
    "example by example": Row(example_by_example),
    "without an axis of examples": Row(without_example_axis),
    "positions first": Row(positions_first),
    "positions first, as many as examples": Row(positions_first, inputs=((B, B, D),)),
    "positions first, pooled": Row(positions_first_pooled, POOLING),
    "learned queries first": Row(learned_queries_first, {"layer": "self", "layer:1": "cross"}),
    "read out of learned rows": Row(read_out, {"layer": "cross", "layer:1": "cross"}),
    "made of features": Row(made_of_features),
    "columns": Row(columns),
    "word by word": Row(word_by_word, CROSS),
    "Luong": Row(decoder(True), CROSS),
    "Bahdanau": Row(decoder(False), CROSS),
    "decoder of a tutorial": Row(tutorial_decoder, {"layer/bahdanau": "cross"}),
    "depth": Row(again_and_again, {"layer": "self", "layer:1": "self", "layer:2": "self"}),
    "two scores of one memory": Row(twice_over_one_memory,
                                    {"layer": "pooling", "layer:1": "pooling"}),
    "one pool, two memories": Row(siamese, {"layer/pool": "pooling", "layer/pool:1": "pooling"}),
    "mask and renormalisation": Row(masked_and_renormalised, POOLING, ((B, T, D), (B, T)),
                                    stage="after mask and renormalisation"),
    "masked map": Row(masked_map, inputs=((B, T, D), (B, T)),
                      stage="after mask and renormalisation"),
    "powers": Row(sharpened, stage="after power and renormalisation"),
    "thresholds": Row(thresholded, stage="after mask and renormalisation"),
    "talking heads": Row(talking, stage="after mixing of heads"),
    "heads mixed by a convolution": Row(mixed_by_convolution, stage="after mixing of heads"),
    "averaged heads": Row(averaged_heads),
    "normed heads": Row(normed, stage="after ..."),
    "subtracted": Row(subtracted, {"layer": "self", "layer:1": "self"},
                      stage="before combination with another softmax, which cannot be followed"),
    "product of softmaxes": Row(of_several, None, reason="multiplied with another softmax"),
    "channels": Row(channels, None, reason="features"),
    "as many channels as positions": Row(channels, None, ((B, D, D),), reason="features"),
    "squeeze and excite": Row(squeezed, None),
    "as many features squeezed": Row(squeezed, None, ((B, D, D),)),
    "selective kernels": Row(selective_kernels, None),
    "experts": Row(experts, None, reason="features"),
    "capsules": Row(capsules, None, reason="another axis"),
    "slots": Row(slots, None, reason="another axis"),
    "gates": Row(gated, None, ((B, D, D),)),
    "gated positions": Row(gated_positions, None, reason="not summed"),
    "linear attention": Row(linear, None),
    "lambdas": Row(lambdas, None, reason="linear attention"),
    "codebook": Row(codebook, None, reason="learned"),
    "classes": Row(classes, None),
    "between examples": Row(between_examples, None, reason="examples"),
    "taps": Row(dynamic_taps, None),
}  # fmt: skip


def built(row: Row) -> tuple[keras.Model, Any, Written]:
    """Return a row's model, its inputs, and the layer that knows what is right."""
    rng = np.random.default_rng(5)
    inputs = [rng.normal(size=shape).astype("float32") for shape in row.inputs]
    if len(inputs) > 1:
        inputs[1] = np.ones(row.inputs[1], "float32")
        inputs[1][1, 4:] = 0
    layer = Written(row.function, name="layer")
    whole = Whole(layer, name="whole")
    arrays = tuple(inputs) if len(inputs) > 1 else inputs[0]
    whole(*inputs)
    return whole, arrays, layer


class Whole(keras.Model):
    """A model of one layer, called as it is: not as a graph of open sizes."""

    def __init__(self, layer: Any, **options: Any) -> None:
        super().__init__(**options)
        self.layer = layer

    def call(self, x: Any, real: Any = None) -> Any:
        return self.layer(x) if real is None else self.layer(x, real)
