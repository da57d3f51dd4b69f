"""Only some examples of a forward pass are kept, and they are as they would have been."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from written import close

import limelight as ll
from limelight.errors import ProbeError
from limelight.factors import Factors, factors_of


class Mixed(torch.nn.Module):
    """Padded attention of vectors, a relative bias, and a softmax of its own."""

    def __init__(self):
        super().__init__()
        self.attention = torch.nn.MultiheadAttention(16, 4, batch_first=True)
        self.score = torch.nn.Linear(16, 8)

    def forward(self, x, padded):
        y, _ = self.attention(x, x, x, key_padding_mask=padded, need_weights=False)
        bias = torch.arange(x.shape[1])[:, None] * 0.1 + torch.arange(x.shape[1]) * 0.2
        scored = self.score(y)[:, None]
        z = torch.nn.functional.scaled_dot_product_attention(scored, scored, scored, bias)[:, 0]
        return torch.softmax(z @ self.score(y).transpose(1, 2), -1) @ y


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Mixed().eval()


@pytest.fixture
def inputs():
    padded = torch.zeros(6, 60, dtype=torch.bool)
    padded[2, 30:] = True
    padded[4, 5:] = True
    return torch.randn(6, 60, 16, generator=torch.Generator().manual_seed(1)), padded


@pytest.mark.parametrize(
    ("examples", "rows"),
    [(slice(2), [0, 1]), ([4, 2, -1], [4, 2, 5]), (slice(1, None, 2), [1, 3, 5])],
)
def test_they_are_as_among_all(model, inputs, examples, rows):
    tokens = [[f"{row}-{position}" for position in range(60)] for row in range(6)]
    every = ll.capture(model, inputs, tokens=tokens)
    part = ll.capture(model, inputs, tokens=tokens, examples=examples)
    assert [node.path for node in every.leaves] == [node.path for node in part.leaves]
    assert len(every.leaves) == 3
    for node in every.leaves:
        expected = node.to_dataset().isel(example=rows).load()
        site = part[node.path].to_dataset().load()
        close(site, expected["weights"].values)
        xr.testing.assert_equal(site.drop_vars("weights"), expected.drop_vars("weights"))


def test_no_more_than_them_is_copied(model, inputs):
    site = ll.capture(model, inputs, examples=[4])["attention"]
    factors = factors_of(site["weights"])
    assert factors is not None
    assert factors.query.shape[0] == factors.key.shape[0] == 1


@pytest.mark.parametrize("examples", [[6], [], slice(9, None)])
def test_there_must_be_such_examples(model, inputs, examples):
    with pytest.raises(ProbeError, match=r"inputs of 6.*numbered 0 to 5"):
        ll.capture(model, inputs, examples=examples)


def test_capturing_and_stacking_compute_no_map(inputs, monkeypatch):
    """Weights of vectors are computed when somebody looks at them, and not before."""
    layers = [torch.nn.TransformerEncoderLayer(16, 4, 32, batch_first=True) for _ in range(2)]
    model = torch.nn.Sequential(*layers).eval()
    looked = []
    weights = Factors.weights
    monkeypatch.setattr(Factors, "weights", lambda *given: looked.append(1) or weights(*given))
    stacked = ll.stack(ll.capture(model, inputs[0]))
    assert not looked
    assert "weights" in repr(stacked)
    assert not looked
    part = stacked["weights"].isel(example=1, layer=1, head=3)
    np.testing.assert_allclose(part.sum("key"), 1, atol=1e-5)
    assert len(looked) == 1
    assert dict(stacked.sizes) == {"example": 6, "layer": 2, "head": 4, "query": 60, "key": 60}
