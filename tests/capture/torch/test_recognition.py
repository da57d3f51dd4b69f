"""Which softmaxes are attention, in the shapes people write it, and how sites are named."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from written import (
    B,
    D,
    Fused,
    H,
    Made,
    T,
    Written,
    close,
    heads,
    kinds,
    only,
    sites,
    softmax,
    weights,
)

import limelight as ll
from limelight.errors import UnsupportedModelError


@pytest.fixture
def x():
    return torch.randn(B, T, D)


class ScaledDotProduct(nn.Module):
    """As in many tutorials: a module handed projections, with a softmax module inside."""

    def __init__(self):
        super().__init__()
        self.softmax, self.dropout = nn.Softmax(dim=-1), nn.Dropout(0.1)

    def forward(self, q, k, v, mask=None):
        scores = torch.bmm(q, k.transpose(1, 2)) / 4
        if mask is not None:
            scores = scores.masked_fill(mask, -np.inf)
        weights = self.dropout(self.softmax(scores))
        return torch.bmm(weights, v), weights


class Additive(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.score = nn.Linear(D, D), nn.Linear(D, D), nn.Linear(D, 1)

    def forward(self, query, keys):
        scores = self.score(torch.tanh(self.query(query) + self.key(keys)))
        weights = functional.softmax(scores.squeeze(2).unsqueeze(1), dim=-1)
        return torch.bmm(weights, keys), weights


def vit(self, x):
    qkv = self.qkv(x).reshape(B, T, 3, H, D // H).permute(2, 0, 3, 1, 4)
    q, k, v = qkv[0], qkv[1], qkv[2]
    return ((q @ k.transpose(-2, -1)).softmax(dim=-1) @ v).transpose(1, 2).reshape(B, T, D)


def einsums(self, x):
    q, k, v = (part(x).view(B, T, H, -1) for part in (self.q, self.k, self.v))
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k)
    return torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), v)


def rotary(self, x):
    q, k = heads(self.q(x)), heads(self.k(x))
    cos, sin = torch.randn(T, 8).cos(), torch.randn(T, 8).sin()
    turn = lambda y: y * cos + torch.cat([-y[..., 4:], y[..., :4]], -1) * sin  # noqa: E731
    return (turn(q) @ turn(k).transpose(-1, -2)).softmax(-1) @ heads(self.v(x))


def talking(self, x):
    q = heads(self.q(x))
    weights = (q @ q.transpose(-1, -2)).softmax(-1)
    return torch.einsum("hg,bhqk->bgqk", self.mix, weights) @ q


def renormalised(self, x):
    weights = (x @ x.transpose(1, 2)).softmax(-1).to(torch.float64)
    weights = weights * torch.ones(T, dtype=torch.float64)
    return (weights / weights.sum(-1, keepdim=True)).float() @ x


def linears(*names):
    return {name: nn.Linear(D, D) for name in names}


WAYS = {
    "fused projections": lambda: Made(vit, qkv=nn.Linear(D, 3 * D)),
    "einsum": lambda: Made(einsums, **linears("q", "k", "v")),
    "rotary": lambda: Made(rotary, **linears("q", "k", "v")),
    "talking heads": lambda: Made(talking, **linears("q"), mix=nn.Parameter(torch.eye(H))),
    "renormalised": lambda: Made(renormalised),
    "tutorial": lambda: Made(
        lambda self, x: self.attn(self.q(x), self.k(x), self.v(x))[0],
        attn=ScaledDotProduct(), **linears("q", "k", "v"),
    ),
    "convolution": lambda: Made(
        lambda self, x: (
            (self.q(x.mT).mT @ self.k(x.mT)).softmax(-1) @ x
        ),
        q=nn.Conv1d(D, D, 1), k=nn.Conv1d(D, D, 1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_attention_written_by_hand(way, x):
    site = only(ll.capture(WAYS[way](), x))
    assert site.attrs["kind"] == "self"
    assert weights(site).shape[-2:] == (T, T)
    np.testing.assert_allclose(weights(site).sum(-1), 1, atol=T * np.finfo(np.float32).eps)


POOLINGS = {
    "column": lambda self, x: (torch.softmax(torch.tanh(self.w(x)), 1) * x).sum(1),
    "flat": lambda self, x: (self.w(x).squeeze(-1).softmax(-1).unsqueeze(-1) * x).sum(1),
    "product": lambda self, x: (self.w(x).squeeze(-1).softmax(-1)[:, None] @ x)[:, 0],
    "einsum": lambda self, x: torch.einsum("bt,btd->bd", self.w(x)[..., 0].softmax(1), x),
    "vector": lambda self, x: torch.bmm(x.mT, (x @ self.w.weight[0]).softmax(1)[..., None]),
}


@pytest.mark.parametrize("way", POOLINGS)
def test_pooling(way, x):
    model = Made(POOLINGS[way], w=nn.Linear(D, 1, bias=False))
    site = only(ll.capture(model, x))
    assert site.attrs["kind"] == "pooling"
    with torch.no_grad():
        scores = model.w(x).squeeze(-1)
        scores = torch.tanh(scores) if way == "column" else scores
    close(site, softmax(scores.numpy())[:, None, None])


def test_pooling_by_several_heads(x):
    model = Made(
        lambda self, x: self.b(torch.tanh(self.a(x))).transpose(1, 2).softmax(2) @ x,
        a=nn.Linear(D, 8), b=nn.Linear(8, 3),
    )  # fmt: skip
    site = only(ll.capture(model, x))
    assert (site.attrs["kind"], weights(site).shape) == ("pooling", (B, 3, 1, T))


def test_pooling_by_a_learned_query(x):
    model = Made(
        lambda self, x: self.attn(self.query.expand(len(x), 1, D), x, x)[0],
        query=nn.Parameter(torch.randn(1, 1, D)),
        attn=nn.MultiheadAttention(D, H, batch_first=True),
    )
    assert kinds(ll.capture(model, x)) == {"attn": "pooling"}


def test_learned_queries_are_another_sequence(x):
    model = Made(
        lambda self, x: self.attn(self.query.expand(len(x), T, D), x, x)[0],
        query=nn.Parameter(torch.randn(1, T, D)),
        attn=nn.MultiheadAttention(D, H, batch_first=True),
    )
    assert kinds(ll.capture(model, x)) == {"attn": "cross"}


def test_two_sequences_of_one_length(x):
    def forward(self, x, y):
        return functional.scaled_dot_product_attention(self.q(x), self.k(y), y)

    model = Made(forward, **linears("q", "k"))
    assert kinds(ll.capture(model, (x, torch.randn(B, T, D)))) == {"made": "cross"}


def test_the_steps_of_a_decoder_are_one_site(x):
    def forward(self, x):
        memory, state = self.encoder(x)
        for _ in range(4):
            context, _ = self.attn(state.transpose(0, 1), memory)
            _, state = self.decoder(context, state)
        return state

    model = Made(
        forward, attn=Additive(), encoder=nn.GRU(D, D, batch_first=True),
        decoder=nn.GRU(D, D, batch_first=True),
    )  # fmt: skip
    site = only(ll.capture(model, x))
    assert site.attrs["kind"] == "cross"
    assert weights(site).shape == (B, 1, 4, T)


def test_one_pooling_of_two_sequences_is_two_sites(x):
    pool = Made(POOLINGS["column"], w=nn.Linear(D, 1))
    model = Made(lambda self, x, y: self.pool(x) - self.pool(y), pool=pool)
    captured = kinds(ll.capture(model, (x, torch.randn(B, T, D))))
    assert captured == {"pool": "pooling", "pool:1": "pooling"}


def test_modules_used_again_and_again(x):
    model = Made(lambda self, x: self.layer(self.layer(self.layer(x))), layer=Fused())
    captured = sites(ll.capture(model, x))
    assert list(captured) == ["layer", "layer:1", "layer:2"]
    with torch.no_grad():
        model.eval()
        second = model.layer.expected(model.layer(x))
    close(captured["layer:1"], second)


def test_two_softmaxes_of_one_module(x):
    def forward(self, x):
        y = (x @ x.transpose(1, 2)).softmax(-1) @ x
        return (y @ y.transpose(1, 2)).softmax(-1) @ y

    assert list(sites(ll.capture(Made(forward), x))) == ["made", "made:1"]


def routed(self, x):
    shares = self.gate(x).softmax(-1)
    return (shares.unsqueeze(-1) * torch.stack([expert(x) for expert in self.experts], 2)).sum(2)


def routed_to_the_best(self, x):
    flat = x.view(-1, D)
    shares, _ = self.gate(flat).softmax(-1).topk(2)
    return (shares.sum(-1, keepdim=True) * flat).view_as(x)


def linear_attention(self, x):
    q, k, v = (heads(part(x)) for part in (self.q, self.k, self.v))
    return q.softmax(-1) @ (k.softmax(-2).transpose(-1, -2) @ v)


def drawn(self, x):
    return torch.multinomial((x @ x.transpose(1, 2))[:, 0].softmax(-1), 1)


OTHERS = {
    "classifier": (lambda self, x: self.gate(x.mean(1)).softmax(-1), "linear layer"),
    "output": (lambda self, x: (x @ x.transpose(1, 2)).softmax(-1), "an output"),
    "router": (routed, "experts"),
    "best experts": (routed_to_the_best, "experts"),
    "learned slots": (lambda self, x: (x @ self.slots.T).softmax(-1) @ self.slots, "linear layer"),
    "linear attention": (linear_attention, "linear attention"),
    "sampler": (drawn, "multinomial"),
    "gumbel": (lambda self, x: functional.gumbel_softmax(self.gate(x), -1), "No attention"),
    "by hand": (lambda self, x: torch.exp(x - x.logsumexp(1, keepdim=True)), "exp() and sum()"),
}


def other(name):
    return Made(
        OTHERS[name][0], **linears("q", "k", "v"), gate=nn.Linear(D, 4),
        experts=nn.ModuleList(nn.Linear(D, D) for _ in range(4)),
        slots=nn.Parameter(torch.randn(7, D)),
    )  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_attention(name, x):
    with pytest.raises(UnsupportedModelError) as error:
        ll.capture(other(name), x)
    assert OTHERS[name][1] in str(error.value)


@pytest.mark.parametrize("name", ["router", "classifier", "best experts"])
def test_attention_beside_it_is_taken_alone(name, x):
    model = nn.Sequential(Written(), other(name))
    assert list(sites(ll.capture(model, x))) == ["0"]


def test_the_user_decides(x):
    model = nn.Sequential(Written(), other("learned slots"))
    assert list(sites(ll.capture(model, x, include="1"))) == ["0", "1"]
    two = nn.Sequential(Written(), Written())
    assert list(sites(ll.capture(two, x, exclude=["*1"]))) == ["0"]


@pytest.mark.parametrize("name", ["include", "exclude"])
def test_a_pattern_that_meets_nothing_is_refused(name, x):
    with pytest.raises(UnsupportedModelError, match=r"Softmaxes ran in: written\."):
        ll.capture(Written(), x, **{name: "encoder*"})


def test_included_but_unreadable(x):
    model = Made(lambda self, x: x.reshape(-1).softmax(0))
    with pytest.raises(UnsupportedModelError, match="does not begin with the 3 examples"):
        ll.capture(model, x, include="made")


def test_examples_must_come_first(x):
    model = nn.MultiheadAttention(D, H)
    with pytest.raises(UnsupportedModelError, match="first axis counts the examples"):
        ll.capture(Made(lambda self, x: self.attn(x, x, x)[0], attn=model), torch.randn(7, B, D))


def test_words_name_the_positions_they_stand_for():
    def forward(self, source, target):
        memory = self.encoder(self.words(source))
        return self.decoder(self.words(target), memory)

    model = Made(
        forward, words=nn.Embedding(9, D),
        encoder=nn.TransformerEncoderLayer(D, H, 16, batch_first=True),
        decoder=nn.TransformerDecoderLayer(D, H, 16, batch_first=True),
    )  # fmt: skip
    ids = torch.randint(1, 9, (2, B, T))
    captured = sites(ll.capture(model, tuple(ids), tokens=[f"w{n}" for n in range(9)]))
    worded = {
        path: [name for name in ("query_token", "key_token") if name in site]
        for path, site in captured.items()
    }
    assert worded == {
        "encoder/self_attn": ["query_token", "key_token"],
        "decoder/self_attn": [],
        "decoder/multihead_attn": ["key_token"],
    }


# ------------------------------------------------------------------- where the examples are


def folded(order):
    """Heads folded into the axis of the examples, in either order."""

    def forward(self, x):
        def fold(y):
            parts = y.view(len(x), -1, H, D // H)
            if order == "heads first":
                return parts.permute(2, 0, 1, 3).contiguous().view(-1, parts.shape[1], D // H)
            if order == "chunks":
                return torch.cat(torch.chunk(y, H, dim=2), dim=0)
            return parts.transpose(1, 2).reshape(-1, parts.shape[1], D // H)

        q, k, v = fold(self.q(x)), fold(self.k(x)), fold(self.v(x))
        if self.fused:
            return functional.scaled_dot_product_attention(q, k, v, attn_mask=self.mask)
        scores = torch.bmm(q, k.transpose(1, 2)) / (D // H) ** 0.5
        return torch.bmm(scores.softmax(dim=2), v)

    return forward


@pytest.mark.parametrize("examples", [1, B])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("order", ["heads first", "chunks", "examples first"])
def test_heads_folded_into_the_examples(order, fused, examples, x):
    model = Made(folded(order), **linears("q", "k", "v"), fused=fused, mask=None)
    with torch.no_grad():
        q, k = heads(model.q(x)), heads(model.k(x))
    wanted = softmax((q @ k.transpose(-1, -2)).numpy() / (D // H) ** 0.5)[:examples]
    site = only(ll.capture(model, x[:examples]))
    close(site, wanted)
    assert site.attrs["kind"] == "self"


def test_a_mask_of_folded_heads_goes_with_them(x):
    mask = torch.rand(H * B, T, T) > 0.3
    mask[..., 0] = True
    model = Made(folded("heads first"), **linears("q", "k", "v"), fused=True, mask=mask)
    site = only(ll.capture(model, x))
    allowed = mask.view(H, B, T, T).transpose(0, 1).numpy()
    np.testing.assert_array_equal(site["allowed"], allowed)


@pytest.mark.parametrize("examples", [1, B])
def test_positions_before_examples_inside_the_model(examples, x):
    """As recurrent models of old have it: [position, example, feature]."""

    def forward(self, x):
        states = x.transpose(0, 1)
        energies = (self.w(states)).squeeze(2)
        shares = torch.softmax(energies, dim=0)
        return (shares.unsqueeze(2) * states).sum(0)

    model = Made(forward, w=nn.Linear(D, 1))
    site = only(ll.capture(model, x[:examples]))
    with torch.no_grad():
        wanted = softmax(model.w(x).squeeze(-1).numpy())[:examples, None, None]
    close(site, wanted)


def test_queries_before_examples(x):
    def forward(self, x):
        states = x.transpose(0, 1)
        scores = torch.einsum("qbd,kbd->qbk", states, states)
        return torch.einsum("qbk,kbd->qbd", scores.softmax(-1), states)

    site = only(ll.capture(Made(forward), x))
    wanted = softmax((x @ x.transpose(1, 2)).numpy())[:, None]
    close(site, wanted)


def test_windows_count_as_heads(x):
    def forward(self, x):
        windows = x.view(B, 2, 3, D).reshape(B * 2, 3, D)
        q = windows.view(B * 2, 3, H, -1).transpose(1, 2)
        return (q @ q.transpose(-1, -2)).softmax(-1) @ q

    x = torch.randn(B, 6, D)
    q = x.view(B, 2, 3, H, -1).transpose(2, 3)
    wanted = softmax((q @ q.transpose(-1, -2)).numpy()).reshape(B, 2 * H, 3, 3)
    close(only(ll.capture(Made(forward), x)), wanted)


@pytest.mark.parametrize("queries", ["one for all", "the words"])
def test_what_layers_made_of_the_same_words_are_branches_unless_they_ask_one_another(queries):
    """A residual that weighs earlier layers looks at no other word."""

    def forward(self, x):
        states = torch.stack([x, self.k(x).relu(), self.v(x).relu()], 2)  # [example, word, layer]
        asked = self.latent.expand(*x.shape[:2], 1, D) if queries == "one for all" else states
        out = functional.scaled_dot_product_attention(asked, states, states)
        return out.sum(2)

    parts = {name: nn.Linear(D, D) for name in ("q", "k", "v")}
    model = Made(forward, **parts, latent=nn.Parameter(torch.randn(D))).eval()
    rows = ll.sites(model, torch.randn(2, T, D))
    (row,) = rows
    if queries == "one for all":
        assert row.kind is None
        assert "branches" in row.reason
    else:
        assert row.kind == "self"
        assert "query" in row.axes
