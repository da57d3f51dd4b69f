"""limelight's own layer for PyTorch: its weights by hand, padding, any length, captured."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import limelight as ll
from limelight.errors import DimensionError, LimelightError
from limelight.layers.torch import AttentionPooling


class Reader(nn.Module):
    def __init__(self, **options) -> None:
        super().__init__()
        self.words = nn.Embedding(20, 8)
        self.lstm = nn.LSTM(8, 6, batch_first=True)
        self.pool = AttentionPooling(6, **options)
        self.answer = nn.Linear(6, 1)

    def forward(self, ids):
        states, _ = self.lstm(self.words(ids))
        pooled, weights = self.pool(states, ids != 0, return_attention_scores=True)
        return self.answer(pooled), weights


@pytest.fixture(autouse=True)
def _same_start():
    torch.manual_seed(3)


@pytest.fixture
def states():
    return torch.randn(3, 6, 4)


@pytest.fixture
def mask():
    counted = torch.ones(3, 6, dtype=torch.bool)
    counted[1, 4:] = False
    return counted


@pytest.fixture
def layer():
    """With weights that are far from even."""
    pooling = AttentionPooling(4, units=5)
    for parameter in pooling.parameters():
        nn.init.normal_(parameter, std=2.0)
    return pooling


def test_weights_are_those_of_the_formula(layer, states, mask):
    kernel, bias, context = (parameter.detach().numpy() for parameter in layer.parameters())
    scores = np.tanh(states.numpy() @ kernel.T + bias) @ context[0]
    raised = np.exp(scores) * mask.numpy()
    expected = raised / raised.sum(-1, keepdims=True)
    pooled, weights = layer(states, mask, return_attention_scores=True)
    np.testing.assert_allclose(weights.detach(), expected, atol=1e-6)
    sums = (expected[..., None] * states.numpy()).sum(1)
    np.testing.assert_allclose(pooled.detach(), sums, atol=1e-5)
    assert (weights[~mask] == 0).all()
    assert expected.max() > 0.5
    assert torch.equal(layer(states, mask), pooled)


def test_padding_changes_nothing_and_only_padding_sums_to_nothing(layer, states, mask):
    short = layer(states[1:2, :4])
    torch.testing.assert_close(layer(states, mask)[1:2], short)
    torch.testing.assert_close(layer(states.masked_fill(~mask[..., None], 1e3), mask)[1:2], short)
    pooled, weights = layer(states, torch.zeros_like(mask), return_attention_scores=True)
    assert not pooled.any()
    assert not weights.any()


def test_it_is_captured_as_it_computes(tmp_path):
    model = Reader()
    ids = torch.tensor([[3, 4, 5, 6, 7], [8, 9, 2, 0, 0]])
    for length in (3, 5):  # any length trains
        model(ids[:, :length])[0].sum().backward()
    site = ll.capture(model, ids)["pool"].dataset
    weights = model(ids)[1].detach().numpy()
    assert (site.attrs["kind"], site.attrs.get("stage", "")) == ("pooling", "")
    np.testing.assert_allclose(site["weights"].values[:, 0, 0], weights, atol=1e-6)
    np.testing.assert_array_equal(site["key_valid"].values, ids != 0)
    again = Reader()
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(ids)[1], model(ids)[1])


def test_half_precision(layer, states, mask):
    weights = layer.bfloat16()(states.bfloat16(), mask, return_attention_scores=True)[1]
    assert weights.dtype == torch.bfloat16
    assert (weights[~mask] == 0).all()


@pytest.mark.parametrize("wrong", ["floats", "positions"])
def test_a_mask_that_would_say_something_else_is_refused(wrong, layer, states, mask):
    mask = mask.float() if wrong == "floats" else mask[:, :5]
    with pytest.raises(DimensionError, match=r"booleans \[3, 6\]"):
        layer(states, mask)


def test_sizes_that_are_none_are_refused():
    with pytest.raises(LimelightError, match="features=0"):
        AttentionPooling(0)
    with pytest.raises(LimelightError, match=r"units=2\.0"):
        AttentionPooling(4, units=2.0)


def test_the_public_name_is_of_the_framework_that_is_asked_for():
    layer = ll.AttentionPooling(4, framework="torch")
    assert type(layer) is AttentionPooling
    assert isinstance(layer, ll.AttentionPooling)
    assert not isinstance(nn.Linear(1, 1), ll.AttentionPooling)
