"""Captured weights are the model's own, whatever computes them."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.utils.checkpoint import checkpoint
from written import (
    B,
    D,
    Fused,
    H,
    Made,
    Projected,
    T,
    Written,
    causal_bias,
    close,
    heads,
    only,
    sites,
    softmax,
    weights,
)

import limelight as ll


@pytest.fixture
def x():
    return torch.randn(B, T, D)


def attention(**options):
    return nn.MultiheadAttention(D, H, dropout=0.3, **options)


CAUSAL = torch.triu(torch.ones(T, T, dtype=torch.bool), 1)
PADDED = torch.tensor([[0] * 5, [0, 0, 0, 1, 1], [0, 0, 0, 0, 1]]).bool()
FLOATS = torch.linspace(-1, 1, T * T).view(T, T)


@pytest.mark.parametrize("asked", [True, False], ids=["weights", "no weights"])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize(
    ("made", "called"),
    [
        ({}, {}),
        ({}, {"attn_mask": CAUSAL}),
        ({}, {"attn_mask": CAUSAL, "is_causal": True}),
        ({}, {"attn_mask": FLOATS}),
        ({}, {"attn_mask": FLOATS.repeat(B * H, 1, 1) * torch.arange(B * H).view(-1, 1, 1)}),
        ({}, {"key_padding_mask": PADDED}),
        ({}, {"key_padding_mask": PADDED, "attn_mask": CAUSAL}),
        ({"add_bias_kv": True}, {}),
        ({"add_zero_attn": True}, {"key_padding_mask": PADDED}),
        ({"bias": False}, {}),
    ],
    ids=[
        "plain",
        "causal",
        "hinted",
        "floats",
        "by head",
        "padded",
        "both",
        "bias",
        "zero",
        "bare",
    ],
)
def test_multihead_attention(x, asked, batch_first, made, called):
    part = attention(batch_first=batch_first, **made)

    def forward(self, x):
        x = x if batch_first else x.transpose(0, 1)
        return self.attn(x, x, x, need_weights=asked, **called)[0]

    site = only(ll.capture(Made(forward, attn=part), x))
    part.eval()
    y = x if batch_first else x.transpose(0, 1)
    _, wanted = part(y, y, y, average_attn_weights=False, **called)
    close(site, wanted.detach())
    assert site.attrs["kind"] == "self"


@pytest.mark.parametrize("asked", [True, False])
def test_other_keys_and_values(x, asked):
    part = attention(batch_first=True, kdim=6, vdim=7)
    keys, values = torch.randn(B, 4, 6), torch.randn(B, 4, 7)
    forward = lambda self, x, k, v: self.attn(x, k, v, need_weights=asked)[0]  # noqa: E731
    site = only(ll.capture(Made(forward, attn=part), (x, keys, values)))
    part.eval()
    close(site, part(x, keys, values, average_attn_weights=False)[1].detach())
    assert site.attrs["kind"] == "cross"


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("padding", [None, PADDED], ids=["", "padded"])
def test_encoder_with_its_fast_path(x, norm_first, padding):
    layer = nn.TransformerEncoderLayer(D, H, 32, batch_first=True, norm_first=norm_first)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about nested tensors, which norm_first rules out
        model = nn.TransformerEncoder(layer, 2)
    call = lambda model, x: model(x, src_key_padding_mask=padding)  # noqa: E731
    captured = sites(ll.capture(model, x, call=call))
    assert list(captured) == ["layers/0/self_attn", "layers/1/self_attn"]
    model.eval()
    state = x
    for number, layer in enumerate(model.layers):
        y = layer.norm1(state) if norm_first else state
        _, wanted = layer.self_attn(y, y, y, key_padding_mask=padding, average_attn_weights=False)
        close(captured[f"layers/{number}/self_attn"], wanted.detach())
        torch.backends.mha.set_fastpath_enabled(False)
        state = layer(state, src_key_padding_mask=padding)
        torch.backends.mha.set_fastpath_enabled(True)
    if padding is not None:
        np.testing.assert_array_equal(captured["layers/0/self_attn"]["key_valid"], ~padding)


def test_encoder_and_decoder(x):
    model = nn.Transformer(D, H, 1, 2, 32, batch_first=True)
    captured = sites(ll.capture(model, (x, torch.randn(B, 4, D))))
    assert {path: (site.attrs["kind"], weights(site).shape) for path, site in captured.items()} == {
        "encoder/layers/0/self_attn": ("self", (B, H, T, T)),
        "decoder/layers/0/self_attn": ("self", (B, H, 4, 4)),
        "decoder/layers/0/multihead_attn": ("cross", (B, H, 4, T)),
        "decoder/layers/1/self_attn": ("self", (B, H, 4, 4)),
        "decoder/layers/1/multihead_attn": ("cross", (B, H, 4, T)),
    }


def test_written_by_hand(x):
    model = Written()
    close(only(ll.capture(model, x)), model.expected(x))


@pytest.mark.parametrize(
    ("options", "bias"),
    [
        ({}, 0.0),
        ({"is_causal": True}, causal_bias()),
        ({"attn_mask": ~CAUSAL}, causal_bias()),
        ({"attn_mask": FLOATS}, FLOATS.numpy()),
        ({"attn_mask": torch.where(CAUSAL, torch.finfo(torch.float32).min, 0.0)}, causal_bias()),
        ({"attn_mask": torch.where(CAUSAL, -1e4, 0.0)}, causal_bias()),
        ({"attn_mask": FLOATS.masked_fill(CAUSAL, -torch.inf)}, FLOATS.numpy() + causal_bias()),
        ({"dropout_p": 0.5}, 0.0),
    ],
    ids=["plain", "causal", "bool", "floats", "min", "habit", "both", "dropout"],
)
def test_fused(x, options, bias):
    model = Fused(**options)
    site = only(ll.capture(model, x))
    close(site, model.expected(x, bias))
    allowed = np.broadcast_to(np.isfinite(bias), (B, T, T))
    np.testing.assert_array_equal(site["allowed"], allowed)


def test_a_scale_of_ones_own(x):
    model = Fused(scale=0.5)
    with torch.no_grad():
        q, k, _ = model.pairs(x)
    close(only(ll.capture(model, x)), softmax((q @ k.transpose(-1, -2) * 0.5).numpy()))


def test_causal_counts_from_the_first_key(x):
    memory = torch.randn(B, 7, D)

    def forward(self, x, memory):
        return functional.scaled_dot_product_attention(
            heads(x), heads(memory), heads(memory), is_causal=True
        )

    site = only(ll.capture(Made(forward), (x, memory)))
    np.testing.assert_array_equal(site["allowed"].values[0], np.tri(T, 7, dtype=bool))


def test_grouped_queries(x):
    def forward(self, x):
        q, k = self.q(x).view(B, T, 4, 4).transpose(1, 2), heads(self.k(x))
        return functional.scaled_dot_product_attention(q, k, k, enable_gqa=True)

    model = Made(forward, q=nn.Linear(D, 16), k=nn.Linear(D, 8))
    site = only(ll.capture(model, x))
    with torch.no_grad():
        q, k = model.q(x).view(B, T, 4, 4).transpose(1, 2), heads(model.k(x))
        scores = q @ k.repeat_interleave(2, dim=1).transpose(-1, -2) / 2
    close(site, softmax(scores.numpy()))
    assert site.attrs["kind"] == "self"


def test_without_a_head_axis_and_with_one_more(x):
    attended = Made(lambda self, x: functional.scaled_dot_product_attention(x, x, x))
    wanted = softmax((x @ x.transpose(-1, -2)).numpy() / math.sqrt(D))
    close(only(ll.capture(attended, x)), wanted[:, None])
    grid = torch.randn(B, 4, H, T, 8)
    more = Made(lambda self, x: functional.scaled_dot_product_attention(x, x, x))
    wanted = softmax((grid @ grid.transpose(-1, -2)).numpy() / math.sqrt(8))
    close(only(ll.capture(more, grid)), wanted.reshape(B, 4 * H, T, T))


def test_heads_folded_into_the_examples(x):
    def forward(self, x):
        q = heads(x).reshape(B * H, T, -1)
        return torch.bmm(torch.bmm(q, q.transpose(1, 2)).softmax(-1), q)

    q = heads(x)
    wanted = softmax((q @ q.transpose(-1, -2)).numpy())
    close(only(ll.capture(Made(forward), x)), wanted)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", [Written, Fused])
def test_half_precision_is_recomputed_in_single(x, kind, dtype):
    model = kind().to(dtype)
    site = only(ll.capture(model, x.to(dtype)))
    assert site.attrs["dtype"] == str(dtype)[6:]
    if kind is Fused:
        close(site, model.expected(x.to(dtype)))
        return
    with torch.no_grad():
        q, k, _ = model.pairs(x.to(dtype))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    close(site, softmax(scores.float().numpy()))


def test_autocast_does_not_reach_the_recorder(x):
    class Remembering(Fused):
        def pairs(self, x):
            return self.made(super().pairs(x))

    calls, model = [], Remembering()
    model.made = nn.Identity()
    model.made.register_forward_hook(lambda module, args, out: calls.append(out))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        site = only(ll.capture(model, x))
    q, k, _ = calls[-1]
    assert q.dtype is torch.bfloat16
    scores = q.float() @ k.float().transpose(-1, -2) / math.sqrt(q.shape[-1])
    close(site, softmax(scores.numpy()))


def bent(score, b, h, q, k):
    return score + 0.1 * (q - k) * (h + 1)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("mod", [None, bent])
def test_flex_attention(x, compiled, mask, mod):
    block = create_block_mask(lambda b, h, q, k: q >= k, None, None, T, T, "cpu") if mask else None
    called = torch.compile(flex_attention, backend="eager") if compiled else flex_attention

    class Flexed(Projected):
        def forward(self, x):
            return called(*self.pairs(x), score_mod=mod, block_mask=block)

    model = Flexed()
    position = np.arange(T)
    bias = causal_bias() if mask else np.zeros((T, T))
    if mod is not None:
        bias = bias + 0.1 * (position[:, None] - position) * np.arange(1, H + 1)[:, None, None]
    close(only(ll.capture(model, x)), model.expected(x, bias))


def test_checkpointed_blocks(x):
    block = Written()
    model = Made(lambda self, x: checkpoint(self.block, x, use_reentrant=False), block=block)
    close(only(ll.capture(model, x)), block.expected(x))


def test_under_vmap(x):
    def attended(y):
        return (y @ y.T).softmax(-1) @ y

    site = only(ll.capture(Made(lambda self, x: torch.vmap(attended)(x)), x))
    close(site, softmax((x @ x.transpose(1, 2)).numpy())[:, None])


def test_logits_that_are_overwritten_afterwards(x):
    def forward(self, x):
        scores = x @ x.transpose(1, 2)
        weights = scores.softmax(-1)
        scores.fill_(0)
        return weights @ x

    close(only(ll.capture(Made(forward), x)), softmax((x @ x.transpose(1, 2)).numpy())[:, None])


def test_a_row_that_may_attend_to_nothing(x):
    mask = torch.ones(T, T, dtype=torch.bool)
    mask[2] = False
    site = only(ll.capture(Fused(attn_mask=mask), x))
    assert not weights(site)[:, :, 2].any()
    assert not site["query_valid"].values[:, 2].any()


def test_under_nested_vmap_and_over_heads_as_many_as_examples(x):
    """The order of hidden axes is kept; what cannot be known of them is said."""

    def attended(q, k):
        return (q @ k.T).softmax(-1) @ k

    y = torch.randn(2, T, 3 * 4)
    parts = three_heads(y)
    nested = Made(lambda self, x: torch.vmap(torch.vmap(attended))(*[three_heads(x)] * 2))
    close(only(ll.capture(nested, y)), softmax((parts @ parts.mT).numpy()))
    z = torch.randn(3, T, 3 * 4)
    folded = Made(
        lambda self, x: torch.vmap(torch.vmap(attended), in_dims=1)(*[three_heads(x)] * 2)
    )
    assert "could not be followed" in only(ll.capture(folded, z)).attrs["reading"]


def three_heads(x):
    return x.unflatten(-1, (3, 4)).transpose(1, 2)
