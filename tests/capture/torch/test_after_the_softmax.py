"""What a model does to weights after the softmax is done to what is shown, and said."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parent))  # the tests here import written.py

from written import B, D, H, Made, T, heads, only, sites, weights

import limelight as ll
from limelight.errors import GateError, UnsupportedModelError


@pytest.fixture
def x():
    return torch.randn(B, T + 1, D)


def plain(self, x):
    q, k = heads(self.q(x)), heads(self.k(x))
    return (q @ k.transpose(-1, -2) / 3).softmax(-1)


def masked(self, w):
    real = torch.ones(w.shape[-1])
    real[-2:] = 0
    w = w * real
    return w / w.sum(-1, keepdim=True)


def overwritten(self, w):
    w = w.clone()
    w[..., -2:] = 0.0
    return w


def in_place(self, w):
    return w.masked_fill_(torch.ones(w.shape[-2:]).triu(1).bool(), 0.0)


def best(self, w):
    w = w.masked_fill(w < w.topk(2, -1).values[..., -1:], 0.0)
    return w / w.sum(-1, keepdim=True)


def put_back(self, w):
    best = w.topk(2, -1)
    w = torch.zeros_like(w).scatter(-1, best.indices, best.values)
    return w / w.sum(-1, keepdim=True)


def put_back_in_place(self, w):
    """Of keys before queries, into zeros that are made of nothing."""
    w, order = w.mT.sort(dim=-2, descending=True)
    zeros = torch.zeros(w.shape)
    return zeros.scatter_(-2, order[:, :, :3], w[:, :, :3]).mT


def subtracted(self, w):
    """The second half of the heads from the first."""
    first, second = w.chunk(2, 1)
    return first - 0.3 * second


def alternating(self, w):
    w = w.view(len(w), -1, 2, *w.shape[-2:])
    return w[:, :, 0] + w[:, :, 1]


def turned(self, w):
    """In another order of axes, and back."""
    w = w.permute(2, 0, 3, 1).reshape(w.shape[2] * B, w.shape[3], H) ** 2
    w = w.reshape(-1, B, w.shape[1], H).permute(1, 3, 0, 2)
    return functional.normalize(w, p=1, dim=-1)


WAYS = {
    "mask and renormalisation": (masked, "after mask and renormalisation"),
    "some overwritten": (overwritten, "after mask"),
    "masked in place": (in_place, "after mask"),
    "the best two": (best, "after mask and renormalisation"),
    "the best two, put back among zeros": (put_back, "after top-k and renormalisation"),
    "the best three of all by size, put back": (put_back_in_place, "after top-k"),
    "power, turned meanwhile": (turned, "after power and renormalisation"),
    "clamped": (lambda self, w: w.clamp(min=0.1), "after clamp"),
    "scaled": (lambda self, w: 0.5 * w, "after scaling"),
    "threshold": (lambda self, w: functional.threshold(w, 0.15, 0.0), "after threshold"),
    "gated by numbers": (lambda self, w: w * self.each[:, None, None], "after reweighting"),
}

MIXED = {
    "convolution": (lambda self, w: self.conv(w), "after mixing of heads"),
    "more heads, and a norm": (
        lambda self, w: self.norm(self.grow(w)), "after mixing of heads and batch norm"),
    "linear layer over heads put last": (
        lambda self, w: self.linear(w.permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
        "after mixing of heads"),
    "einsum": (
        lambda self, w: torch.einsum("gh,bhqk->bgqk", self.matrix, w), "after mixing of heads"),
    "matmul over flat maps": (
        lambda self, w: (self.matrix @ w.flatten(2)).view_as(w), "after mixing of heads"),
    "layer norm over heads": (
        lambda self, w: self.layer(w.movedim(1, -1)).movedim(-1, 1), "after layer norm"),
    "halves of the heads": (subtracted, "after scaling and subtraction of heads"),
    "heads by pairs": (alternating, "after addition of heads"),
    "mean of heads": (lambda self, w: w.mean(1, keepdim=True), "after mixing of heads"),
}  # fmt: skip


class Used(nn.Module):
    """Holds what is done to weights, so that a hook sees what came of it."""

    def __init__(self, change):
        super().__init__()
        self.change = change
        self.conv, self.grow = nn.Conv2d(H, H, 1), nn.Conv2d(H, 2 * H, 1)
        self.norm, self.layer, self.linear = nn.BatchNorm2d(2 * H), nn.LayerNorm(H), nn.Linear(H, H)
        self.matrix = nn.Parameter(torch.randn(H, H))
        self.each = nn.Parameter(torch.rand(H))

    def forward(self, w):
        return self.change(self, w)


def model_of(change):
    def forward(self, x):
        return self.weighed(self.used(plain(self, x)), x)

    parts = {name: nn.Linear(D, D) for name in ("q", "k", "v")}
    model = Made(forward, used=Used(change), **parts).eval()
    model.weighed = lambda w, x: (w @ values_for(model, w, x)).transpose(1, 2).flatten(2)
    return model


def values_for(model, w, x):
    v = heads(model.v(x))
    return v if w.shape[1] == H else v.repeat(1, max(w.shape[1] // H, 1), 1, 1)[:, : w.shape[1]]


def seen_by_a_hook(model, x):
    seen = []
    handle = model.used.register_forward_hook(lambda module, args, out: seen.append(out.clone()))
    with torch.no_grad():
        output = model(x)
    handle.remove()
    return seen[0].numpy(), output


@pytest.mark.parametrize("way", [*WAYS, *MIXED])
def test_what_is_multiplied_with_the_values_is_shown(way, x):
    change, stage = {**WAYS, **MIXED}[way]
    model = model_of(change)
    wanted, _ = seen_by_a_hook(model, x)
    site = only(ll.capture(model, x))
    assert weights(site).shape == wanted.shape
    np.testing.assert_allclose(weights(site), wanted, atol=1e-6)
    assert site.attrs["stage"] == stage
    if any(word in stage for word in ("mask", "threshold", "top-k")):
        assert not np.asarray(site["allowed"].broadcast_like(site["weights"]))[wanted == 0].any()


#: What comes in another form than it went, so that no gate can be told where it belongs.
UNGATED = (
    "matmul over flat maps", "power, turned meanwhile", "the best two, put back among zeros",
    "the best three of all by size, put back", "halves of the heads", "heads by pairs",
)  # fmt: skip


@pytest.mark.parametrize("way", [*WAYS, *MIXED])
def test_a_gate_acts_on_what_is_multiplied_with_the_values(way, x):
    model = model_of({**WAYS, **MIXED}[way][0])
    used, _ = seen_by_a_hook(model, x)
    head = used.shape[1] - 1
    if way in UNGATED:
        with (
            torch.no_grad(),
            pytest.raises(GateError, match="cannot be followed"),
            ll.gate(model, {("made", head): 0.0}),
        ):
            model(x)
        return
    wanted = torch.from_numpy(used.copy())
    wanted[:, head] = 0
    with torch.no_grad():
        with ll.gate(model, {("made", head): 0.0}):
            gated = model(x)
        torch.testing.assert_close(gated, model.weighed(wanted, x))


@pytest.mark.parametrize("way", ["nothing", "mask of ones", "dropout", "turned and back"])
def test_what_changes_nothing_is_no_stage(way, x):
    ways = {
        "nothing": lambda self, w: w,
        "mask of ones": lambda self, w: w * torch.ones(w.shape[-1]),
        "dropout": lambda self, w: functional.dropout(w, 0.5, self.training),
        "turned and back": lambda self, w: w.transpose(1, 2).contiguous().transpose(1, 2),
    }
    site = only(ll.capture(model_of(ways[way]), x))
    assert "stage" not in site.attrs
    np.testing.assert_allclose(weights(site).sum(-1), 1, atol=1e-5)


def test_a_mask_after_pooling_takes_padding_away(x):
    """As in pointers over a source: the weighted sum is formed with a product and a sum."""

    def forward(self, x, real):
        w = functional.softmax(self.q(x)[..., 0], dim=1)
        w = w.masked_fill(real == 0, 0.0)
        w = w / (w.sum(1)[:, None] + 1e-9)
        return (w.unsqueeze(-1) * x).sum(1)

    real = torch.ones(B, x.shape[1])
    real[0, -2:] = 0
    model = Made(forward, q=nn.Linear(D, 1))
    site = only(ll.capture(model, (x, real)))
    with torch.no_grad():
        w = functional.softmax(model.q(x)[..., 0], dim=1) * real
        wanted = w / w.sum(1, keepdim=True)
    np.testing.assert_allclose(weights(site)[:, 0, 0], wanted, atol=1e-6)
    assert not site["allowed"].values[0, ..., -2:].any()
    assert not site["key_valid"].values[0, -2:].any()
    assert site["key_valid"].values[1].all()


def test_softmaxes_that_are_combined_say_so(x):
    def forward(self, x):
        first, second = (part(x) @ x.transpose(1, 2) for part in (self.q, self.k))
        return (first.softmax(-1) - 0.3 * second.softmax(-1)) @ x

    model = Made(forward, q=nn.Linear(D, D), k=nn.Linear(D, D))
    captured = sites(ll.capture(model, x))
    assert len(captured) == 2
    for site in captured.values():
        assert "combined with another softmax" in site.attrs["stage"]
        assert "cannot be followed" in site.attrs["stage"]


def test_a_product_of_smaller_softmaxes_is_no_map(x):
    def forward(self, x):
        mid = x[:, ::2]
        left = (x @ mid.transpose(1, 2)).softmax(-1)
        small = (mid @ mid.transpose(1, 2)).softmax(-1)
        return left @ small @ ((mid @ x.transpose(1, 2)).softmax(-1) @ x)

    with pytest.raises(UnsupportedModelError) as error:
        ll.capture(Made(forward), x)
    assert "product of smaller softmaxes" in str(error.value)


def test_weights_cut_for_being_small_make_no_padding(x):
    model = model_of(lambda self, w: w * (w == w.amax(-1, keepdim=True)))
    site = only(ll.capture(model, x))
    unread = ~np.asarray(site["allowed"].broadcast_like(site["weights"])).any(axis=(1, 2))
    assert unread.any()
    assert site["key_valid"].values.all()
    assert site["query_valid"].values.all()


@pytest.mark.parametrize("way", ["convolution", "mask and renormalisation", "scaled"])
def test_what_need_not_sum_to_one_is_recorded_and_measured_by_shares(way, x, tmp_path):
    model = model_of({**WAYS, **MIXED}[way][0])
    wanted, _ = seen_by_a_hook(model, x)
    with ll.Recorder(tmp_path, model, x) as recorder:
        recorder.record(0)
    run = ll.open_run(tmp_path)
    stored = run.site("made")["weights"].values
    np.testing.assert_allclose(np.nan_to_num(stored), wanted, atol=2e-3)
    shares = np.abs(wanted) / np.abs(wanted).sum(-1, keepdims=True)
    # In bits, over the keys that there are.
    entropy = -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(-1).mean(-1)
    measured = run.measures()["entropy"].sel(site="made").isel(step=0)
    units = float(measured.values.max() / entropy.max())
    np.testing.assert_allclose(measured.values, units * entropy, rtol=1e-3)


LOGS = {
    "exponential": lambda self, scores: functional.log_softmax(scores, -1).exp(),
    "turned in between": lambda self, scores: torch.exp(scores.log_softmax(-1).mT).mT,
    "module": lambda self, scores: self.log(scores).exp_(),
}


@pytest.mark.parametrize("way", LOGS)
def test_a_softmax_in_logarithms_is_one_like_any_other(way, x):
    def forward(self, x):
        return LOGS[way](self, self.q(x) @ x.mT) @ x

    model = Made(forward, q=nn.Linear(D, D), log=nn.LogSoftmax(-1)).eval()
    site = only(ll.capture(model, x))
    with torch.no_grad():
        wanted = functional.softmax(model.q(x) @ x.mT, -1)
        np.testing.assert_allclose(weights(site)[:, 0], wanted, atol=1e-6)
        with ll.gate(model, {(site.attrs["module"], 0): 0.5}):
            torch.testing.assert_close(model(x), 0.5 * wanted @ x)
    assert "stage" not in site.attrs


def test_logarithms_that_nobody_weighs_with_are_no_attention(x):
    model = Made(lambda self, x: functional.log_softmax(self.q(x), -1), q=nn.Linear(D, 4))
    with pytest.raises(UnsupportedModelError, match="outputs of a linear layer"):
        ll.capture(model, x)


def test_the_best_keys_weigh_values_that_were_gathered(x):
    """Zeros are shown for the others, though the model never forms them."""

    def forward(self, x):
        scores = self.q(x) @ self.k(x).mT
        best = scores.softmax(-1).topk(3, -1)
        rows = self.v(x)[torch.arange(B)[:, None, None], best.indices]
        return (best.values[..., None] * rows).sum(2)

    model = Made(forward, **{name: nn.Linear(D, D) for name in ("q", "k", "v")}).eval()
    site = only(ll.capture(model, x))
    with torch.no_grad():
        shares = (model.q(x) @ model.k(x).mT).softmax(-1)
        best = shares.topk(3, -1)
        wanted = torch.zeros_like(shares).scatter(-1, best.indices, best.values)
    np.testing.assert_allclose(weights(site)[:, 0], wanted.numpy(), atol=1e-6)
    assert site.attrs["stage"] == "after top-k"


def test_symmetric_weights_are_shown_where_the_sum_of_all_cells_is_used(x):
    def forward(self, x):
        w = (self.q(x) @ self.k(x).mT).softmax(-1)
        return ((w + w.mT) / 2) @ self.v(x)

    model = Made(forward, **{name: nn.Linear(D, D) for name in ("q", "k", "v")}).eval()
    site = only(ll.capture(model, x))
    with torch.no_grad():
        shares = (model.q(x) @ model.k(x).mT).softmax(-1)
    np.testing.assert_allclose(weights(site)[:, 0], ((shares + shares.mT) / 2).numpy(), atol=1e-6)


def test_rows_of_some_queries_taken_from_those_of_others_are_not_shown_as_heads(x):
    def forward(self, x):
        w = (self.q(x) @ self.k(x).mT).softmax(-1)
        return (w[:, 3:] - w[:, :3]) @ self.v(x)

    model = Made(forward, **{name: nn.Linear(D, D) for name in ("q", "k", "v")}).eval()
    site = only(ll.capture(model, x))
    with torch.no_grad():
        shares = (model.q(x) @ model.k(x).mT).softmax(-1)
    np.testing.assert_allclose(weights(site)[:, 0], shares.numpy(), atol=1e-6)
    assert site.attrs["stage"].startswith("before it is changed by subtraction")
