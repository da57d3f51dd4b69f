"""A model is the same after a capture: bit for bit, hook for hook."""

from __future__ import annotations

import random
import warnings
from collections import deque

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from written import B, D, Fused, H, Made, T, Written, only, sites, weights

import limelight as ll
from limelight.capture.adapter import adapter_for
from limelight.errors import ProbeError, UnsupportedModelError


@pytest.fixture
def x():
    return torch.randn(B, T, D)


def encoder():
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(D, H, 32, batch_first=True), 2)


class Careless(nn.Module):
    """Leaves traces wherever a module can."""

    def __init__(self):
        super().__init__()
        self.attn, self.norm = Written(), nn.BatchNorm1d(D)
        self.register_buffer("steps", torch.zeros(1))
        self.register_buffer("table", torch.zeros(T, T))
        self.history, self.cache, self.recent = [], {}, deque(maxlen=2)
        self.last = None

    def forward(self, x):
        self.steps += 1
        self.table = torch.ones(T, T)
        out = self.norm(self.attn(x).mT).mT
        self.last = out
        self.new = out
        self.history.append(out)
        self.recent.append(out)
        self.cache["x"] = out
        torch.rand(1), np.random.rand(), random.random()  # noqa: NPY002
        return out


def hooks(model):
    return sum(
        len(getattr(module, name))
        for module in model.modules()
        for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks",
                     "_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs",
                     "_forward_hooks_always_called")
    )  # fmt: skip


def snapshot(model):
    """Everything that could differ afterwards."""
    return {
        "state": {name: value.clone() for name, value in model.state_dict().items()},
        "training": [module.training for module in model.modules()],
        "grads": [None if p.grad is None else p.grad.clone() for p in model.parameters()],
        "wanted": [p.requires_grad for p in model.parameters()],
        "attributes": [list(module.__dict__) for module in model.modules()],
        "hooks": hooks(model),
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": [str(part) for part in np.random.get_state()],  # noqa: NPY002
        "patched": [functional.scaled_dot_product_attention, functional.softmax, torch.bmm],
    }


def same(before, after):
    assert before.keys() == after.keys()
    for name, value in before.items():
        tensors = isinstance(value, dict)
        pairs = zip(value.values(), after[name].values(), strict=True) if tensors else ()
        if name == "grads":
            pairs = zip(value, after[name], strict=True)
        if tensors or name == "grads":
            assert all(value is then or torch.equal(value, then) for value, then in pairs), name
        elif name == "torch":
            assert torch.equal(value, after[name])
        else:
            assert value == after[name], name


@pytest.mark.parametrize("made", [encoder, Written, Fused, Careless])
@pytest.mark.parametrize("training", [True, False])
def test_nothing_changes(made, training, x):
    model = made().train(training)
    first = next(iter(model.parameters()))
    first.requires_grad = False
    model(x).sum().backward()
    if isinstance(model, Careless):
        model.attn.eval()
    before = snapshot(model)
    ll.capture(model, x)
    same(before, snapshot(model))


@pytest.mark.parametrize("made", [encoder, Written, Fused])
def test_later_outputs_are_the_same_bit_for_bit(made, x):
    model = made()
    torch.manual_seed(1)
    wanted = model(x)
    ll.capture(model, x)
    torch.manual_seed(1)
    assert torch.equal(model(x), wanted)
    model.eval()
    with torch.no_grad():
        wanted = model(x)
        ll.capture(model, x)
        assert torch.equal(model(x), wanted)


def test_what_a_module_keeps_is_as_before(x):
    model = Careless()
    table = model.table
    ll.capture(model, x)
    assert model.table is table
    assert model.last is None
    assert not hasattr(model, "new")
    assert (model.history, model.cache, list(model.recent)) == ([], {}, [])
    assert not model.norm.num_batches_tracked


def test_no_trace_after_an_error(x):
    def failing(self, x):
        self.attn(x)
        raise ValueError("the model fails\nand says more")

    model = Made(failing, attn=Careless())
    before = snapshot(model)
    with pytest.raises(ProbeError, match="the model fails") as error:
        ll.capture(model, x)
    assert isinstance(error.value.__cause__, ValueError)
    same(before, snapshot(model))


def test_attention_is_taken_in_inference_mode(x):
    model = encoder()
    model.layers[0].eval()
    first, second = (only_weights(ll.capture(model, x)) for _ in range(2))
    for before, after in zip(first, second, strict=True):
        np.testing.assert_array_equal(before, after)
    assert (model.layers[0].training, model.layers[1].training) == (False, True)


def only_weights(tree):
    return [weights(site) for site in sites(tree).values()]


def test_inputs_are_not_changed(x):
    def forward(self, x):
        x *= 2
        return self.attn(x)

    copied = x.clone()
    ll.capture(Made(forward, attn=Written()), x)
    assert torch.equal(x, copied)


def test_inside_inference_mode(x):
    with torch.inference_mode():
        model = Careless()
        ll.capture(model, x)
        assert not model.steps


def test_gradients_flow_afterwards(x):
    model = encoder()
    with torch.enable_grad():
        ll.capture(model, x.requires_grad_())
        model(x).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


# ------------------------------------------------------------------------------- wrapped models


@pytest.fixture
def compilations():
    """How often torch.compile has compiled a function so far."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch's own imports complain about
        import torch._dynamo
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    return lambda: torch._dynamo.utils.counters["stats"]["unique_graphs"]


def test_a_compiled_model_is_not_compiled_anew(x, compilations):
    plain = encoder().eval()
    model = torch.compile(plain, backend="eager")
    with torch.no_grad():
        wanted = model(x)
        count = compilations()
        assert count
        tree = ll.capture(model, x)
        assert torch.equal(model(x), wanted)
    assert compilations() == count
    for site, captured in zip(
        sites(ll.capture(plain, x)).items(), sites(tree).items(), strict=True
    ):
        assert captured[0] == site[0]
        np.testing.assert_array_equal(weights(captured[1]), weights(site[1]))


def test_compiled_parts_are_not_compiled_anew(x, compilations):
    model = nn.Sequential(torch.compile(Written(), backend="eager"), Fused()).eval()
    model[1].compile(backend="eager")
    with torch.no_grad():
        wanted = model(x)
        count = compilations()
        assert count == 2
        assert list(sites(ll.capture(model, x))) == ["0", "1"]
        assert torch.equal(model(x), wanted)
    assert compilations() == count


def test_a_compiled_model_that_never_ran(x, compilations):
    model = torch.compile(Written(), backend="eager")
    assert list(sites(ll.capture(model, x))) == ["written"]
    assert compilations() == 0
    names = [list(adapter_for(model).named_parameters(model)) for model in (model, Written())]
    assert names[0] == names[1]


def test_names_are_the_same_inside_wrappers(x):
    model = nn.Sequential(Written())
    parallel = nn.DataParallel(nn.Sequential(Written()))
    assert list(sites(ll.capture(parallel, x))) == list(sites(ll.capture(model, x))) == ["0"]
    nested = Made(lambda self, x: self.module(x), module=Written())
    assert list(sites(ll.capture(nested, x))) == ["module"]  # a name somebody chose


def test_exported_programs(x):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch.export's own imports complain about
        program = torch.export.export(Written().eval(), (x,)).module()
    assert weights(only(ll.capture(program, x))).shape == (B, H, T, T)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_scripts_are_refused(x):
    script = torch.jit.script(nn.Linear(D, D))
    with pytest.raises(UnsupportedModelError, match="TorchScript"):
        ll.capture(script, x)
    with pytest.raises(UnsupportedModelError, match=r"'script'.*TorchScript"):
        ll.capture(Made(lambda self, x: self.script(x), script=script), x)
