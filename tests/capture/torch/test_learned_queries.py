"""Learned positions that attend to one another are a site, the same map for each example."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parent))  # the tests here import written.py

from written import D, H, Made, T, close, heads, kinds, sites, softmax

import limelight as ll
from limelight.errors import UnsupportedModelError

B, SLOTS = 2, 4


def attended(q, k, v):
    return (q @ k.transpose(-1, -2)).softmax(-1) @ v


def flat(self, x):
    """No axis of examples, no heads."""
    slots = attended(self.q(self.slots), self.k(self.slots), self.v(self.slots))
    return slots.expand(len(x), -1, -1)


def by_heads(self, x):
    slots = self.slots.expand(1, -1, -1)
    q, k, v = (heads(part(slots)) for part in (self.q, self.k, self.v))
    return attended(q, k, v).transpose(1, 2).reshape(1, SLOTS, D).repeat(len(x), 1, 1)


def for_each_example(self, x):
    """Repeated before it attends; positions are added to queries and keys only."""
    values = torch.zeros_like(self.slots).repeat(len(x), 1, 1)
    slots = values + self.slots
    q, k, v = (heads(part(y)) for part, y in ((self.q, slots), (self.k, slots), (self.v, values)))
    return attended(q, k, v).transpose(1, 2).flatten(2)


def as_many_heads_as_examples(self, x):
    q, k, v = (part(self.slots).view(SLOTS, B, -1).transpose(0, 1) for part in
               (self.q, self.k, self.v))  # fmt: skip
    slots = attended(q, k, v).transpose(0, 1).flatten(1)
    return slots.expand(len(x), -1, -1)


def weighed_and_summed(self, x):
    shares = (self.q(self.slots) @ self.k(self.slots).T).softmax(-1)
    return (shares[..., None] * self.v(self.slots)).sum(1).expand(len(x), -1, -1)


WAYS = {
    "flat": (flat, 1), "by heads": (by_heads, H), "for each example": (for_each_example, H),
    "as many heads as examples": (as_many_heads_as_examples, B),
    "weighed and summed": (weighed_and_summed, 1),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_slots_attend_to_one_another_and_then_to_what_came_in(way):
    function, count = WAYS[way]

    def forward(self, x):
        return attended(function(self, x), self.k(x), self.v(x))

    parts = {name: nn.Linear(D, D) for name in ("q", "k", "v")}
    model = Made(forward, slots=nn.Parameter(torch.randn(SLOTS, D)), **parts)
    captured = sites(ll.capture(model, torch.randn(B, T, D)))
    assert list(captured) == ["made", "made:1"]
    assert captured["made"].attrs["kind"] == "self"
    with torch.no_grad():
        q, k = (p(model.slots).view(SLOTS, count, -1).transpose(0, 1) for p in (model.q, model.k))
    wanted = softmax((q @ k.transpose(-1, -2)).numpy())
    close(captured["made"], np.broadcast_to(wanted, (B, count, SLOTS, SLOTS)))


def test_slots_that_only_name_what_came_in_are_no_site():
    model = Made(
        lambda self, x: attended(x, self.slots, self.slots),
        slots=nn.Parameter(torch.randn(SLOTS, D)),
    )
    with pytest.raises(UnsupportedModelError, match="outputs of a linear layer"):
        ll.capture(model, torch.randn(B, T, D))


def torchs_own(self, x):
    slots = self.slots.expand(len(x), -1, -1)
    slots = self.first(slots, slots, slots, average_attn_weights=False)[0]
    return self.second(slots, x, x)[0]


def test_torchs_own_attention_with_weights_asked_for():
    first, second = (nn.MultiheadAttention(D, H, batch_first=True) for _ in range(2))
    model = Made(torchs_own, slots=nn.Parameter(torch.randn(SLOTS, D)), first=first, second=second)
    captured = ll.capture(model, torch.randn(B, T, D))
    assert kinds(captured) == {"first": "self", "second": "cross"}


# --------------------------------------------------------------------------- names of classes

NAMES = (
    "MambaMixer", "RwkvSelfAttention", "LinearAttention", "NonLinearAttention", "FastAttention",
    "PerformerAttention", "LSHSelfAttention", "LocalSelfAttention", "LongformerSelfAttention",
    "NystromformerSelfAttention", "LinformerAttention", "FNetBasicFourierTransform", "MoERouter",
    "Classifier", "RetentionLayer", "GatedDeltaNet",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_what_was_seen_counts_whatever_a_class_is_called(name):
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.k = nn.Linear(D, D)

        def forward(self, x):
            return functional.softmax(self.k(x) @ x.transpose(1, 2), -1) @ x

    named = type(name, (Plain,), {})
    x = torch.randn(B, T, D)
    captured = sites(ll.capture(nn.Sequential(Plain(), named()), x))
    assert list(captured) == ["0", "1"]
    assert captured["1"].attrs["module_class"] == name


def test_every_class_of_a_model_may_bear_another_name():
    from architectures import BY_NAME

    for architecture in (BY_NAME["bert"], BY_NAME["t5"]):
        model, inputs = architecture.build("eager"), architecture.inputs()
        plain = sites(ll.capture(model, inputs))
        for number, module in enumerate(model.modules()):
            if type(module).__module__.startswith("transformers"):
                module.__class__ = type(f"Part{number}", (type(module),), {})
        renamed = sites(ll.capture(model, inputs))
        assert list(renamed) == list(plain)
        for path, site in plain.items():
            np.testing.assert_array_equal(renamed[path]["weights"], site["weights"])
            assert renamed[path].attrs["kind"] == site.attrs["kind"]
