"""Gates that cannot work say so, and none of them stays behind."""

from __future__ import annotations

import threading
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional

import limelight as ll
from limelight.errors import GateError

WIDE = 8


class Attention(nn.Module):
    def __init__(self, weigh):
        super().__init__()
        self.project, self.weigh = nn.Linear(WIDE, WIDE), weigh

    def forward(self, x):
        heads = self.project(x).unflatten(-1, (2, -1)).transpose(1, 2)
        return self.weigh(heads).transpose(1, 2).flatten(2)


def sdpa(x):
    return functional.scaled_dot_product_attention(x, x, x)


def by_hand(x):
    weights = (x @ x.mT).exp()
    return weights / weights.sum(-1, keepdim=True) @ x


def summed(x):
    weights = (x @ x.mT).softmax(-1)
    return (weights[..., None] * x[:, :, None]).sum(-2)


def thrown_away(x):
    return x + 0 * sdpa(x).detach().isnan().float()


def model_of(weigh=sdpa):
    return nn.Sequential(nn.Linear(WIDE, WIDE), Attention(weigh)).eval()


def hooks(model):
    return sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()
    )


@pytest.fixture
def x():
    return torch.randn(2, 4, WIDE)


def test_unknown_sites_and_heads_are_told_with_those_there_are(x):
    model = model_of()
    with pytest.raises(GateError, match=r"'2'.*: 1 \(2\)"), ll.gate(model, {("2", 0): 0.0}):
        model(x)
    with pytest.raises(GateError, match="head 2 of '1', which has 2"), \
            ll.gate(model, {("1", 2): 0.0}):  # fmt: skip
        model(x)
    with pytest.raises(GateError, match=r"shape \(3,\)"), ll.gate(model, {"1": torch.ones(3)}):
        model(x)
    assert hooks(model) == 0


@pytest.mark.parametrize(
    "gates", [{}, {("1", "a"): 0.0}, {1: 0.0}, {("1", 0): torch.ones(2, 2)}, 3, None]
)
def test_what_is_no_mapping_of_gates_is_refused_at_once(gates):
    with pytest.raises(GateError), ll.gate(model_of(), gates):
        raise AssertionError("must not come here")


def test_a_reference_needs_something_to_be_taken_from_it(x):
    with pytest.raises(GateError, match="nothing to take"), \
            ll.gate(model_of(), {("1", 0): 0.0}, reference=x):  # fmt: skip
        raise AssertionError("must not come here")
    with pytest.raises(GateError, match="'zero'"), \
            ll.gate(model_of(), {("1", 0): 0.0}, replace="zero"):  # fmt: skip
        raise AssertionError("must not come here")


def test_attention_by_hand_has_no_site_and_says_so(x):
    model = model_of(by_hand)
    with pytest.raises(GateError, match="none was seen"), ll.gate(model, {("1", 0): 0.0}):
        model(x)


def test_what_does_not_reach_the_output_is_found_by_the_self_test(x):
    model = model_of(thrown_away)
    with pytest.raises(GateError, match="did not reach"), ll.gate(model, {("1", 0): 0.0}):
        model(x)
    assert hooks(model) == 0


def test_weights_of_a_sum_are_scaled_but_not_replaced(x):
    model, same = model_of(summed), model_of()
    same.load_state_dict(model.state_dict())
    same[1].weigh = lambda x: (x @ x.mT).softmax(-1) @ x
    outputs = []
    for member in (model, same):
        with ll.gate(member, {("1", 1): 0.5}):
            outputs.append(member(x))
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-6)
    with pytest.raises(GateError, match="matrix product"), \
            ll.gate(model, {("1", 1): 0.5}, replace="mean"):  # fmt: skip
        model(x)


def test_gates_nothing_went_through_are_an_error(x):
    model = model_of()
    with pytest.raises(GateError, match="none of their calls was seen"), \
            ll.gate(model, {("1", 0): 0.0}):  # fmt: skip
        pass
    with ll.gate(model, {("1", 0): 0.0}):
        model(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # says that scripts are a thing of the past
        exported = torch.jit.trace(model, x, check_trace=False)
    with pytest.raises(GateError, match="earlier traced"), ll.gate(model, {("1", 0): 0.0}):
        exported(x)


def test_nothing_stays_behind_after_an_error(x):
    model, attention = model_of(), functional.scaled_dot_product_attention
    plain = model(x)

    def broken(module, args):
        raise RuntimeError("by the model")

    handle = model[1].project.register_forward_pre_hook(broken)
    with pytest.raises(RuntimeError, match="by the model"), ll.gate(model, {("1", 0): 0.0}):
        model(x)
    handle.remove()

    def interrupted():
        model(x)
        raise KeyboardInterrupt

    def broken_later():
        model(x)
        model[1].project.register_forward_pre_hook(broken)
        model(x)

    with pytest.raises(KeyboardInterrupt), ll.gate(model, {("1", 0): 0.0}):
        interrupted()
    with pytest.raises(RuntimeError, match="by the model"), ll.gate(model, {("1", 0): 0.0}):
        broken_later()
    model[1].project._forward_pre_hooks.clear()
    assert hooks(model) == 0
    assert functional.scaled_dot_product_attention is attention
    assert torch.overrides._get_current_function_mode() is None
    assert torch.equal(model(x), plain)


def test_the_model_goes_on_after_an_error_that_was_caught(x):
    model = model_of()
    with ll.gate(model, {("1", 0): 0.0}):
        wanted = model(x)
        with pytest.raises(RuntimeError):
            model(x[..., :3])
        assert torch.equal(model(x), wanted)


def test_trying_changes_neither_random_numbers_nor_buffers():
    def run(gates):
        torch.manual_seed(3)
        model = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.5), Attention(sdpa)).train()
        x = torch.randn(2, 4, WIDE)
        if not gates:
            return model(x), model[0].running_mean, model[0].num_batches_tracked
        with ll.gate(model, {("2", None): 1.0}):
            return model(x), model[0].running_mean, model[0].num_batches_tracked

    assert all(
        torch.equal(output, other) for output, other in zip(run(True), run(False), strict=True)
    )


def test_a_compiled_model_is_gated_and_afterwards_is_not(x):
    model = model_of()
    traced = []

    def backend(graph, inputs):
        traced.append(graph)
        return graph.forward

    compiled = torch.compile(model, backend=backend)
    plain = compiled(x)
    with ll.gate(model, {("1", 0): 0.0}):
        wanted = model(x)
    with ll.gate(compiled, {("1", 0): 0.0}):
        got = compiled(x)
    assert torch.equal(got, wanted)
    assert not torch.equal(got, plain)
    count = len(traced)
    assert torch.equal(compiled(x), plain)
    assert len(traced) == count


def test_another_thread_passes_ungated(x):
    model, outputs = model_of(), []
    plain = model(x)
    with ll.gate(model, {("1", 0): 0.0}):
        gated = model(x)
        thread = threading.Thread(target=lambda: outputs.append(model(x)))
        thread.start()
        thread.join()
    assert torch.equal(outputs[0], plain)
    assert not torch.equal(gated, plain)


def test_a_second_call_of_the_same_module_has_its_own_gate(x):
    layer = Attention(sdpa)

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return self.layer(self.layer(x))

    model = Twice().eval()
    with ll.gate(model, {("layer:1", 0): 0.0}):
        got = model(x)
        assert torch.equal(model(x), got)
    once = layer(x)
    with ll.gate(layer, {("attention", 0): 0.0}):
        assert torch.equal(layer(once), got)


def test_gates_hold_in_the_layers_that_recompute_themselves(x):
    class Recomputing(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = Attention(sdpa)

        def forward(self, x):
            return torch.utils.checkpoint.checkpoint(self.layer, x, use_reentrant=False)

    model, plain = Recomputing(), None
    for forward in (lambda: model.layer(x), lambda: model(x)):
        gates = torch.tensor([0.5, 1.0], requires_grad=True)
        with ll.gate(model, {"layer": gates}):
            forward().square().sum().backward()
        assert plain is None or torch.equal(gates.grad, plain)
        plain = gates.grad


def test_attention_is_captured_as_the_gates_leave_it(x):
    model = nn.Sequential(Attention(sdpa), Attention(sdpa)).eval()
    plain = ll.capture(model, x)
    with ll.gate(model, {("0", 0): 0.0}):
        model(x)
        gated = ll.capture(model, x)
    assert plain["0"]["weights"].equals(gated["0"]["weights"])
    assert not plain["1"]["weights"].equals(gated["1"]["weights"])


@pytest.mark.filterwarnings("ignore")  # torch deprecates what flex attention loads
def test_flex_attention_is_gated(x):
    from torch.nn.attention.flex_attention import flex_attention

    model, same = model_of(lambda x: flex_attention(x, x, x)), model_of()
    same.load_state_dict(model.state_dict())
    outputs = []
    for member in (model, same):
        with torch.no_grad(), ll.gate(member, {("1", 1): 0.25}):
            outputs.append(member(x))
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-6)
    with torch.no_grad():
        assert not torch.allclose(outputs[0], model(x))
