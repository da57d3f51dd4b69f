"""Loops over time are one site, a row a step; loops over depth are a site for each round."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))  # the tests here import written.py

from written import B, D, Made, T, close, only, sites, softmax, weights

import limelight as ll


@pytest.fixture
def x():
    return torch.randn(B, T, D)


def decoder(self, x, steps=4):
    """Two memories of one length are asked at each step; the state goes on from what came."""
    image, text = self.image(x), self.text(x)
    state = x.mean(1)
    self.seen = {"image": [], "text": []}
    for _ in range(steps):
        shares = torch.softmax((image @ state[..., None])[..., 0], -1)
        self.seen["image"].append(shares)
        state = self.cell((shares[..., None] * image).sum(1), state)
        shares = torch.softmax(torch.einsum("bd,btd->bt", state, text), -1)
        self.seen["text"].append(shares)
        state = self.cell(torch.einsum("bt,btd->bd", shares, text), state)
    last = torch.softmax(self.pool(x)[..., 0], 1)
    self.seen["last"] = [last]
    return state + (last[..., None] * x).sum(1)


def decoding():
    return Made(
        decoder, image=nn.Linear(D, D), text=nn.Linear(D, D), cell=nn.GRUCell(D, D),
        pool=nn.Linear(D, 1),
    )  # fmt: skip


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_each_softmax_of_a_loop_is_one_site_whatever_the_number_of_steps(steps, x):
    model = decoding()
    captured = sites(ll.capture(model, x, call=lambda m, x: m(x, steps)))
    assert list(captured) == ["made", "made:1", "made:2"]
    model(x, steps)
    for site, rows in zip(captured.values(), model.seen.values(), strict=True):
        close(site, torch.stack(rows, 1).detach().numpy()[:, None])


def test_a_site_bears_its_name_after_calls_of_other_lengths(x):
    model, rows = decoding(), {}

    def call(model, x):
        for steps in (2, 4, 3):
            model(x, steps)
            for name, seen in model.seen.items():
                rows.setdefault(name, []).extend(seen)

    captured = sites(ll.capture(model, x, call=call))
    assert [weights(site).shape[2] for site in captured.values()] == [9, 9, 3]
    for site, seen in zip(captured.values(), rows.values(), strict=True):
        close(site, torch.stack(seen, 1).detach().numpy()[:, None])


def test_a_gate_acts_on_every_step_also_on_more_than_it_was_proved_with(x):
    model = decoding().eval()
    with torch.no_grad():
        outputs = []
        for steps in (2, 5):
            with ll.gate(model, {("made:1", 0): 0.0}):
                outputs.append(model(x, steps))
        for steps, output in zip((2, 5), outputs, strict=True):
            wanted = without_text(model, x, steps)
            torch.testing.assert_close(output, wanted)


def without_text(model, x, steps):
    image, state = model.image(x), x.mean(1)
    for _ in range(steps):
        shares = torch.softmax((image @ state[..., None])[..., 0], -1)
        state = model.cell((shares[..., None] * image).sum(1), state)
        state = model.cell(torch.zeros_like(state), state)
    last = torch.softmax(model.pool(x)[..., 0], 1)
    return state + (last[..., None] * x).sum(1)


def deep(self, x):
    for _ in range(3):
        q = self.q(x)
        x = x + (q @ x.mT / D).softmax(-1) @ x
    return x


def test_rounds_over_the_same_positions_are_sites_and_gated_alone(x):
    model = Made(deep, q=nn.Linear(D, D)).eval()
    captured = sites(ll.capture(model, x))
    assert list(captured) == ["made", "made:1", "made:2"]
    with torch.no_grad():
        y = x
        for ordinal, site in enumerate(captured.values()):
            shares = (model.q(y) @ y.mT / D).softmax(-1)
            close(site, shares.numpy()[:, None])
            y = y + shares @ y * (ordinal != 1)
            if ordinal == 1:
                break
        wanted = y + (model.q(y) @ y.mT / D).softmax(-1) @ y
        with ll.gate(model, {("made:1", 0): 0.0}):
            torch.testing.assert_close(model(x), wanted)


def writes_words(self, x, cached):
    """A decoder's own loop: what it wrote is asked anew, or remembered."""
    keys, state = x[:, :0], x[:, :1]
    for _ in range(4):
        keys = torch.cat([keys, state], 1)
        queries = state if cached else keys
        logits = queries @ self.k(keys).mT
        if not cached:
            logits = logits.masked_fill(~torch.ones(logits.shape[-2:]).tril().bool(), -np.inf)
        shares = logits.softmax(-1)
        self.shares = shares
        state = (shares @ keys)[:, -1:]
    return state


@pytest.mark.parametrize("cached", [True, False])
def test_a_sequence_that_grows_in_a_loop_is_one_map(cached, x):
    model = Made(lambda self, x: writes_words(self, x, cached), k=nn.Linear(D, D))
    site = only(ll.capture(model, x))
    model(x)
    wanted = model.shares.detach().numpy()[:, None]
    # The first word sees itself alone, where nothing is weighed.
    np.testing.assert_allclose(weights(site)[:, :, -1:], wanted[:, :, -1:], atol=1e-6)
    assert weights(site).shape[3] == 4


def test_hops_over_one_memory_are_rows_but_two_lines_are_two_sites(x):
    def hops(self, x):
        state = self.start.expand(len(x), D)
        for _ in range(3):
            state = state + ((x @ state[..., None]).softmax(1) * x).sum(1)
        return state + ((x @ self.start[..., None]).softmax(1) * x).sum(1)

    model = Made(hops, start=nn.Parameter(torch.randn(D)))
    captured = sites(ll.capture(model, x))
    assert {path: weights(site).shape for path, site in captured.items()} == {
        "made": (B, 1, 3, T), "made:1": (B, 1, 1, T),
    }  # fmt: skip
    assert np.allclose(weights(captured["made:1"])[:, 0, 0], softmax((x @ model.start).detach()))
