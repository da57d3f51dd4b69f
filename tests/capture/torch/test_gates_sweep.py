"""A sweep gives what one gated forward after another gives, and runs less of the model."""

from __future__ import annotations

import pytest
import torch
import transformers
from torch import nn

import limelight as ll
from limelight.capture import sweep
from limelight.errors import GateError

SITES = [f"layers/{layer}/self_attn" for layer in range(3)]
EVERY = [{(site, head): 0.0} for site in SITES for head in range(2)]


@pytest.fixture
def model():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)


@pytest.fixture
def x():
    return torch.randn(2, 4, 8)


def one_by_one(model, x, gatings):
    outputs = []
    training = model.training
    model.eval()
    for gates in gatings:
        with torch.no_grad(), ll.gate(model, gates):
            outputs.append(model(x))
    model.train(training)
    return outputs


def test_every_bit_is_that_of_separate_runs(model, x):
    gatings = [*EVERY[::-1], {(SITES[1], 0): 0.5, (SITES[2], None): 0.0}, {(SITES[0], 0): 1.0}]
    outputs = sweep(model, x, gatings, batched=False)
    for output, wanted in zip(outputs, one_by_one(model, x, gatings), strict=True):
        assert torch.equal(output, wanted)
    assert model.training
    assert all("forward" not in vars(module) for module in model.modules())


@pytest.mark.parametrize("batched", [True, "auto"])
def test_in_batches_it_differs_by_rounding_only(model, x, batched):
    gatings = [*EVERY, {(SITES[1], 1): torch.tensor([0.0, 0.5])}]
    outputs = sweep(model, x, gatings, batched=batched)
    for output, wanted in zip(outputs, one_by_one(model, x, gatings), strict=True):
        torch.testing.assert_close(output, wanted, rtol=0, atol=1e-6)


def test_what_comes_before_the_gate_is_not_run_again(model, x):
    ran = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            real = module.forward
            module.forward = lambda *args, real=real: real(*args)
            # A hook looks on; what a forward itself notes would be put back with the model.
            module.register_forward_hook(lambda *_, name=name: ran.append(name))
    sweep(model, x, [{(SITES[2], 0): 0.0}], batched=False)
    # The plain run, and what follows the last attention.
    assert ran.count("layers.0.linear1") == 1
    assert ran.count("layers.2.linear1") == 2
    assert all("forward" in vars(m) for m in model.modules() if isinstance(m, nn.Linear))


@pytest.mark.parametrize("batched", [False, True])
def test_models_of_transformers_and_what_they_return(batched):
    config = transformers.GPT2Config(n_embd=16, n_layer=2, n_head=4, vocab_size=30, n_positions=16)
    model = transformers.GPT2LMHeadModel(config).eval()
    words = {"input_ids": torch.randint(0, 30, (2, 5)), "attention_mask": torch.ones(2, 5)}
    words["attention_mask"][1, 3:] = 0
    gatings = [{(f"transformer/h/{layer}/attn", head): 0.0} for layer in (0, 1) for head in (0, 3)]
    for output, gates in zip(sweep(model, words, gatings, batched=batched), gatings, strict=True):
        with torch.no_grad(), ll.gate(model, gates):
            wanted = model(**words, use_cache=False)
        assert type(output) is type(wanted)
        torch.testing.assert_close(output.logits, wanted.logits, rtol=0, atol=batched * 1e-6)
    assert model.config.use_cache is True


def test_a_module_that_runs_twice_is_not_taken_for_one(x):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

        def forward(self, x):
            return self.layer(self.layer(x))

    model = Twice().eval()
    gatings = [{("layer/self_attn:1", 0): 0.0}, {("layer/self_attn", 0): 0.0}]
    outputs = sweep(model, x, gatings, batched=False)
    for output, wanted in zip(outputs, one_by_one(model, x, gatings), strict=True):
        assert torch.equal(output, wanted)


class Writing(nn.Module):
    """Writes to what it is given, and has what it returns written to."""

    def __init__(self):
        super().__init__()
        self.first, self.relu = nn.Linear(8, 8), nn.ReLU(inplace=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        y = self.first(x)
        self.relu(y)
        y += 1
        return self.attention(y, y, y)[0]


def test_modules_that_write_to_tensors_are_run_again(x):
    model = Writing().eval()
    gatings = [{("attention", head): 0.0} for head in range(2)]
    for batched in (False, True):
        outputs = sweep(model, x, gatings, batched=batched)
        for output, wanted in zip(outputs, one_by_one(model, x, gatings), strict=True):
            torch.testing.assert_close(output, wanted, rtol=0, atol=batched * 1e-6)


def test_a_model_that_changes_its_own_state_is_refused(x):
    class Counting(Writing):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x):
            self.calls += 1
            return super().forward(x)

    model = Counting().eval()
    with pytest.raises(GateError, match="changes its own state"):
        sweep(model, x, [{("attention", 0): 0.0}])
    assert model.calls == 0


def test_wrong_gates_are_told_and_none_is_no_work(model, x):
    with pytest.raises(GateError, match="layers/0/self_attn"):
        sweep(model, x, [{("x", 0): 0.0}])
    with pytest.raises(GateError, match="batched"):
        sweep(model, x, EVERY, batched="often")
    assert sweep(model, x, []) == []


def test_sites_are_found_once_for_inputs_of_one_shape(model, x, monkeypatch):
    from limelight.capture.torch.gates import recording

    looks = []
    real = recording.dry_run

    def noted(*args):
        looks.append(1)
        return real(*args)

    monkeypatch.setattr(recording, "dry_run", noted)
    first = sweep(model, x, EVERY)
    for output, again in zip(first, sweep(model, x, EVERY), strict=True):
        assert torch.equal(output, again)
    assert len(looks) == 1
    other = torch.randn(2, 4, 8)
    swept = sweep(model, other, EVERY)
    for output, wanted in zip(swept, one_by_one(model, other, EVERY), strict=True):
        torch.testing.assert_close(output, wanted, rtol=0, atol=1e-6)
    assert len(looks) == 1
    sweep(model, x[:, :3], EVERY)
    assert len(looks) == 2
    model.layers[1] = Other()
    sweep(model, x, [{("layers/2/self_attn", 0): 0.0}])
    assert len(looks) == 3, "the model is another"


class Other(nn.Module):
    """No attention."""

    def forward(self, x, *args, **kwargs):
        return x


class Going(nn.Module):
    """Attends in an order that its inputs' values decide."""

    def __init__(self):
        super().__init__()
        self.first = nn.MultiheadAttention(8, 2, batch_first=True)
        self.second = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        order = (self.first, self.second) if float(x.sum()) > 0 else (self.second, self.first)
        for attention in order:
            x = x + attention(x, x, x, need_weights=False)[0]
        return x


def test_a_model_that_goes_another_way_for_other_values_is_looked_at_anew():
    model, gatings = Going(), [{("first", 0): 0.0}, {("second", 1): 0.0}]
    for x in (torch.ones(2, 4, 8), -torch.ones(2, 4, 8), torch.ones(2, 4, 8)):
        x = x + torch.randn(2, 4, 8) * 0.1
        outputs = sweep(model, x, gatings, batched=False)
        for output, wanted in zip(outputs, one_by_one(model, x, gatings), strict=True):
            assert torch.equal(output, wanted)
