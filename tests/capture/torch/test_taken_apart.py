"""Sequences that are cut and joined, laid on complex numbers, or slid over by windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from written import Made, only, weights

import limelight as ll
from limelight.errors import NoAttentionError

N = 4  # examples, heads, positions and features alike


@pytest.fixture
def x():
    return torch.randn(N, N, N * N, generator=torch.Generator().manual_seed(2))


def seen(function, x, **parts):
    """The only site of a model, and the map that its forward notes in itself."""
    model = Made(function, **parts).eval()
    site = only(ll.capture(model, x))
    with torch.no_grad():
        model(x)
    return site, model.noted.numpy()


def halves(x):
    return x.unflatten(-1, (N, N)).transpose(1, 2)


def attend(m, q, k, v):
    w = (q @ k.mT).softmax(-1)
    m.noted = w.detach()
    return w @ v


def complex_rotary(m, x):
    """One head of keys; queries turned as complex numbers."""
    turns = torch.polar(torch.ones(N, N // 2), torch.arange(N * N // 2.0).view(N, -1))

    def turned(t):
        pairs = torch.view_as_complex(t.reshape(*t.shape[:-1], -1, 2))
        return torch.view_as_real(pairs * turns).flatten(3)

    k, v = m.k(x)[:, None, :, :N], m.v(x)[:, None, :, :N]
    return attend(m, turned(halves(m.q(x))), turned(k), v)


def streams(m, x):
    """Two streams in turn, as states and actions are, made one sequence."""
    both = torch.stack([m.q(x), m.v(x)], 2).flatten(1, 2)
    return attend(m, *(halves(layer(both)) for layer in (m.k, m.o, m.p)))


def tables(m, x):
    """All but the first position is turned by a table that is made from a buffer."""
    q, k, v = (halves(layer(x)) for layer in (m.q, m.k, m.v))
    turn = torch.outer(torch.linspace(0, 1, N - 1), m.rates).cos()
    q, k = (torch.cat([t[:, :, :1], t[:, :, 1:] * turn], 2) for t in (q, k))
    return attend(m, q, k, v)


def nobody(m, x):
    """A prompt of no tokens at all is put before the words."""
    whole = torch.cat([m.prompt.expand(len(x), -1, -1), x], 1)
    return attend(m, *(halves(layer(whole)) for layer in (m.q, m.k, m.v)))


def dealt(m, x):
    """Heads are put on the axis of the examples, and taken back in parts."""
    q, k, v = (torch.cat(layer(x).split(N, -1), 0) for layer in (m.q, m.k, m.v))
    y = torch.cat(k.split(len(x), 0), -1)
    k = torch.cat(m.o(y).split(N, -1), 0)
    w = torch.bmm(q, k.mT).softmax(-1)
    m.noted = w.detach().unflatten(0, (N, N)).transpose(0, 1)
    return torch.bmm(w, v)


@pytest.mark.parametrize("function", [complex_rotary, streams, tables, nobody, dealt])
def test_heads_and_queries_stay_what_they_are(function, x):
    layers = {name: nn.Linear(N * N, N * N) for name in "qkvop"}
    rates = nn.Buffer(torch.rand(N))
    site, noted = seen(
        function, x, rates=rates, prompt=nn.Parameter(torch.rand(1, 0, N * N)), **layers
    )
    assert site.attrs["kind"] == "self"
    np.testing.assert_allclose(weights(site), noted, atol=1e-6)


def test_sums_that_a_layer_made_of_positions_are_no_words(x):
    def linformer(m, x):
        q, k, v = (halves(layer(x)) for layer in (m.q, m.k, m.v))
        return attend(m, q, *(torch.einsum("bhnd,nk->bhkd", t, m.sums) for t in (k, v)))

    layers = {name: nn.Linear(N * N, N * N) for name in "qkv"}
    site, noted = seen(linformer, x, sums=nn.Parameter(torch.randn(N, N)), **layers)
    assert site.attrs["kind"] == "cross"
    np.testing.assert_allclose(weights(site), noted, atol=1e-6)


def test_each_query_of_a_sliding_window_has_keys_of_its_own(x):
    def sliding(m, x):
        k, v = (functional.pad(t, (0, 0, 1, 1)).unfold(1, 3, 1) for t in (m.k(x), m.v(x)))
        w = torch.einsum("bnd,bndw->bnw", m.q(x), k).softmax(-1)
        m.noted = w.detach()[:, None]
        return torch.einsum("bnw,bndw->bnd", w, v)

    site, noted = seen(sliding, x, **{name: nn.Linear(N * N, N * N) for name in "qkv"})
    np.testing.assert_allclose(weights(site), noted, atol=1e-6)
    assert "keys of its own" in site.attrs["reading"]


def test_all_keys_are_shown_where_their_weights_are_dealt_to_two_sums(x):
    def crossed(m, x):
        """Each cell of a grid looks along its column, then along its row."""
        q, k, v = (layer(x).unflatten(1, (2, 2)) for layer in (m.q, m.k, m.v))
        down, along = torch.einsum("bijd,bkjd->bijk", q, k), torch.einsum("bijd,bikd->bijk", q, k)
        w = torch.cat([down, along], -1).softmax(-1)
        m.noted = w.detach().flatten(1, 2)[:, None]
        return torch.einsum("bijk,bkjd->bijd", w[..., :2], v) + torch.einsum(
            "bijk,bikd->bijd", w[..., 2:], v
        )

    site, noted = seen(crossed, x, **{name: nn.Linear(N * N, N * N) for name in "qkv"})
    np.testing.assert_allclose(weights(site), noted, atol=1e-6)
    assert "keys of its own" in site.attrs["reading"]


def light(m, x):
    taps = functional.pad(m.q(x), (0, 0, 1, 1)).unfold(1, 3, 1)
    return (taps * m.kernel.softmax(-1)).sum(-1)


def inverted(m, x):
    q, k, v = (layer(x) for layer in (m.q, m.k, m.v))
    few = [t.unflatten(1, (2, 2)).mean(2) for t in (q, k)]
    first, last = (q @ few[1].mT).softmax(-1), (few[0] @ k.mT).softmax(-1)
    return first @ torch.linalg.pinv((few[0] @ few[1].mT).softmax(-1)) @ (last @ v)


@pytest.mark.parametrize("function", [light, inverted])
def test_taps_and_halves_of_a_product_are_no_maps(function, x):
    model = Made(function, kernel=nn.Parameter(torch.randn(N * N, 3)),
                 **{name: nn.Linear(N * N, N * N) for name in "qkv"})  # fmt: skip
    with pytest.raises(NoAttentionError):
        ll.capture(model, x)


def test_channels_of_a_picture_that_no_layer_saw_are_no_positions():
    def channels(_, x):
        flat = x.flatten(2)
        return ((flat @ flat.mT).softmax(-1) @ flat).view_as(x)

    with pytest.raises(NoAttentionError, match="features"):
        ll.capture(Made(channels), torch.randn(2, 3, N, N))
