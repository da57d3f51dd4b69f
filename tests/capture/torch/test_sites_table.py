"""The table of every softmax that ran: what it was taken for and why, and its values compared."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn
from written import B, D, Made, T, Written, only, weights

import limelight as ll
from limelight.errors import ProbeError


@pytest.fixture
def x():
    return torch.randn(B, T, D)


class Pooled(nn.Module):
    def __init__(self):
        super().__init__()
        self.score = nn.Linear(D, 1)

    def forward(self, x):
        return (self.score(x.tanh()).softmax(1) * x).sum(1)


def grouped(self, x):
    query = x.view(B, T, 4, D // 4).transpose(1, 2)
    key = x[..., : D // 2].reshape(B, T, 2, D // 4).transpose(1, 2)
    return nn.functional.scaled_dot_product_attention(query, key, key, enable_gqa=True)


MODELS = {
    "written": Written,
    "kernel": lambda: nn.TransformerEncoderLayer(D, 2, 16, batch_first=True),
    "pooled": Pooled,
    "grouped": lambda: Made(grouped),
    "einsum": lambda: Made(lambda self, x: torch.einsum(
        "bqk,bkd->bqd", (x @ x.mT).softmax(-1), x)),
    "positions first": lambda: Made(lambda self, x: (x.transpose(0, 1),
                                                     (x @ x.mT).softmax(-1) @ x)[1]),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_what_is_shown_is_what_the_model_computed(name, x):
    model = MODELS[name]().eval()
    (row,) = ll.sites(model, x, values=True, example=1).taken
    site = only(ll.capture(model, x))
    assert (row.path, row.kind) == (site.attrs["module"], site.attrs["kind"])
    np.testing.assert_allclose(row.values.weights, weights(site)[1], atol=1e-6)
    raised = np.exp(row.values.scores - row.values.scores.max(-1, keepdims=True))
    np.testing.assert_allclose(
        raised / raised.sum(-1, keepdims=True), row.values.weights, atol=1e-6
    )
    assert row.values.sum_off < 1e-5
    assert row.values.agree


def test_it_says_why_not_and_what_changes_it(x):
    model = nn.Sequential(Written(), Made(lambda self, x: self.gate(x.mean(1)).softmax(-1),
                                          gate=nn.Linear(D, 4)))  # fmt: skip
    attention, classes = ll.sites(model, x)
    assert attention.change == "exclude=['0']"
    assert (classes.kind, classes.change) == (None, "")
    assert "classes, experts or features" in classes.reason
    (excluded, _) = ll.sites(model, x, exclude="0")
    assert excluded.kind is None
    assert excluded.reason == "exclude names it"


def test_it_never_fails_because_nothing_was_attention(x):
    by_hand = Made(lambda self, x: torch.exp(x - x.logsumexp(1, keepdim=True)))
    table = ll.sites(by_hand, x, values=True)
    assert list(table) == []
    assert "No softmax ran in 'made'" in str(table)
    assert "exp() and sum()" in str(table)
    table = ll.sites(nn.Sequential(nn.Flatten(), nn.Linear(T * D, 4), nn.Softmax(-1)), x)
    assert not table.taken
    assert "taken for attention: 0" in str(table)


def test_positions_first_are_refused_with_the_argument_that_helps():
    layer, turned = nn.TransformerEncoderLayer(16, 2, 32), torch.randn(7, 3, 16)
    (row,) = ll.sites(layer, turned)
    assert (row.kind, row.change) == (None, "axes={'inputs': 1}")
    (row,) = ll.sites(layer, turned, axes={"inputs": 1}, values=True)
    assert row.kind == "self"
    assert row.values.agree


def test_steps_of_a_loop_are_one_row(x):
    def decoded(self, x):
        state, outputs = x[:, 0], []
        for _ in range(4):
            attended = (state[:, None] @ x.mT).softmax(-1) @ x
            state = state + attended[:, 0]
            outputs.append(state)
        return torch.stack(outputs, 1)

    (row,) = ll.sites(Made(decoded), x)
    assert row.calls == 4


def test_it_reads_well_and_as_data(x):
    table = ll.sites(nn.Sequential(Written(), Pooled()), x, values=True)
    lines = str(table).splitlines()
    assert lines[0] == "2 softmaxes ran in 'sequential', in order; taken for attention: 2."
    start = lines[1].index("taken for")
    assert [line[start:].split()[0] for line in lines[2::2]] == ["self", "pooling"]
    assert "to change it: exclude=['1']" in str(table)
    assert "<table>" in table._repr_html_()
    rows = json.loads(json.dumps(table.to_dict()))["rows"]
    assert [row["kind"] for row in rows] == ["self", "pooling"]
    assert np.shape(rows[0]["values"]["weights"]) == table[0].values.weights.shape
    assert len(table[:1]) == 1


def test_markup_in_a_name_is_text():
    table = ll.capture.SoftmaxTable("<b>", [], ["<i>note</i>"])
    assert "<b>" not in table._repr_html_()
    assert "<i>" not in table._repr_html_()


def test_an_example_that_is_not_there(x):
    with pytest.raises(ProbeError, match="numbered 0 to 2"):
        ll.sites(Written(), x, values=True, example=3)


def test_the_model_stays_as_it_was(x):
    model = nn.Sequential(nn.BatchNorm1d(T), Written(), nn.Dropout()).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ll.sites(model, x, values=True)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
