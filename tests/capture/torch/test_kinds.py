"""Queries and keys that count the same positions are self-attention, however they were formed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import limelight as ll

EXAMPLES, LENGTH, FEATURES = 3, 5, 8


def rotated(x):
    """Turn all positions but the first, and put them together again."""
    first, rest = x.split((1, LENGTH - 1), dim=1)
    return torch.cat((first, rest.roll(1, -1)), 1)


def sliced(x):
    return torch.cat((x[..., :1, :], torch.sin(x[..., 1:, :])), dim=-2)


def halved(x):
    return torch.cat((x[:, :2] * 2, x[:, 2:]), dim=1)


def interleaved(x):
    return torch.stack((x[..., ::2] - x[..., 1::2], x[..., 1::2] + x[..., ::2]), -1).flatten(-2)


class Looks(nn.Module):
    """Attention whose queries and keys go through the same function; also given numbers beside."""

    def __init__(self, forms, kernel, sink):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(FEATURES, FEATURES) for _ in range(3))
        self.forms, self.kernel = forms, kernel
        self.sink = nn.Parameter(torch.randn(1)) if sink else None

    def forward(self, hidden, other, scaling):
        query, key = self.forms(self.query(hidden)) * scaling, self.forms(self.key(other))
        if self.kernel:
            return nn.functional.scaled_dot_product_attention(query, key, self.value(other))
        scores = query @ key.transpose(1, 2)
        if self.sink is not None:
            sink = self.sink.expand(*scores.shape[:2], 1)
            weights = torch.cat((scores, sink), -1).softmax(-1)[..., :-1]
        else:
            weights = scores.softmax(-1)
        return weights @ self.value(other)


class Model(nn.Module):
    def __init__(self, *args, itself=True):
        super().__init__()
        self.looks, self.itself = Looks(*args), itself
        self.scaling = nn.Parameter(torch.rand(1, LENGTH, 1))

    def forward(self, x, y):
        return self.looks(x, x if self.itself else y, torch.log1p(self.scaling.exp()))


def kind(model):
    x, y = torch.randn(2, EXAMPLES, LENGTH, FEATURES)
    return ll.capture(model, (x, y))["looks"].attrs["kind"]


@pytest.mark.parametrize("sink", [False, True])
@pytest.mark.parametrize("kernel", [False, True])
@pytest.mark.parametrize("forms", [rotated, sliced, halved, interleaved])
def test_positions_formed_alike_are_one_sequence_and_those_of_another_input_are_not(
    forms, kernel, sink
):
    assert kind(Model(forms, kernel, sink)) == "self"
    assert kind(Model(forms, kernel, sink, itself=False)) == "cross"
