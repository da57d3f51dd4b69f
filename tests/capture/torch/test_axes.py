"""Axes are followed, not told by their lengths: attention by hand with sizes that coincide."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from written import only, softmax, weights

import limelight as ll

SIZES = (2, 3, 4)
#: Where a model keeps examples, heads and positions between its projections and its product.
ORDERS = ("bhp", "bph", "hbp", "hpb", "pbh", "phb")
FORMS = ("matmul", "einsum", "rows", "folded", "fused", "bmm")


class Drawn(nn.Module):
    """Attention by hand: sizes, order of axes and form of the product drawn at random."""

    def __init__(self, draw):
        super().__init__()
        self.heads, self.size = draw.choice(SIZES), draw.choice(SIZES)
        self.queries, self.keys = draw.choice(SIZES), draw.choice(SIZES)
        self.form, self.order = draw.choice(FORMS), draw.choice(ORDERS)
        self.asks = draw.choice(("self", "crop", "stride", "learned", "other"))
        self.fold = draw.choice(("bh", "hb"))
        width = self.heads * self.size
        self.latents = nn.Parameter(torch.randn(self.queries, width))
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.shared = draw.random() < 0.25  # one head of keys for all

    def sequences(self, x, other):
        if self.asks == "learned":
            return self.latents.expand(len(x), -1, -1), x
        asked = {"self": x, "crop": x[:, -1:] if x.shape[1] < 3 else x[:, 1:],
                 "stride": x[:, ::2], "other": other}[self.asks]  # fmt: skip
        return asked, x

    def pairs(self, x, other):
        """Queries, keys and values [example, head, position, feature]."""
        asked, given = self.sequences(x, other)
        split = lambda y: y.unflatten(-1, (self.heads, self.size)).transpose(1, 2)  # noqa: E731
        q, k, v = split(self.q(asked)), split(self.k(given)), split(self.v(given))
        return (q, k[:, :1], v[:, :1]) if self.shared else (q, k, v)

    def expected(self, x, other):
        with torch.no_grad():
            q, k, _ = self.pairs(x, other)
            return softmax((q @ k.transpose(-1, -2)).numpy())

    def forward(self, x, other):
        q, k, v = self.pairs(x, other)
        return getattr(self, f"by_{self.form}")(q, k, v)

    def by_matmul(self, q, k, v):
        return (q @ k.transpose(-1, -2)).softmax(-1) @ v

    def by_fused(self, q, k, v):
        k, v = k.expand(-1, q.shape[1], -1, -1), v.expand(-1, q.shape[1], -1, -1)
        lead = [self.order.replace("p", "").index(c) for c in "bh"]
        turn = (*[("b", "h").index(c) for c in self.order if c != "p"], 2, 3)
        q, k, v = (part.permute(turn) for part in (q, k, v))
        out = functional.scaled_dot_product_attention(q, k, v, scale=1.0)
        return out.permute(*lead, 2, 3)

    def by_einsum(self, q, k, v):
        asked = self.order.replace("p", "q")
        turned = q.permute(*("bhp".index(c) for c in self.order), 3)
        letters = "".join(random.Random(self.order).sample(asked + "k", 4))
        if self.shared:
            scores = torch.einsum(f"{asked}d,bkd->{letters}", turned, k[:, 0])
            shares = scores.softmax(letters.index("k"))
            return torch.einsum(f"{letters},bkd->bhqd", shares, v[:, 0])
        scores = torch.einsum(f"{asked}d,bhkd->{letters}", turned, k)
        return torch.einsum(f"{letters},bhkd->bhqd", scores.softmax(letters.index("k")), v)

    def by_rows(self, q, k, v):
        scores = (q.unsqueeze(3) * k.unsqueeze(2)).sum(-1)
        return (scores.softmax(-1).unsqueeze(-1) * v.unsqueeze(2)).sum(3)

    def by_folded(self, q, k, v):
        shape = (len(q), self.heads, k.shape[2], self.size)
        parts = [part if part is q else part.expand(shape) for part in (q, k, v)]
        if self.fold == "hb":
            parts = [part.transpose(0, 1) for part in parts]
        q, k, v = (part.reshape(-1, *part.shape[-2:]) for part in parts)
        out = torch.bmm(torch.softmax(torch.bmm(q, k.mT), 2), v)
        lead = (self.heads, shape[0]) if self.fold == "hb" else (shape[0], self.heads)
        out = out.unflatten(0, lead)
        return out.transpose(0, 1) if self.fold == "hb" else out

    def by_bmm(self, q, k, v):
        """Rows of queries and heads in one axis where heads share their keys."""
        if not self.shared:
            return self.by_folded(q, k, v)
        rows = q.transpose(1, 2).flatten(1, 2) if self.fold == "hb" else q.flatten(1, 2)
        out = torch.bmm(torch.bmm(rows, k[:, 0].mT).softmax(-1), v[:, 0])
        if self.fold == "hb":
            return out.unflatten(1, (-1, self.heads)).transpose(1, 2)
        return out.unflatten(1, (self.heads, -1))


def drawn(seed):
    draw = random.Random(seed)
    torch.manual_seed(seed)
    model = Drawn(draw).eval()
    examples, width = draw.choice(SIZES), model.heads * model.size
    x = torch.randn(examples, model.keys, width)
    return model, (x, torch.randn(examples, model.queries, width))


def case(model, x):
    sizes = f"B={len(x)} H={model.heads} K={model.keys} D={model.size}"
    return f"{model.form} {model.asks} {model.order} {model.fold} {model.shared} {sizes}"


@pytest.mark.parametrize("part", range(3))
def test_whatever_the_sizes_the_map_is_that_of_an_independent_computation(part):
    for seed in range(part * 100, part * 100 + 100):
        model, inputs = drawn(seed)
        wanted = model.expected(*inputs)
        site = only(ll.capture(model, inputs))
        assert weights(site).shape == wanted.shape, case(model, inputs[0])
        np.testing.assert_allclose(
            weights(site), wanted, rtol=0, atol=1e-5, err_msg=case(model, inputs[0])
        )
