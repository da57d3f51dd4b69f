"""One softmax over scores of several products: its whole map is shown, its queries as queries."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import limelight as ll


class Blocks(nn.Module):
    """Words look at a few shared memories, and at the words of their own block."""

    def __init__(self, blocks, memories, learned):
        super().__init__()
        self.blocks, self.memories = blocks, memories
        self.query, self.key, self.value = (nn.Linear(8, 8) for _ in range(3))
        self.memory = nn.Parameter(torch.randn(memories, 8)) if learned else None
        self.position = nn.Parameter(torch.randn(16, 8))
        self.weights = None

    def split(self, x):
        return x.view(len(x), self.blocks, -1, 2, 4).permute(0, 3, 1, 2, 4)

    def forward(self, x, beside):
        memory = beside if self.memory is None else self.memory.expand(len(x), -1, -1)
        far = [
            part(memory).view(len(x), -1, 2, 4).transpose(1, 2) for part in (self.key, self.value)
        ]
        x = x + self.position[: x.shape[1]]
        query, key, value = (self.split(part(x)) for part in (self.query, self.key, self.value))
        scores = torch.cat((torch.einsum("bhnkf,bhgf->bhnkg", query, far[0]),
                            torch.einsum("bhnkf,bhnxf->bhnkx", query, key)), dim=-1)  # fmt: skip
        self.weights = scores.softmax(-1)
        here, there = self.weights[..., self.memories :], self.weights[..., : self.memories]
        return torch.einsum("bhnkg,bhgf->bhnkf", there, far[1]) + torch.einsum(
            "bhnkx,bhnxf->bhnkf", here, value
        )


@pytest.mark.parametrize(("blocks", "learned"), [(1, True), (1, False), (2, True), (2, False)])
def test_keys_of_two_products_are_one_map(blocks, learned):
    model = Blocks(blocks, 2, learned)
    x, beside = torch.randn(3, 4 * blocks, 8), torch.randn(3, 2, 8)
    site = ll.capture(model, (x, beside))["blocks"]
    with torch.no_grad():
        model(x, beside)
    wanted = model.weights.reshape(3, 2 * blocks, 4, 6)
    np.testing.assert_allclose(site["weights"], wanted, atol=1e-6)
    assert not site.attrs.get("reading")
    assert site.attrs["kind"] == "cross"


class Merged(nn.Module):
    """Looks at itself and a memory at once, and hands out the two parts of its weights."""

    def __init__(self, before):
        super().__init__()
        self.before = before

    def forward(self, x, memory):
        keys = torch.cat((x, memory), 1)
        weights = (x @ keys.transpose(1, 2)).softmax(-1)
        parts = (weights[..., : x.shape[1]], weights[..., x.shape[1] :]) if self.before else ()
        out = weights @ keys
        return out, parts or (weights[..., : x.shape[1]], weights[..., x.shape[1] :])


@pytest.mark.parametrize("before", [False, True])
def test_parts_that_are_only_handed_out_do_not_cut_the_map(before):
    tree = ll.capture(Merged(before), (torch.randn(3, 4, 8), torch.randn(3, 6, 8)))
    assert tree["merged"]["weights"].shape == (3, 1, 4, 10)


class Stuffed(nn.Module):
    """Repeats and regroups a part that may be empty."""

    def forward(self, x):
        none = x[:, :0]
        more = torch.cat(
            (none.repeat_interleave(2, dim=1), none.view(len(x), -1, 2, 4).flatten(2), x), 1
        )
        return (more @ x.transpose(1, 2)).softmax(-1) @ x


def test_parts_without_a_position_are_followed():
    assert ll.capture(Stuffed(), torch.randn(3, 5, 8))["stuffed"]["weights"].shape == (3, 1, 5, 5)
