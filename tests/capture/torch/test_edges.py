"""Cuts and weights in the graph of torch models, where kernels do not decide."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

import limelight as ll
from limelight.capture import sweep
from limelight.errors import GateError, LimelightWarning
from limelight.rule import Rule

CAUSAL = np.tri(5, dtype=bool)


class Attending(torch.nn.Module):
    def __init__(self, attend, width=8):
        super().__init__()
        self.q, self.k, self.v, self.o = (torch.nn.Linear(width, width) for _ in range(4))
        self.attend = attend

    def forward(self, x, **options):
        parts = (f(x).unflatten(-1, (2, -1)).transpose(1, 2) for f in (self.q, self.k, self.v))
        return self.o(self.attend(*parts, **options).transpose(1, 2).flatten(2))


def fused(q, k, v, **options):
    return functional.scaled_dot_product_attention(q, k, v, **options)


def written(q, k, v):
    return (q @ k.mT / 2).softmax(-1) @ v


def logarithm(q, k, v):
    return (q @ k.mT / 2).log_softmax(-1).exp() @ v


@pytest.fixture
def x():
    return torch.randn(3, 5, 8)


@pytest.mark.parametrize("attend", [fused, written, logarithm])
@pytest.mark.parametrize(
    "allowed",
    [CAUSAL, Rule.causal(5, 5), lambda query, key: key <= query, torch.tensor(CAUSAL)],
    ids=["array", "rule", "function", "tensor"],
)
def test_every_way_to_say_it_is_the_kernels_own_mask(attend, allowed, x):
    model = Attending(attend)
    other = Attending(lambda q, k, v: fused(q, k, v, is_causal=True))
    other.load_state_dict(model.state_dict())
    with ll.cut(model, allowed):
        torch.testing.assert_close(model(x), other(x), rtol=0, atol=1e-5)


def test_a_function_that_takes_no_arrays_is_asked_for_each_cell(x):
    model = Attending(written)
    with ll.cut(model, lambda query, key: key == 0 or key == query):
        weights = ll.capture(model, x)["attending"]["weights"].values
    assert not weights[..., 3, [1, 2, 4]].any()
    assert weights[..., 3, [0, 3]].all()


def test_heads_and_examples_may_differ(x):
    model = Attending(fused)
    allowed = np.ones((3, 2, 5, 5), bool)
    allowed[1, 0, :, 2:] = False
    before = ll.capture(model, x)["attending"]["weights"].values
    with ll.cut(model, allowed):
        weights = ll.capture(model, x)["attending"]["weights"].values
    assert not weights[1, 0, :, 2:].any()
    np.testing.assert_array_equal(weights[0], before[0])
    np.testing.assert_array_equal(weights[1, 1], before[1, 1])


@pytest.mark.parametrize("attend", [fused, written])
def test_rows_that_lose_all_are_zeros_and_said_and_have_gradients(attend, x):
    model = Attending(attend)
    allowed = CAUSAL.copy()
    allowed[2] = False
    with ll.cut(model, allowed):
        with pytest.warns(LimelightWarning, match="6 rows of 'attending' no key"):
            out = model(x)
        weights = ll.capture(model, x)["attending"]["weights"].values
    torch.testing.assert_close(out[:, 2], model.o.bias.expand(3, -1))
    assert not weights[:, :, 2].any()
    out.sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters())


def test_padding_that_attends_to_nothing_stays_as_it_is(x):
    mask = torch.ones(3, 1, 5, 5).bool()
    mask[1, :, 3:] = False
    model = Attending(fused)
    plain = model(x, attn_mask=mask)
    with ll.cut(model, np.eye(5, dtype=bool)):
        cut = model(x, attn_mask=mask)
    torch.testing.assert_close(cut[1, 3:], plain[1, 3:])
    assert not torch.equal(cut[1, :3], plain[1, :3])


def test_dropout_of_a_fused_kernel_stays(x):
    model = Attending(lambda q, k, v: fused(q, k, v, dropout_p=0.5))
    with ll.cut(model, CAUSAL):
        assert not torch.equal(model(x), model(x))


@pytest.mark.parametrize("autocast", [False, True])
def test_half_precision(autocast, x):
    model = Attending(fused)
    if not autocast:
        model, x = model.bfloat16(), x.bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        with ll.cut(model, CAUSAL):
            cut = model(x)
        wanted = model(x, is_causal=True)
        with ll.attended(model) as weights:
            model(x)
    torch.testing.assert_close(cut, wanted, rtol=0, atol=2e-2)
    assert weights["attending"].dtype == torch.float32
    if not autocast:
        captured = torch.from_numpy(ll.capture(model, x)["attending"]["weights"].values)
        torch.testing.assert_close(weights["attending"], captured, rtol=0, atol=1e-6)


def test_a_decoder_that_asks_query_by_query_is_cut_by_its_steps(x):
    class Decoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = torch.nn.GRUCell(8, 8)

        def forward(self, memory):
            state, out = memory[:, 0], []
            for _ in range(4):
                weights = (memory @ state[:, :, None])[..., 0].softmax(-1)
                state = self.cell((weights[:, None] @ memory)[:, 0], state)
                out.append(state)
            return torch.stack(out, 1)

    model = Decoder()
    with ll.cut(model, lambda query, key: key > query):
        model(x)
        weights = ll.capture(model, x)["decoder"]["weights"].values[:, 0]
        with ll.attended(model) as graph:
            model(x)
    assert weights.shape == (3, 4, 5)
    np.testing.assert_array_equal(
        weights > 0, np.broadcast_to(~np.tri(4, 5, dtype=bool), (3, 4, 5))
    )
    np.testing.assert_allclose(graph["decoder"][:, 0].detach().numpy(), weights, atol=1e-6)


def test_a_loss_on_weights_trains_and_the_output_stays_to_the_bit(x):
    model = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.3)
    state = torch.get_rng_state()
    plain = model(x)
    torch.set_rng_state(state)
    with ll.attended(model) as weights:
        out = model(x)
    assert torch.equal(out, plain)
    weights["self_attn"][..., 0].mean().backward()
    assert bool(model.self_attn.in_proj_weight.grad.any())
    assert model.linear1.weight.grad is None


def test_weights_that_are_renormalised_are_those_that_meet_the_values(x):
    def attend(q, k, v):
        weights = (q @ k.mT / 2).softmax(-1) * torch.tensor(CAUSAL)
        return weights / weights.sum(-1, keepdim=True) @ v

    model = Attending(attend)
    captured = ll.capture(model, x, gradients=lambda out: out.square().sum((1, 2)))["attending"]
    with ll.attended(model) as weights:
        model(x)
    np.testing.assert_allclose(weights["attending"].detach(), captured["weights"], atol=1e-6)
    with ll.gate(model, {("attending", None): 1.01}):
        more = model(x).square().sum((1, 2))
    with ll.gate(model, {("attending", None): 0.99}):
        slope = (more - model(x).square().sum((1, 2))).detach() / 0.02
    summed = (captured["weights"] * captured["gradients"]).sum(("head", "query", "key"))
    np.testing.assert_allclose(summed, slope, rtol=1e-2)


def test_bad_input_is_said(x):
    model = Attending(fused)
    for allowed in (np.ones((4, 4), bool), np.ones((3, 5, 5), bool)):
        with (
            pytest.raises(GateError, match="2 heads, 5 queries and 5 keys"),
            ll.cut(model, allowed),
        ):
            model(x)
    for allowed in (np.ones(5, bool), np.full((5, 5), 2), "causal", None):
        with pytest.raises(GateError, match="Got allowed="), ll.cut(model, allowed):
            pass
    with pytest.raises(GateError, match="is no attention site"), ll.cut(model, CAUSAL, sites="x"):
        model(x)
    with pytest.raises(GateError, match=r"limelight\.cut was set up"), ll.cut(model, CAUSAL):
        pass
    with ll.attended(model) as weights:
        model(x)
        with pytest.raises(GateError, match="There are weights of 'attending'"):
            weights["elsewhere"]
    with pytest.raises(GateError, match="depends on no attention weight"):
        ll.capture(model, x, gradients=lambda out: torch.ones(3))
    with pytest.raises(GateError, match="for 3 examples"):
        ll.capture(model, x, gradients=lambda out: out)


def test_a_cache_is_refused_where_positions_are_functions():
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, intermediate_size=24,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config).eval()
    ids = torch.randint(0, 40, (1, 5))
    with (
        pytest.raises(GateError, match="some from a cache"),
        ll.cut(model, lambda query, key: query - key < 2),
    ):
        model.generate(ids, max_new_tokens=3, do_sample=False, pad_token_id=0)


@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_gates_meet_cuts_in_any_order_and_sweeps_do_not(kernel):
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=24, attn_implementation=kernel,
    )  # fmt: skip
    model, ids = transformers.BertModel(config).eval(), torch.randint(0, 40, (2, 5))
    gates = [{(f"encoder/layer/{layer}/attention/self", 0): 0.0} for layer in range(2)]
    with torch.no_grad():
        with ll.cut(model, CAUSAL):
            model(ids)
            with pytest.raises(GateError, match="Got a sweep inside"):
                sweep(model, ids, gates)
        for gate in gates:
            with ll.cut(model, CAUSAL), ll.gate(model, gate):
                inside = model(ids).last_hidden_state
            with ll.gate(model, gate), ll.cut(model, CAUSAL):
                outside = model(ids).last_hidden_state
            torch.testing.assert_close(inside, outside)


def test_gates_cuts_and_captures_meet(x):
    model = Attending(fused)
    with ll.gate(model, {("attending", 0): 0.0}):
        assert [leaf.path for leaf in ll.capture(model, x).leaves] == ["/attending"]
        with ll.cut(model, CAUSAL):
            both = model(x)
    with ll.cut(model, CAUSAL), ll.gate(model, {("attending", 0): 0.0}):
        torch.testing.assert_close(model(x), both)
    with ll.cut(model, CAUSAL):
        model(x)
        even = ll.gate(model, {("attending", 0): 0.0}, replace="uniform")
        with pytest.raises(GateError, match=r"inside limelight\.cut"), even:
            model(x)
