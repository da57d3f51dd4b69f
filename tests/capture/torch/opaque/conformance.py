"""The shipped tests of a kind of attention, on each way to call an opaque one."""

from __future__ import annotations

import math

import opaque_attention
import torch
from opaque_attention import attend
from torch import nn

import limelight as ll
from limelight.testing import AttentionConformance


def turned(*tensors):
    return [tensor.transpose(1, 2) for tensor in tensors]


class TestByItsName(AttentionConformance):
    def attend(self, query, key, value):
        return attend(*turned(query, key, value)).transpose(1, 2)

    def scores(self, query, key):
        return query @ key.transpose(-1, -2) * math.log(2)


class TestInItsModule(TestByItsName):
    """Sharper, causal, and with heads that share keys."""

    heads, key_heads = 4, 2

    def attend(self, query, key, value):
        parts = turned(query, key, value)
        return opaque_attention.attend(*parts, sharpness=0.7, causal=True).transpose(1, 2)

    def scores(self, query, key):
        scores = query @ key.transpose(-1, -2) * 0.7 * math.log(2)
        return scores.masked_fill(~torch.ones(scores.shape[-2:]).tril().bool(), -torch.inf)


class TestAsAnOperator(TestByItsName):
    def attend(self, query, key, value):
        return torch.ops.opaque.attention(*turned(query, key, value)).transpose(1, 2)


class TestAsTheOperatorThatPythonMade(TestByItsName):
    def attend(self, query, key, value):
        return opaque_attention.operator(*turned(query, key, value)).transpose(1, 2)


class Holding(nn.Module):
    """Holds the function itself, and attends within one of the two sequences it is given."""

    def __init__(self):
        super().__init__()
        self.attend = attend

    def forward(self, x, y):
        rows = x.unflatten(-1, (2, 4))
        return self.attend(rows, rows, rows).flatten(2) + y


def test_a_module_that_holds_the_function():
    model, x = Holding(), torch.randn(3, 5, 8)
    (site,) = ll.capture(model, (x, torch.randn(3, 5, 8))).leaves
    assert site.attrs["kind"] == "self"
    rows = x.unflatten(-1, (2, 4)).transpose(1, 2)
    wanted = (rows @ rows.transpose(-1, -2) * math.log(2)).softmax(-1)
    torch.testing.assert_close(torch.from_numpy(site["weights"].values), wanted)
    assert model.attend is attend
