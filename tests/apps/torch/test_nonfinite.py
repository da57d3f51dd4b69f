"""Where a model first gives what is no finite number, recorded when it happens."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad_value_

import limelight as ll
from limelight.errors import LimelightWarning

pytestmark = [pytest.mark.training, pytest.mark.filterwarnings("ignore:limelight. NaN or Inf")]


class Root(nn.Module):
    """Fails for what is below zero, as logarithms do."""

    def forward(self, x):
        return x.sqrt()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Linear(4, 4), nn.Sigmoid())
        self.bad, self.last, self.shift = Root(), nn.Linear(4, 2), 0.0
        self.seen = nn.BatchNorm1d(4)

    def forward(self, x):
        return self.last(self.bad(self.seen(self.first(x)).abs() - self.shift))


def train(tmp_path, break_it, steps=6, fails_at=4, loss=lambda y: y.square().mean()):
    torch.manual_seed(0)
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with ll.Recorder(tmp_path, model, gradients=True, every=100) as recorder:
        recorder.record(0)
        for step in range(1, steps + 1):
            x = torch.rand(8, 4)
            fails = step == fails_at
            batch = break_it(model, x) if fails else x
            optimizer.zero_grad()
            loss(model(batch)).backward()
            state = {name: value.clone() for name, value in model.state_dict().items()}
            optimizer.step()
            if fails:
                for name, value in model.named_buffers():  # the pass for us changes nothing
                    torch.testing.assert_close(value, state[name], rtol=0, atol=0, equal_nan=True)
            recorder.record(step)
    return ll.open_run(tmp_path)


def raised(model, x):
    model.shift = 10.0
    return x


@pytest.mark.parametrize(
    ("break_it", "named"),
    [
        (raised, "bad"),
        (lambda model, x: x / 0, "inputs"),
        (lambda model, x: [model.last.bias.data.fill_(torch.inf), x][1], "last"),
    ],
)
def test_the_step_at_which_it_happens_is_recorded_and_names_the_first(tmp_path, break_it, named):
    run = train(tmp_path, break_it)
    assert run.steps.tolist() == [0, 4]
    table = run.tensors("training")
    assert table.attrs["first_nonfinite"] == named
    assert table.attrs["first_nonfinite_step"] == 4
    assert float(table["nonfinite"].sel(step=4).item()) > 0
    assert float(run.tensors("gradient", step=4)["nonfinite"].sum()) > 0


def test_what_only_the_loss_does_is_said_to_be_the_loss(tmp_path):
    run = train(tmp_path, lambda model, x: x, fails_at=1,
                loss=lambda y: (y.square().mean() - y.square().mean()).sqrt())  # fmt: skip
    assert run.steps.tolist() == [0, 1]
    assert run.tensors("training").attrs["first_nonfinite"] == "loss"


def test_training_that_stays_finite_makes_no_extra_recording(tmp_path):
    run = train(tmp_path, lambda model, x: x)
    assert run.steps.tolist() == [0]


def test_gradients_that_a_closure_makes_are_those_that_are_recorded(tmp_path):
    torch.manual_seed(0)
    model, x = nn.Linear(3, 2), torch.rand(5, 3)
    norms = []

    def closure():
        optimizer.zero_grad()
        loss = (model(x) - 3).square().sum()
        loss.backward()
        norms.append(model.weight.grad.norm().item())
        return loss

    for number, optimizer in enumerate(
        [torch.optim.SGD(model.parameters(), 0.01), torch.optim.LBFGS(model.parameters(), 0.1)]
    ):
        with ll.Recorder(tmp_path / str(number), model, gradients=True) as recorder:
            recorder.record(0)
            for step in (1, 2):
                norms.clear()
                optimizer.step(closure)
                recorder.record(step)
        recorded = ll.open_run(tmp_path / str(number)).tensors("gradient", "weight", 2)["norm"]
        assert recorded.item() == pytest.approx(norms[0], rel=1e-5)


def test_clipping_by_value_is_seen(tmp_path):
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with ll.Recorder(tmp_path, model, gradients=True) as recorder:
        recorder.record(0)
        for step, most in ((1, 1e-3), (2, 1e3)):
            optimizer.zero_grad()
            model(torch.ones(1, 3)).sum().backward()
            clip_grad_value_(model.parameters(), most)
            optimizer.step()
            recorder.record(step)
    table = ll.open_run(tmp_path).tensors("training").isel(parameter=0)
    assert table["clipped"].sel(step=[1, 2]).values.tolist() == [1, 0]
    assert table["norm_before"].sel(step=1).item() == pytest.approx(8**0.5)
    assert table["norm_after"].sel(step=1).item() == pytest.approx(8**0.5 * 1e-3)


def test_steps_that_nobody_sees_are_said_once(tmp_path):
    model = nn.Linear(3, 2)
    with ll.Recorder(tmp_path, model, gradients=True) as recorder:
        recorder.record(0)
        with pytest.warns(LimelightWarning, match=r"torch\.compile"):
            recorder.record(1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            recorder.record(2)


def test_names_of_gradients_are_those_of_the_model_that_is_wrapped(tmp_path):
    torch.manual_seed(0)
    model = Net()
    wrapped = torch.compile(model, backend="eager")
    optimizer = torch.optim.SGD(wrapped.parameters(), 0.01)
    with ll.Recorder(tmp_path, wrapped, gradients=True, updates=True) as recorder:
        recorder.record(0)
        wrapped(torch.rand(8, 4)).square().mean().backward()
        optimizer.step()
        recorder.record(1)
    run = ll.open_run(tmp_path)
    names = [name.replace(".", "/") for name, _ in model.named_parameters()]
    for kind in ("parameter", "gradient", "update"):
        assert run.tensors(kind)["parameter"].values.tolist() == names
