"""Gradients, updates and activations of torch models, recorded from training as it is."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_

import limelight as ll
from limelight.errors import LimelightWarning

pytestmark = [pytest.mark.training, pytest.mark.filterwarnings("ignore:limelight. Step too large")]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 3)
        self.norm = nn.LayerNorm(8)

    def forward(self, x):
        return self.second(self.norm(torch.relu(self.first(x))))


def steps(model, optimizer, count, *, clip=None, accumulate=1, scaler=None):
    """Train, and yield what the optimizer got and did, by name, after each step."""
    generator = torch.Generator().manual_seed(1)
    named = dict(model.named_parameters())
    for _ in range(count):
        for _ in range(accumulate):
            loss = model(torch.randn(5, 6, generator=generator)).square().mean() / accumulate
            (loss if scaler is None else scaler.scale(loss)).backward()
        if scaler is not None:
            scaler.unscale_(optimizer)
        norm = torch.stack([p.grad.norm() for p in named.values()]).norm().item()
        if clip:
            clip_grad_norm_(model.parameters(), clip)
        gradients = {name: p.grad.clone() for name, p in named.items()}
        before = {name: p.detach().clone() for name, p in named.items()}
        optimizer.step() if scaler is None else scaler.step(optimizer)
        if scaler is not None:
            scaler.update()
        optimizer.zero_grad()
        yield norm, gradients, {name: p.detach() - before[name] for name, p in named.items()}


def path(name):
    return name.replace(".", "/")


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (lambda p: torch.optim.SGD(p, 0.1), {}),
        (lambda p: torch.optim.AdamW(p, 0.01), {"clip": 0.05}),
        (lambda p: torch.optim.Adam(p, 0.01), {"accumulate": 3}),
        (lambda p: torch.optim.RMSprop(p, 0.01), {"scaled": True}),
    ],
)
def test_what_is_recorded_is_what_the_optimizer_got_and_did(tmp_path, make, options):
    torch.manual_seed(0)
    model = Net()
    optimizer = make(model.parameters())
    scaler = torch.amp.GradScaler("cpu") if options.pop("scaled", False) else None
    truth = {}
    with ll.Recorder(tmp_path, model, gradients=True, updates=True, every=2) as recorder:
        assert recorder.record(0)
        training = steps(model, optimizer, 4, scaler=scaler, **options)
        for step, seen in enumerate(training, 1):
            assert recorder.record(step) == (step % 2 == 0)
            truth[step] = seen
    run = ll.open_run(tmp_path)
    assert run.steps.tolist() == [0, 2, 4]
    for step in (2, 4):
        norm, *tables = truth[step]
        for kind, tensors in zip(("gradient", "update"), tables, strict=True):
            recorded = run.tensors(kind, step=step).isel(step=0)
            for name, tensor in tensors.items():
                row = recorded.sel(parameter=path(name))
                values = tensor.double().numpy()
                np.testing.assert_allclose(row["norm"], np.linalg.norm(values), rtol=1e-6)
                np.testing.assert_allclose(row["min"], values.min())
                assert int(row["count"].sum()) == values.size
        together = run.tensors("training", step=step).isel(step=0, parameter=0)
        np.testing.assert_allclose(together["norm_before"], norm, rtol=1e-5)
        assert float(together["clipped"]) == float(bool(options.get("clip")))
        assert float(together["steps"]) == 2
    assert np.isnan(run.tensors("gradient", step=0)["norm"]).all()


def test_adams_moments_and_the_size_of_updates(tmp_path):
    torch.manual_seed(0)
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    with ll.Recorder(tmp_path, model, updates=True) as recorder:
        recorder.record(0)
        before = model.first.weight.detach().norm()
        (_, _, changes) = next(steps(model, optimizer, 1))
        recorder.record(1)
    row = ll.open_run(tmp_path).tensors("update", "first/weight", 1).isel(step=0, parameter=0)
    state = optimizer.state[model.first.weight]
    np.testing.assert_allclose(row["ratio"], changes["first.weight"].norm() / before, rtol=1e-5)
    np.testing.assert_allclose(row["moment1_norm"], state["exp_avg"].norm(), rtol=1e-5)
    np.testing.assert_allclose(row["moment2_norm"], state["exp_avg_sq"].norm(), rtol=1e-5)


def test_several_optimizers_each_bring_their_own(tmp_path):
    model = Net()
    pair = [torch.optim.SGD(part.parameters(), 0.1) for part in (model.first, model.second)]
    other = torch.optim.SGD(nn.Linear(2, 2).parameters(), 0.1)
    with ll.Recorder(tmp_path, model, gradients=True) as recorder:
        recorder.record(0)
        model(torch.ones(2, 6)).square().mean().backward()
        for optimizer in (*pair, other):
            optimizer.step()
        recorder.record(1)
    names = ll.open_run(tmp_path).tensors("gradient")["parameter"].values.tolist()
    assert names == ["first/weight", "first/bias", "second/weight", "second/bias"]


def test_training_is_the_same_to_the_bit_and_runs_backward_no_more_often(tmp_path, monkeypatch):
    passes = itertools.count()
    original = torch.autograd.backward

    def backward(*args, **kwargs):
        next(passes)
        return original(*args, **kwargs)

    def train(record):
        torch.manual_seed(0)
        model = Net()
        optimizer = torch.optim.AdamW(model.parameters(), 0.01)
        recorder = ll.Recorder(tmp_path, model, torch.ones(2, 6), gradients=True, updates=True,
                               activations=True, spectra=1)  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LimelightWarning)  # no attention here
            for step, _ in enumerate(steps(model, optimizer, 3)):
                if record:
                    recorder.record(step)
            recorder.close()
        return [parameter.detach().clone() for parameter in model.parameters()]

    plain = train(record=False)
    monkeypatch.setattr(torch.autograd, "backward", backward)
    watched = train(record=True)
    assert next(passes) == 3
    assert all(map(torch.equal, plain, watched))


def test_nothing_stays_behind(tmp_path):
    from torch.nn.utils import clip_grad
    from torch.optim import optimizer as module

    before = clip_grad._clip_grads_with_norm_
    model = Net()
    with ll.Recorder(tmp_path, model, gradients=True) as recorder:
        recorder.record(0)
        assert module._global_optimizer_pre_hooks
        assert clip_grad._clip_grads_with_norm_ is not before
    assert not module._global_optimizer_pre_hooks
    assert not module._global_optimizer_post_hooks
    assert clip_grad._clip_grads_with_norm_ is before


def test_a_step_that_cannot_be_seen_is_made_all_the_same(tmp_path, monkeypatch):
    from limelight.capture.torch import optimizing

    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with ll.Recorder(tmp_path, model, gradients=True) as recorder:
        recorder.record(0)
        monkeypatch.setattr(optimizing, "values_of", lambda tensor: 1 / 0)
        before = model.first.weight.detach().clone()
        model(torch.ones(2, 6)).square().mean().backward()
        with pytest.warns(LimelightWarning, match="no gradients from here on"):
            optimizer.step()
        assert not torch.equal(before, model.first.weight)
        assert recorder.record(1)
    assert ll.open_run(tmp_path).tensor_kinds == ("parameter",)


def test_activations_of_modules_and_functions(tmp_path):
    torch.manual_seed(0)
    model = Net()
    model.first.bias.data[:4] = -100  # units that are zero whatever comes
    x = torch.randn(50, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimelightWarning)
        with ll.Recorder(tmp_path, model, x, activations=True) as recorder:
            assert recorder.record(0)
    table = ll.open_run(tmp_path).tensors("activation").isel(step=0)
    assert table["parameter"].values.tolist() == ["net:relu", "norm"]
    hidden = torch.relu(model.first(x)).detach()
    row = table.sel(parameter="net:relu")
    assert float(row["dead"]) == 0.5
    assert (float(row["units"]), float(row["positions"])) == (8, 50)
    np.testing.assert_allclose(row["zeros"], (hidden == 0).float().mean())
    np.testing.assert_allclose(row["mean"], hidden.mean(), rtol=1e-5)
    after = model.norm(hidden).detach().double()
    np.testing.assert_allclose(
        table.sel(parameter="norm")["std"], after.std(correction=0), rtol=1e-5
    )


def test_low_rank_adapters_show_their_product(tmp_path):
    class Adapted(nn.Module):
        def __init__(self):
            super().__init__()
            self.lora_A = nn.ModuleDict({"default": nn.Linear(6, 2, bias=False)})
            self.lora_B = nn.ModuleDict({"default": nn.Linear(2, 3, bias=False)})

    model = Adapted()
    with ll.Recorder(tmp_path, model) as recorder:
        recorder.record(0)
    row = ll.open_run(tmp_path).parameters("lora_BA/*").isel(step=0, parameter=0)
    exact = (model.lora_B["default"].weight @ model.lora_A["default"].weight).detach().double()
    np.testing.assert_allclose(row["norm"], exact.norm(), rtol=1e-5)
    np.testing.assert_allclose(row["std"], exact.std(correction=0), rtol=1e-5)


class Wrapper(nn.Module):
    """Holds a model as FSDP and checkpointing do, where parameters are whole."""

    def __init__(self, name, model):
        super().__init__()
        self.add_module(name, model)

    def forward(self, x):
        return next(self.children())(x)


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch.compile's own
@pytest.mark.parametrize(
    "wrap",
    [
        lambda part: torch.compile(part, backend="eager"),
        lambda part: Wrapper("_fsdp_wrapped_module", part),
        lambda part: Wrapper("_checkpoint_wrapped_module", part),
    ],
)
def test_parts_that_are_wrapped_keep_their_names(tmp_path, wrap):
    plain = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    names = [name.replace(".", "/") for name, _ in plain.named_parameters()]
    model = nn.Sequential(wrap(plain[0]), plain[1], wrap(plain[2]))
    optimizer, x = torch.optim.SGD(model.parameters(), 0.1), torch.ones(2, 3)
    with ll.Recorder(tmp_path, model, gradients=True) as recorder:
        recorder.record(0)
        model(x).square().mean().backward()
        optimizer.step()
        recorder.record(1)
    run = ll.open_run(tmp_path)
    assert list(run.parameter_names) == names
    assert run.tensors("gradient")["parameter"].values.tolist() == names
