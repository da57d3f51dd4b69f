"""Attention whose heads, queries and keys lie where people put them: forwards of models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from benchmarks.written.model import D, T, Written, attend, merged, split


def plain(heads: int) -> Callable[..., Any]:
    return lambda s, x: merged(attend(s, *s.qkv(x, heads=heads)))


def latents(heads: int, count: int) -> Callable[..., Any]:
    def run(s: Written, x: Any) -> Any:
        asked = s.weight("latents", count, D).expand(len(x), -1, -1)
        return merged(attend(s, *s.qkv(asked, x, heads)))

    return run


def latents_bare(s: Written, x: Any) -> Any:
    """Queries without an axis of examples."""
    q = split(s.dense("q", s.weight("latents", T, D))[None], 4)[0]
    k, v = split(s.dense("k", x), 4), split(s.dense("v", x), 4)
    w = s.note(torch.einsum("hqd,bhkd->bhqk", q, k).softmax(-1))
    return torch.einsum("bhqk,bhkd->bqhd", w, v)


def class_query(heads: int) -> Callable[..., Any]:
    def run(s: Written, x: Any) -> Any:
        return merged(attend(s, *s.qkv(x[:, :1], x, heads)))

    return run


def class_query_bare(s: Written, x: Any) -> Any:
    q = s.dense("q", x[:, 0]).unflatten(-1, (4, -1))
    _, k, v = s.qkv(x, heads=4)
    w = torch.einsum("bhd,bhkd->bhk", q, k).softmax(-1)
    s.note(w[:, :, None])
    return torch.einsum("bhk,bhkd->bhd", w, v).flatten(1)


def image(heads: int) -> Callable[..., Any]:
    def run(s: Written, x: Any) -> Any:
        patches = s.layer("patch", lambda: nn.Conv2d(3, D, 4, 4))(x).flatten(2).mT
        return merged(attend(s, *s.qkv(patches[:, :1], patches, heads)))

    return run


def pooled_keys(s: Written, x: Any) -> Any:
    small = functional.avg_pool1d(x.mT, 2).mT
    return merged(attend(s, *s.qkv(x, small, 4)))


def cropped(s: Written, x: Any) -> Any:
    return merged(attend(s, *s.qkv(x[:, 1:], x, 2)))


def single_head_cropped(s: Written, x: Any) -> Any:
    q, k, v = (s.dense(n, y) for n, y in (("q", x[:, ::2]), ("k", x), ("v", x)))
    w = (q @ k.mT).softmax(-1)
    s.note(w[:, None])
    return w @ v


def keys_by_queries(s: Written, x: Any) -> Any:
    q, k, v = s.qkv(x[:, :3], x, 4)
    w = (k @ q.mT).softmax(-2)
    s.note(w.mT)
    return w.mT @ v


def heads_last(s: Written, x: Any) -> Any:
    q, k, v = (s.dense(n, x).unflatten(-1, (4, -1)) for n in "qkv")
    w = torch.einsum("bqhd,bkhd->bqkh", q, k).softmax(2)
    s.note(w.permute(0, 3, 1, 2))
    return torch.einsum("bqkh,bkhd->bqhd", w, v)


def heads_first(s: Written, x: Any) -> Any:
    q, k, v = (s.dense(n, x).unflatten(-1, (2, -1)).permute(2, 0, 1, 3) for n in "qkv")
    w = (q @ k.mT).softmax(-1)
    s.note(w.transpose(0, 1))
    return w @ v


def heads_folded(s: Written, x: Any) -> Any:
    q, k, v = (t.flatten(0, 1) for t in s.qkv(x, heads=4))
    w = torch.bmm(q, k.mT).softmax(-1)
    s.note(w.unflatten(0, (-1, 4)))
    return torch.bmm(w, v)


def heads_listed(s: Written, x: Any) -> Any:
    """Heads one after another, put together by stack before the softmax."""
    q, k, v = (s.dense(n, x).chunk(2, -1) for n in "qkv")
    scores = torch.stack([a @ b.mT for a, b in zip(q, k, strict=True)], 1)
    w = s.note(scores.softmax(-1))
    return torch.cat([w[:, i] @ v[i] for i in range(2)], -1)


def grouped(s: Written, x: Any) -> Any:
    q = split(s.dense("q", x), 4)
    k, v = (split(s.dense(n, x, D // 2), 2).repeat_interleave(2, 1) for n in "kv")
    return merged(attend(s, q, k, v))


def grouped_five(s: Written, x: Any) -> Any:
    q = split(s.dense("q", x), 4).unflatten(1, (2, 2))
    k, v = (split(s.dense(n, x, D // 2), 2)[:, :, None] for n in "kv")
    w = (q @ k.mT).softmax(-1)
    s.note(w.flatten(1, 2))
    return w @ v


def one_key_head(s: Written, x: Any) -> Any:
    q = split(s.dense("q", x), 4)
    k, v = (s.dense(n, x, D // 4)[:, None] for n in "kv")
    return merged(attend(s, q, k, v))


def fused(s: Written, x: Any) -> Any:
    q, k, v = s.dense("all", x, 3 * D).unflatten(-1, (3, 4, -1)).permute(2, 0, 3, 1, 4)
    return merged(attend(s, q, k, v))


def rows_times_rows(s: Written, x: Any) -> Any:
    q, k, v = s.qkv(x[:, 1:], x, 4)
    w = s.note((q.unsqueeze(3) * k.unsqueeze(2)).sum(-1).softmax(-1))
    return (w.unsqueeze(-1) * v.unsqueeze(2)).sum(3)


def additive(heads: int) -> Callable[..., Any]:
    def run(s: Written, x: Any) -> Any:
        asked = x[:, :3]
        e = torch.tanh(s.dense("a", asked)[:, :, None] + s.dense("b", x)[:, None])
        w = s.dense("e", e, heads).softmax(2).permute(0, 3, 1, 2)
        return merged(s.note(w) @ split(x, heads))

    return run


def cosine(s: Written, x: Any) -> Any:
    q, k, v = s.qkv(x, heads=4)
    w = (functional.normalize(q, dim=-1) @ functional.normalize(k, dim=-1).mT / 0.1).softmax(-1)
    return merged(s.note(w) @ v)


def distances(s: Written, x: Any) -> Any:
    return s.note((-torch.cdist(s.dense("q", x[:, :3]), x)).softmax(-1)[:, None])[:, 0] @ x


def causal(s: Written, x: Any) -> Any:
    q, k, v = s.qkv(x, heads=4)
    shut = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
    w = (q @ k.mT).masked_fill(shut, -torch.inf).softmax(-1)
    return merged(s.note(w) @ v)


def biased(s: Written, x: Any) -> Any:
    q, k, v = s.qkv(x, heads=4)
    table = s.weight("table", 4, 2 * T - 1)
    order = torch.arange(T)
    w = (q @ k.mT + table[:, order[:, None] - order + T - 1]).softmax(-1)
    return merged(s.note(w) @ v)


def relative(s: Written, x: Any) -> Any:
    """Queries are also compared with learned distances, which are shifted into place."""
    q, k, v = s.qkv(x, heads=4)
    order = torch.arange(T)
    far = s.weight("far", 2 * T - 1, D // 4)[order[None] - order[:, None] + T - 1]
    w = (q @ k.mT + torch.einsum("bhqd,qkd->bhqk", q, far)).softmax(-1)
    return merged(s.note(w) @ v)


def rotary(s: Written, x: Any) -> Any:
    q, k, v = s.qkv(x, heads=4)
    angle = torch.arange(T)[:, None] / 10.0 ** torch.arange(2)
    turn = torch.polar(torch.ones_like(angle), angle)
    q, k = (
        torch.view_as_real(torch.view_as_complex(t.unflatten(-1, (-1, 2))) * turn).flatten(-2)
        for t in (q, k)
    )
    return merged(attend(s, q, k, v))


def rotary_stacked(s: Written, x: Any, y: Any) -> Any:
    """Pairs of features are turned, and stacked anew."""
    q, k, v = s.qkv(x, heads=4)
    return merged(attend(s, _turned(q), _turned(k), v)) + y.mean(1, keepdim=True)


def rotary_behind(s: Written, x: Any, y: Any) -> Any:
    """All but the first position are turned."""
    q, k, v = s.qkv(x, heads=4)
    q, k = (
        torch.cat([first, _turned(rest)], -2)
        for first, rest in (t.split((1, T - 1), -2) for t in (q, k))
    )
    return merged(attend(s, q, k, v)) + y.mean(1, keepdim=True)


def _turned(t: Any) -> Any:
    angle = torch.arange(t.shape[-2])[:, None] / 10.0 ** torch.arange(t.shape[-1] // 2)
    even, odd = t[..., ::2], t[..., 1::2]
    pairs = (even * angle.cos() - odd * angle.sin(), odd * angle.cos() + even * angle.sin())
    return torch.stack(pairs, -1).flatten(-2)


def empty_cache(s: Written, x: Any, y: Any) -> Any:
    """Keys are put behind those of a cache, which holds none yet."""
    q, k, v = s.qkv(x, heads=4)
    k, v = (torch.cat([t[:, :, :0], t], -2) for t in (k, v))
    return merged(attend(s, q, k, v)) + y.mean(1, keepdim=True)


def scored_together(count: int | None) -> Callable[..., Any]:
    """A layer scores each query beside each key; queries are learned, or positions."""

    def run(s: Written, x: Any) -> Any:
        latents = None if count is None else s.weight("latents", count, D)
        asked = x if latents is None else latents.expand(len(x), -1, -1)
        q, k, v = s.qkv(asked, x, 4)
        shape = (*q.shape[:3], k.shape[2], q.shape[3])
        pairs = torch.cat([q[:, :, :, None].expand(shape), k[:, :, None].expand(shape)], -1)
        w = s.dense("score", torch.tanh(pairs), 1).squeeze(-1).softmax(-1)
        return merged(s.note(w) @ v)

    return run


def scored_in_one_list(s: Written, x: Any) -> Any:
    """Each learned query beside each key, all pairs on one axis."""
    q = s.dense("q", s.weight("latents", 3, D)).expand(len(x), -1, -1)
    k = s.dense("k", x)
    pairs = torch.tanh(q.repeat_interleave(T, 1) + k.repeat(1, 3, 1))
    w = s.dense("score", pairs, 2).unflatten(1, (3, T)).softmax(2)
    s.note(w.movedim(-1, 1))
    return torch.einsum("bqkh,bkhd->bqhd", w, x.unflatten(-1, (2, -1)))


def keys_first(s: Written, x: Any) -> Any:
    """Learned queries come after the keys."""
    q, k, v = s.qkv(s.weight("latents", T, D).expand(len(x), -1, -1), x, 4)
    w = (k @ q.mT).softmax(-2)
    s.note(w.mT)
    return merged(w.mT @ v)


def in_parts(length: int) -> Callable[..., Any]:
    """Queries ask a few at a time, as where memory is short."""

    def run(s: Written, x: Any, y: Any) -> Any:
        q, k, v = s.qkv(x, y, 4)
        rows = [(part @ k.mT).softmax(-1) for part in q.split(length, 2)]
        s.note(torch.cat(rows, 2))
        return merged(torch.cat([w @ v for w in rows], 2))

    return run
