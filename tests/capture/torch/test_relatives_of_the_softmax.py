"""Sparsemax and its like are taken with the weights they give; sums over a graph's edges not."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))  # the tests here import written.py

from written import B, D, Made, T, only, weights

import limelight as ll
from limelight.errors import UnsupportedModelError


def sparsemax(X, dim=-1, k=None):  # noqa: N803  # as the package calls them
    """The projection onto the simplex, in plain torch."""
    ordered = X.sort(dim=dim, descending=True).values
    total = ordered.cumsum(dim) - 1
    count = torch.arange(1, X.shape[dim] + 1)
    inside = (ordered * count > total).sum(dim, keepdim=True)
    return (X - total.gather(dim, inside - 1) / inside).clamp(min=0)


def entmax_bisect(X, alpha=1.5, dim=-1):  # noqa: N803
    return sparsemax(X / 2, dim)


@pytest.fixture
def package(monkeypatch):
    """What stands in for the package of that name, with the same faces."""
    module = ModuleType("entmax")
    module.sparsemax, module.entmax_bisect = sparsemax, entmax_bisect
    monkeypatch.setitem(sys.modules, "entmax", module)
    return module


@pytest.mark.parametrize(
    ("stage", "arguments"), [("sparsemax", (-1,)), ("sparsemax", ()), ("entmax", (1.3, -1))]
)
def test_a_relative_of_the_softmax_shows_the_weights_it_gives(stage, arguments, package):
    name = "sparsemax" if stage == "sparsemax" else "entmax_bisect"

    def forward(self, x):
        return getattr(package, name)(self.q(x) @ x.mT, *arguments) @ x

    x = torch.randn(B, T, D)
    model = Made(forward, q=nn.Linear(D, D)).eval()
    site = only(ll.capture(model, x))
    with torch.no_grad():
        wanted = getattr(package, name)(model.q(x) @ x.mT)
        np.testing.assert_allclose(weights(site)[:, 0], wanted, atol=1e-6)
        assert (weights(site) == 0).any()
        with ll.gate(model, {("made", 0): 0.5}):
            torch.testing.assert_close(model(x), 0.5 * wanted @ x)
    assert site.attrs["stage"] == f"after {stage}"


def test_attention_over_the_edges_of_a_graph_is_refused_with_the_reason():
    def forward(self, x):
        source, target = torch.tensor([0, 1, 2, 3]), torch.tensor([1, 2, 3, 1])
        scores = self.q(x[:, source])[..., 0].exp()
        total = torch.zeros(x.shape[:2]).index_add(1, target, scores)
        shares = scores / total[:, target]
        return torch.zeros_like(x).index_add(1, target, shares[..., None] * x[:, source])

    with pytest.raises(UnsupportedModelError, match="edges of a graph"):
        ll.capture(Made(forward, q=nn.Linear(D, 1)), torch.randn(B, T, D))
