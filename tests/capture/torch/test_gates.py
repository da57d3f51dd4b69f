"""Gates on heads: what they make of plain torch modules, and that nothing else changes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

import limelight as ll
from limelight.errors import GateError

HEADS, WIDE, SIZE = 2, 8, 4


class Sdpa(nn.Module):
    """Self-attention; its output is what ``out`` is given."""

    def __init__(self, groups=HEADS):
        super().__init__()
        self.groups = groups
        self.query, self.out = nn.Linear(WIDE, WIDE), nn.Linear(WIDE, WIDE)
        self.key, self.value = (nn.Linear(WIDE, groups * SIZE) for _ in range(2))

    def split(self, x):
        return x.unflatten(-1, (-1, SIZE)).transpose(1, 2)

    def weigh(self, q, k, v):
        return functional.scaled_dot_product_attention(q, k, v, enable_gqa=self.groups != HEADS)

    def forward(self, x):
        heads = self.weigh(*(self.split(part(x)) for part in (self.query, self.key, self.value)))
        return self.out(heads.transpose(1, 2).flatten(2))


class Einsum(Sdpa):
    def weigh(self, q, k, v):
        weights = torch.softmax(torch.einsum("bhqd,bhkd->bhqk", q, k), -1)
        return torch.einsum("bhqk,bhkd->bqhd", weights.to(v.dtype), v).transpose(1, 2)


class Merged(Sdpa):
    """Examples and heads share an axis, and the softmax is a module of its own."""

    num_heads = HEADS

    def __init__(self):
        super().__init__()
        self.softmax, self.dropout = nn.Softmax(-1), nn.Dropout(0.5)

    def weigh(self, q, k, v):
        q, k, v = (part.flatten(0, 1) for part in (q, k, v))
        weights = self.dropout(self.softmax(q @ k.mT))
        return torch.bmm(weights, v).unflatten(0, (-1, HEADS))


class Viewed(Sdpa):
    def weigh(self, q, k, v):
        weights = functional.softmax(q @ k.transpose(-1, -2), dim=-1, dtype=torch.float32)
        flat = weights.masked_fill(weights < 0, 0.0).view(-1, *weights.shape[-2:])
        return (flat @ v.reshape(-1, *v.shape[-2:])).view(q.shape)


class Flipped(Sdpa):
    def weigh(self, q, k, v):
        return (v.transpose(-1, -2) @ (q @ k.mT).softmax(-1).transpose(2, 3)).transpose(-1, -2)


MODELS = {
    "sdpa": Sdpa, "grouped": lambda: Sdpa(1), "einsum": Einsum, "merged": Merged,
    "viewed": Viewed, "flipped": Flipped,
}  # fmt: skip


def model_of(kind):
    return nn.Sequential(nn.Linear(WIDE, WIDE), MODELS[kind](), nn.Tanh()).eval()


SITE = "1"


@pytest.fixture
def x():
    return torch.randn(3, 5, WIDE)


def altered(model, projection, change, *inputs, **options):
    """Run a model while ``change`` edits [example, query, head, feature] before a projection."""

    def hook(module, args):
        heads = args[0].unflatten(-1, (HEADS, -1))
        return (change(heads).flatten(-2), *args[1:])

    handle = projection.register_forward_pre_hook(hook)
    try:
        return model(*inputs, **options)
    finally:
        handle.remove()


def without(head):
    def change(heads):
        heads = heads.clone()
        heads[..., head, :] = 0
        return heads

    return change


@pytest.mark.parametrize("kind", MODELS)
def test_zero_is_the_same_as_zeroing_what_the_output_projection_gets(kind, x):
    model = model_of(kind)
    plain = model(x)
    wanted = altered(model, model[1].out, without(1), x)
    with ll.gate(model, {(SITE, 1): 0.0}):
        got = model(x)
    assert torch.equal(got, wanted)
    assert not torch.equal(got, plain)
    assert torch.equal(model(x), plain)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("replace", [None, "mean", "sample"])
def test_one_leaves_every_bit_as_it_was(kind, replace, x):
    model = model_of(kind)
    with ll.gate(model, {(SITE, None): 1.0}, replace=replace):
        assert torch.equal(model(x), model(x))
        gated = model(x)
    assert torch.equal(gated, model(x))


@pytest.mark.parametrize("kind", ["sdpa", "einsum", "merged", "flipped"])
def test_other_is_the_mean_or_another_example(kind, x):
    model = model_of(kind)

    def mean(heads):
        other = heads.mean((0, 1), keepdim=True)
        return heads + (torch.tensor([0.0, 0.75])[:, None] * (other - heads))

    def sample(heads):
        other = heads[[1, 2, 0]]
        return heads + (torch.tensor([0.0, 0.75])[:, None] * (other - heads))

    for replace, change in (("mean", mean), ("sample", sample)):
        wanted = altered(model, model[1].out, change, x)
        with ll.gate(model, {(SITE, 1): 0.25}, replace=replace):
            torch.testing.assert_close(model(x), wanted, rtol=0, atol=1e-6)


def test_other_is_taken_from_a_reference(x):
    model, reference = model_of("sdpa"), torch.randn(2, 5, WIDE)
    seen = []
    altered(model, model[1].out, lambda heads: seen.append(heads) or heads, reference)

    def from_reference(other):
        def change(heads):
            heads = heads.clone()
            heads[..., 0, :] = other[..., 0, :]
            return heads

        return change

    for replace, other in (("mean", seen[0].mean((0, 1))), ("sample", seen[0][[0, 1, 0]])):
        wanted = altered(model, model[1].out, from_reference(other), x)
        with ll.gate(model, {(SITE, 0): 0.0}, replace=replace, reference=reference.numpy()):
            torch.testing.assert_close(model(x), wanted, rtol=0, atol=1e-6)
    with ll.gate(model, {(SITE, 0): 0.0}, replace="sample", reference=reference[:, :4]), \
            pytest.raises(GateError, match="4 positions for 5"):  # fmt: skip
        model(x)
    with ll.gate(model, {(SITE, 0): 0.0}, replace="sample"), \
            pytest.raises(GateError, match="one example"):  # fmt: skip
        model(x[:1])


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_multi_head_attention_of_torch_and_the_weights_it_returns(need_weights, batch_first, x):
    model = nn.MultiheadAttention(WIDE, HEADS, batch_first=batch_first).eval()
    inputs = (x, x, x) if batch_first else (x.transpose(0, 1),) * 3
    plain, weights = model(*inputs, need_weights=need_weights)
    with torch.no_grad():
        weight = model.out_proj.weight.clone()
        model.out_proj.weight[:, SIZE:] = 0
        wanted, _ = model(*inputs, need_weights=need_weights)
        model.out_proj.weight.copy_(weight)
    with ll.gate(model, {("multiheadattention", 1): 0.0}):
        got, gated_weights = model(*inputs, need_weights=need_weights)
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-6)
    assert not torch.equal(got, plain)
    if need_weights:
        assert torch.equal(weights, gated_weights)


def test_a_dropped_weight_stays_dropped_in_training():
    model = nn.MultiheadAttention(WIDE, HEADS, dropout=0.5, batch_first=True)
    x = torch.randn(2, 5, WIDE)
    for need in (False, True):
        torch.manual_seed(1)
        plain, _ = model(x, x, x, need_weights=need)
        torch.manual_seed(1)
        with ll.gate(model, {("multiheadattention", None): 1.0}):
            gated, _ = model(x, x, x, need_weights=need)
        assert torch.equal(plain, gated)
        with ll.gate(model, {("multiheadattention", None): 0.0}):
            silent, _ = model(x, x, x, need_weights=need)
        assert torch.equal(silent, model.out_proj.bias.expand_as(silent))


def test_encoders_take_no_short_cut_around_the_gates(x):
    layer = nn.TransformerEncoderLayer(WIDE, HEADS, 16, batch_first=True)
    model = nn.TransformerEncoder(layer, 2).eval()
    padded = torch.zeros(3, 5, dtype=torch.bool)
    padded[0, 3:] = True
    before = torch.backends.mha.get_fastpath_enabled()
    with torch.no_grad(), ll.gate(model, {("layers/1/self_attn", 0): 0.0}):
        got = model(x, src_key_padding_mask=padded)
    assert torch.backends.mha.get_fastpath_enabled() == before
    with torch.no_grad():
        model.layers[1].self_attn.out_proj.weight[:, :SIZE] = 0
    wanted = model(x, src_key_padding_mask=padded)
    torch.testing.assert_close(got[~padded], wanted[~padded], rtol=0, atol=1e-5)


def test_cross_attention_of_a_decoder(x):
    layer = nn.TransformerDecoderLayer(WIDE, HEADS, 16, batch_first=True)
    model = nn.TransformerDecoder(layer, 2).eval()
    memory = torch.randn(3, 7, WIDE)
    with ll.gate(model, {("layers/0/multihead_attn", 1): 0.0}):
        got = model(x, memory)
    with torch.no_grad():
        model.layers[0].multihead_attn.out_proj.weight[:, SIZE:] = 0
    torch.testing.assert_close(got, model(x, memory), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["sdpa", "einsum", "merged"])
@pytest.mark.parametrize("replace", [None, "mean", "sample"])
def test_gradients_reach_the_gates(kind, replace):
    model = model_of(kind).double()
    x = torch.randn(2, 3, WIDE, dtype=torch.float64)
    gates = torch.rand(2, HEADS, dtype=torch.float64, requires_grad=True)

    def forward(gates):
        with ll.gate(model, {SITE: gates}, replace=replace):
            return model(x)

    assert torch.autograd.gradcheck(forward, (gates,))


def test_each_example_has_its_own_gate(x):
    model = model_of("merged")
    gates = torch.tensor([0.0, 0.5, 1.0])
    with ll.gate(model, {(SITE, 1): gates}):
        together = model(x)
    for row, gate in enumerate(gates):
        with ll.gate(model, {(SITE, 1): float(gate)}):
            alone = model(x)[row]
        torch.testing.assert_close(together[row], alone, rtol=0, atol=1e-6)
    with ll.gate(model, {(SITE, 1): gates[:2]}), pytest.raises(GateError, match="2 examples"):
        model(x)


def test_heads_by_number_by_range_and_by_table_are_the_same(x):
    model = model_of("sdpa")
    forms = [
        {(SITE, 0): 0.5, (SITE, 1): torch.tensor(0.25)},
        {(SITE, range(2)): 0.5, (SITE, (1,)): 0.25},
        {(SITE, None): 0.5, (SITE, 1): 0.25},
        {SITE: torch.tensor([0.5, 0.25])},
        {SITE: torch.tensor([[0.5, 0.25]] * 3)},
    ]
    outputs = []
    for gates in forms:
        with ll.gate(model, gates):
            outputs.append(model(x))
    assert all(torch.equal(output, outputs[0]) for output in outputs)


class Planted(nn.Module):
    """Two heads of one key: A gives the logit 1, B's output is weighed with nothing."""

    def forward(self, x):
        ones = torch.ones(len(x), 2, 1, 1, dtype=x.dtype)
        heads = functional.scaled_dot_product_attention(ones, ones, x[:, :, None, None])
        return heads.flatten(1) @ torch.tensor([1.0, 0.0], dtype=x.dtype)


def test_a_head_nothing_weighs_changes_nothing_and_the_other_exactly_what_it_should():
    model, x = Planted(), torch.ones(4, 2)
    with ll.gate(model, {("planted", 1): 0.0}):
        assert torch.equal(model(x), torch.ones(4))
    gates = torch.ones(2, requires_grad=True)
    with ll.gate(model, {"planted": gates}):
        functional.softplus(-model(x)).mean().backward()
    importance = gates.grad.abs()
    assert importance[1] == 0
    assert importance[0].item() == pytest.approx(1 / (1 + math.e), abs=1e-6)


def test_autocast_keeps_its_precision(x):
    model = model_of("sdpa")
    gates = torch.full((HEADS,), 0.5, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16), ll.gate(model, {SITE: gates}):
        out = model(x)
        out.float().sum().backward()
    assert out.dtype == torch.bfloat16
    assert gates.grad.abs().min() > 0


def test_gates_are_read_anew_at_each_step(x):
    model = model_of("sdpa")
    gates = torch.ones(HEADS, requires_grad=True)
    outputs = []
    with ll.gate(model, {SITE: gates}):
        for _ in range(3):
            out = model(x)
            out.square().sum().backward()
            with torch.no_grad():
                gates -= 0.1 * gates.grad.sign()
            outputs.append(out.detach())
    assert not torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[1], outputs[2])
