"""Softmaxes that are no attention: forwards of models that note nothing."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from benchmarks.written.model import D, T, Written, merged


def channels(s: Written, x: Any) -> Any:
    q, k, v = (functional.normalize(t.mT, dim=-1) for t in s.qkv(x, heads=4))
    return ((q @ k.mT).softmax(-1) @ v).mT


def selective(s: Written, x: Any) -> Any:
    ways = [s.layer(f"way{i}", lambda k=2 * i + 1: nn.Conv1d(D, D, k, padding="same"))(x.mT)
            for i in range(2)]  # fmt: skip
    whole = sum(ways).mean(-1)
    w = torch.stack([s.dense(f"to{i}", whole) for i in range(2)], 1).softmax(1)
    return (w[..., None] * torch.stack(ways, 1)).sum(1)


def squeeze(s: Written, x: Any) -> Any:
    return x * s.dense("gate", x.mean(1)).softmax(-1)[:, None]


def itself(_: Written, x: Any) -> Any:
    return x * x.softmax(-1)


def positions_gated(s: Written, x: Any) -> Any:
    return x * s.dense("score", x, 1).softmax(1)


def capsules(s: Written, x: Any) -> Any:
    votes = s.dense("votes", x, 4 * D).unflatten(-1, (4, D))
    logits = torch.zeros(len(x), T, 4)
    for _ in range(2):
        w = logits.softmax(2)
        out = (w[..., None] * votes).sum(1)
        logits = logits + (votes * out[:, None]).sum(-1)
    return out


def slots(s: Written, x: Any) -> Any:
    asked = s.weight("slots", T, D).expand(len(x), -1, -1)
    q, k, v = (t[:, 0] for t in s.qkv(asked, x))
    w = (k @ q.mT).softmax(-1)
    return (w / w.sum(1, keepdim=True)).mT @ v


def experts(s: Written, x: Any) -> Any:
    w = s.dense("gate", x, 4).softmax(-1)
    return (w[..., None] * torch.stack([s.dense(f"to{i}", x) for i in range(4)], 2)).sum(2)


def experts_best(s: Written, x: Any) -> Any:
    shares, which = s.dense("gate", x, 4).softmax(-1).topk(2, -1)
    every = torch.stack([s.dense(f"to{i}", x) for i in range(4)], 2)
    chosen = every.gather(2, which[..., None].expand(-1, -1, -1, D))
    return (shares[..., None] * chosen).sum(2)


def linear_attention(s: Written, x: Any) -> Any:
    q, k, v = s.qkv(x, heads=4)
    return merged(q.softmax(-1) @ (k.softmax(-2).mT @ v))


def lambdas(s: Written, x: Any) -> Any:
    q, k, v = (s.dense(n, x) for n in "qkv")
    return q @ (k.softmax(1).mT @ v)


def classes(s: Written, x: Any) -> Any:
    return s.dense("head", x.mean(1), T).softmax(-1)


def codebook(s: Written, x: Any) -> Any:
    codes = s.weight("codes", T, D)
    return (x @ codes.mT).softmax(-1) @ codes


def taps(s: Written, x: Any) -> Any:
    w = s.dense("taps", x, 3).reshape(-1, 3, 1).softmax(1)
    views = functional.pad(x, (0, 0, 1, 1)).unfold(1, 3, 1)
    return (w * views.reshape(-1, D, 3).mT).sum(1)


def residual(s: Written, x: Any) -> Any:
    states = torch.stack([x, s.dense("a", x).relu(), s.dense("b", x).relu()], 2)
    asked = s.weight("asked", D).expand(*x.shape[:2], 1, D)
    return functional.scaled_dot_product_attention(asked, states, states)[:, :, 0]


def between_examples(_: Written, x: Any) -> Any:
    flat = x.mean(1)
    return (flat @ flat.mT).softmax(-1) @ flat
