"""Models with softmaxes that are no attention."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers, ops

from .architectures import B, D, T, row, turned


@row("routed capsules", sites=None)
def routed_capsules(s: Any, x: Any) -> Any:
    u = ops.reshape(s.dense("u", T * 4)(x), (-1, T, T, 4))
    b = ops.zeros((x.shape[0], T, T))
    for _ in range(3):
        c = ops.softmax(b, axis=2)
        v = ops.sum(c[..., None] * u, axis=1)
        b = b + ops.einsum("bijd,bjd->bij", u, v)


@row("slots again and again", sites=None)
def slots_again_and_again(s: Any, x: Any) -> Any:
    sl = ops.broadcast_to(s.learned("mu", 1, T, D), (x.shape[0], T, D))
    k, v = (s.dense("k", D)(x), s.dense("v", D)(x))
    for _ in range(3):
        a = ops.softmax(ops.einsum("bnd,bsd->bns", k, s.dense("q", D)(sl)), axis=-1)
        a = a / ops.sum(a + 1e-08, axis=1, keepdims=True)
        sl = sl + ops.einsum("bns,bnd->bsd", a, v)
    return sl


@row("covariance of channels", sites=None, inputs=((B, 8, 16),))
def covariance_of_channels(s: Any, x: Any) -> Any:
    q, k, v = (
        ops.transpose(ops.reshape(s.dense(n, 16)(x), (-1, 8, 2, 8)), (0, 2, 3, 1)) for n in "qkv"
    )
    w = ops.softmax(q @ turned(k))
    return ops.reshape(ops.transpose(w @ v, (0, 3, 1, 2)), (-1, 8, 16))


@row("channels of an image", sites=None, inputs=((B, 3, 3, 9),))
def channels_of_an_image(s: Any, x: Any) -> Any:
    f = ops.reshape(x, (-1, 9, 9))
    w = ops.softmax(turned(f) @ f)
    return f @ turned(w)


@row("channels of a convolution", sites=None, inputs=((B, 4, 4, 3),))
def channels_of_a_convolution(s: Any, x: Any) -> Any:
    f = ops.reshape(s.part("c", lambda: layers.Conv2D(16, 1))(x), (-1, 16, 16))
    w = ops.softmax(turned(f) @ f)
    return f @ turned(w)


@row("squeezed gates", sites=None, inputs=((B, 8, 8),))
def squeezed_gates(s: Any, x: Any) -> Any:
    return (
        x
        * s.dense("g", 8, activation="softmax")(s.dense("h", 2, activation="relu")(ops.mean(x, 1)))[
            :, None
        ]
    )


@row("kernels of an image", sites=None, inputs=((B, 4, 4, 3),))
def kernels_of_an_image(s: Any, x: Any) -> Any:
    br = ops.stack(
        [
            s.part(f"c{n}", lambda n=n: layers.Conv2D(4, 3, padding="same", dilation_rate=n + 1))(x)
            for n in range(4)
        ],
        axis=0,
    )
    z = ops.mean(ops.sum(br, 0), axis=(1, 2))
    g = ops.stack([s.dense(f"g{n}", 4)(z) for n in range(4)], axis=0)
    w = ops.softmax(g, axis=0)
    return ops.sum(br * w[:, :, None, None], axis=0)


@row("kernels of experts", sites=None)
def kernels_of_experts(s: Any, x: Any) -> Any:
    w = ops.softmax(s.dense("g", T)(x))
    kernels = s.learned("kernels", T, D, D)
    return ops.einsum("bte,btd,edf->btf", w, x, kernels)


@row("experts for all", sites=None)
def experts_for_all(s: Any, x: Any) -> Any:
    g = ops.softmax(s.dense("g", 4)(ops.mean(x, 1)))
    e = ops.stack([s.dense(f"e{n}", D)(x) for n in range(4)], axis=1)
    return ops.einsum("be,betd->btd", g, e)


@row("experts stacked last", sites=None)
def experts_stacked_last(s: Any, x: Any) -> Any:
    f = ops.mean(x, 1)
    e = ops.stack([s.dense(f"e{n}", T)(f) for n in range(T)], axis=-1)
    g = ops.softmax(s.dense("g", T)(f))
    return ops.sum(e * g[:, None], axis=-1)


@row("clusters", sites=None)
def clusters(s: Any, x: Any) -> Any:
    a = ops.softmax(s.dense("a", T)(x))
    c = s.learned("c", T, D)
    return ops.einsum("btk,btd->bkd", a, x) - ops.sum(a, axis=1)[..., None] * c


@row("policy", sites=None)
def policy(s: Any, x: Any) -> Any:
    p = ops.softmax(s.dense("a", T)(ops.mean(x, 1)))
    return -ops.sum(p * ops.log(p), -1)


@row("mean of coordinates", sites=None)
def mean_of_coordinates(s: Any, x: Any) -> Any:
    w = ops.softmax(s.dense("e", 1)(x)[..., 0])
    return ops.sum(w * ops.arange(T, dtype="float32"), -1, keepdims=True)


@row("linear, as many features as positions", sites=None, inputs=((B, 8, 8),))
def linear_as_many_features_as_positions(s: Any, x: Any) -> Any:
    q, k = (ops.softmax(s.dense("q", 8)(x), axis=-1), ops.softmax(s.dense("k", 8)(x), axis=1))
    return q @ (turned(k) @ x)


@row("dynamic taps", sites=None, inputs=((B, 3, 8),))
def dynamic_taps(s: Any, x: Any) -> Any:
    w = ops.softmax(s.dense("k", 3)(x))
    p = ops.pad(x, ((0, 0), (1, 1), (0, 0)))
    v = ops.stack([p[:, i : i + 3] for i in range(3)], axis=2)
    return ops.einsum("btk,btkd->btd", w, v)


@row("soft words", sites=None)
def soft_words(s: Any, x: Any) -> Any:
    book = s.learned("book", 11, D)
    return ops.softmax(x @ ops.transpose(book)) @ book


@row("gates of pixels", sites=None, inputs=((B, 4, 4, 3),))
def gates_of_pixels(s: Any, x: Any) -> Any:
    a = s.part("c", lambda: layers.Conv2D(1, 1))(x)
    w = ops.reshape(ops.softmax(ops.reshape(a, (-1, 16)), axis=-1), (-1, 4, 4, 1))
    return x * w


@row("over examples", sites=None)
def over_examples(s: Any, x: Any) -> Any:
    y = x[:, 0]
    return ops.softmax(s.dense("e", 1)(y), axis=0) * y


@row("examples compared", sites=None)
def examples_compared(s: Any, x: Any) -> Any:
    y = ops.mean(x, 1)
    w = ops.softmax(s.dense("a", D)(y) @ ops.transpose(s.dense("b", D)(y)))
    return w @ y


@row("gates before a layer", sites=None)
def gates_before_a_layer(s: Any, x: Any) -> Any:
    w = ops.softmax(s.dense("e", 1)(x), axis=1)
    return ops.mean(ops.relu(s.dense("o", 4)(w * x)), axis=1)


@row("points of an image", sites=None, inputs=((B, 4, 4, 3),))
def points_of_an_image(s: Any, x: Any) -> Any:
    a = s.part("c", lambda: layers.Conv2D(5, 1))(x)
    w = ops.softmax(ops.reshape(a, (-1, 16, 5)), axis=1)
    g = ops.convert_to_tensor(np.random.default_rng(0).random((16, 2)).astype("float32"))
    return ops.einsum("bnk,nc->bkc", w, g)


@row("pointers that are only compared", sites=None)
def pointers_that_are_only_compared(s: Any, x: Any) -> Any:
    h, pointers = ops.mean(x, axis=1), []
    for _ in range(3):
        w = ops.softmax(ops.einsum("bd,btd->bt", s.dense("q", D)(h), x))
        pointers.append(w)
        best = ops.argmax(w, axis=-1)
        h = h + ops.take_along_axis(x, best[:, None, None], axis=1)[:, 0]
    return ops.stack(pointers, axis=1)
