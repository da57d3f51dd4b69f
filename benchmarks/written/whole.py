"""Windows, pooling, loops, several sequences, and weights changed after the softmax: forwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks.written.model import D, T, Written, attend, merged, split


def windows(s: Written, x: Any) -> Any:
    parts = x.unflatten(1, (2, T // 2)).flatten(0, 1)
    q, k, v = s.qkv(parts, heads=4)
    w = (q @ k.mT).softmax(-1)
    s.note(w.unflatten(0, (-1, 2)).flatten(1, 2))
    return w @ v


def columns(s: Written, x: Any) -> Any:
    """Of a grid [example, row, column, feature], along each column."""
    q, k, v = (s.dense(n, x).transpose(1, 2) for n in "qkv")
    w = (q @ k.mT).softmax(-1)
    s.note(w)
    return w @ v


def pooling(s: Written, x: Any) -> Any:
    w = s.dense("score", x, 1).softmax(1)
    s.note(w.mT[:, None])
    return (w * x).sum(1)


def pooling_flat(s: Written, x: Any) -> Any:
    w = s.dense("score", torch.tanh(s.dense("k", x)), 1).squeeze(-1).softmax(-1)
    s.note(w[:, None, None])
    return torch.bmm(w[:, None], x)[:, 0]


def hops(s: Written, x: Any) -> Any:
    """Several weighted sums of one sequence, as in structured self-attention."""
    w = s.dense("score", torch.tanh(s.dense("k", x)), T).softmax(1).mT
    s.note(w[:, :, None])
    return w @ x


def pooling_heads(s: Written, x: Any) -> Any:
    w = s.dense("score", x, 4).softmax(1)
    s.note(w.mT[:, :, None])
    return (w[..., None] * x.unflatten(-1, (4, -1))).sum(1)


def context(s: Written, x: Any) -> Any:
    w = (torch.tanh(s.dense("k", x)) @ s.weight("context", D)).softmax(-1)
    s.note(w[:, None, None])
    return torch.einsum("bt,btd->bd", w, x)


def positions_first(s: Written, x: Any) -> Any:
    out, w = s.layer("mha", lambda: nn.MultiheadAttention(D, 4))(
        *[x.transpose(0, 1)] * 3, average_attn_weights=False
    )
    s.note(w)
    return out


def encoder(s: Written, x: Any) -> Any:
    """Torch's own layer; its parameters say what is right."""
    layer = s.layer("enc", lambda: nn.TransformerEncoderLayer(D, 4, 8, 0.0, batch_first=True))
    _, w = layer.self_attn(x, x, x, average_attn_weights=False)
    s.note(w)
    return x


def one_by_one(s: Written, x: Any) -> Any:
    q, k, v = s.qkv(x, heads=4)
    rows = [(a @ b.mT).softmax(-1) for a, b in zip(q, k, strict=True)]
    s.note(torch.stack(rows))
    return torch.stack([w @ c for w, c in zip(rows, v, strict=True)])


def unbatched(s: Written, x: Any) -> Any:
    layer = s.layer("mha", lambda: nn.MultiheadAttention(D, 4))
    both = [layer(e, e, e, average_attn_weights=False) for e in x]
    s.note(torch.stack([w for _, w in both]))
    return torch.stack([out for out, _ in both])


def decoder(multiplies: bool, heads: int = 1) -> Callable[..., Any]:
    def run(s: Written, x: Any) -> Any:
        cell = s.layer("cell", lambda: nn.GRUCell(D, D))
        state, rows, out = x.mean(1), [], []
        keys = split(s.dense("k", x), heads)
        for step in range(3):
            asked = s.dense("q", state).unflatten(-1, (heads, -1))[:, :, None]
            if multiplies:
                scores = (keys * asked).sum(-1)
            else:
                scores = s.dense("e", torch.tanh(keys + asked), 1)[..., 0]
            w = scores.softmax(-1)
            rows.append(w)
            state = cell((w[..., None] * split(x, heads)).sum(2).flatten(1), state)
            out.append(state + x[:, step])
        s.note(torch.stack(rows, 2))
        return torch.stack(out, 1)

    return run


def depth(s: Written, x: Any) -> Any:
    for _ in range(3):
        x = x + merged(attend(s, *s.qkv(x, heads=4)))
    return x


def learned_first(s: Written, x: Any) -> Any:
    asked = s.weight("latents", 3, D).expand(len(x), -1, -1)
    asked = asked + merged(attend(s, *s.qkv(asked, heads=4)))
    return merged(attend(s, *s.qkv(asked, x, 4)))


def encoder_decoder(s: Written, x: Any, y: Any) -> Any:
    y = y + merged(attend(s, *s.qkv(y, heads=2)))
    return merged(attend(s, *s.qkv(y, x, 2)))


def co_attention(s: Written, x: Any, y: Any) -> Any:
    """One table of scores, a softmax along either axis."""
    scores = s.dense("k", x) @ y.mT
    forth, back = scores.softmax(-1), scores.softmax(1)
    s.note(forth[:, None])
    s.note(back.mT[:, None])
    return (forth @ y).mean(1) + (back.mT @ x).mean(1)


def renormalised(s: Written, x: Any) -> Any:
    q, k, v = s.qkv(x, heads=4)
    w = (q @ k.mT).softmax(-1) * (torch.arange(T) < 3)
    return merged(s.note(w / w.sum(-1, keepdim=True)) @ v)


def talking(s: Written, x: Any) -> Any:
    q, k, v = s.qkv(x, heads=4)
    w = torch.einsum("gh,bhqk->bgqk", s.weight("mix", 4, 4), (q @ k.mT).softmax(-1))
    return merged(s.note(w) @ v)


def best_two(s: Written, x: Any) -> Any:
    q, k, v = s.qkv(x, heads=4)
    best = (q @ k.mT).softmax(-1).topk(2, -1)
    w = torch.zeros(*q.shape[:3], T).scatter_(-1, best.indices, best.values)
    return merged(s.note(w) @ v)


def best_two_added(s: Written, x: Any) -> Any:
    q, k, v = s.qkv(x, heads=4)
    best = (q @ k.mT).softmax(-1).topk(2, -1)
    w = torch.zeros(*q.shape[:3], T).scatter_add(-1, best.indices, best.values)
    return merged(s.note(w) @ v)


def best_two_written(s: Written, x: Any) -> Any:
    q, k, v = s.qkv(x, heads=4)
    best = (q @ k.mT).softmax(-1).topk(2, -1)
    w = torch.zeros(*q.shape[:3], T)
    spots = torch.meshgrid(*(torch.arange(size) for size in w.shape[:3]), indexing="ij")
    w[(*(spot[..., None] for spot in spots), best.indices)] = best.values
    return merged(s.note(w) @ v)


def differential(s: Written, x: Any) -> Any:
    q, k = (split(s.dense(n, x, 2 * D), 8) for n in "qk")
    pairs = (q @ k.mT).softmax(-1).unflatten(1, (4, 2))
    w = pairs[:, :, 0] - 0.4 * pairs[:, :, 1]
    return merged(s.note(w) @ split(s.dense("v", x), 4))


def logarithm(s: Written, x: Any) -> Any:
    q, k, v = s.qkv(x, heads=4)
    return merged(s.note((q @ k.mT).log_softmax(-1).exp()) @ v)


def sink(s: Written, x: Any) -> Any:
    q, k, v = s.qkv(x, heads=4)
    logit = s.weight("sink", 4)[:, None, None].expand(len(x), -1, T, 1)
    w = torch.cat([q @ k.mT, logit], -1).softmax(-1)[..., :-1]
    return merged(s.note(w) @ v)
