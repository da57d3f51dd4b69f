"""Gradients by time step of recurrent layers, from the backward pass that training makes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import limelight as ll

pytestmark = pytest.mark.training


class Net(nn.Module):
    def __init__(self, kind, *, first=True, both=False, embedded=False):
        super().__init__()
        self.words = nn.Embedding(9, 3) if embedded else nn.Identity()
        self.memory = kind(3, 4, batch_first=first, bidirectional=both)
        self.out = nn.Linear(8 if both else 4, 1)
        self.first = first

    def forward(self, x, lengths=None):
        x = self.words(x)
        if lengths is not None:
            x = pack_padded_sequence(x, lengths, batch_first=self.first, enforce_sorted=False)
            return self.out(self.memory(x)[0].data).mean()
        hidden = self.memory(x)[0]
        return self.out(hidden[:, -1] if self.first else hidden[-1])


def recorded(tmp_path, model, *given, steps=2):
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    states = []
    with ll.Recorder(tmp_path, model, gradients=True, every=2) as recorder:
        recorder.record(0)
        for step in range(1, steps + 1):
            states.append({name: p.detach().clone() for name, p in model.state_dict().items()})
            optimizer.zero_grad()
            model(*given).square().mean().backward()
            optimizer.step()
            recorder.record(step)
    return ll.open_run(tmp_path).tensors("time"), states


def exact(model, x, axis):
    """Return norms by time step of a gradient that is asked for."""
    x = model.words(x).detach().requires_grad_()
    words, model.words = model.words, nn.Identity()
    loss = model(x).square().mean()
    model.words = words
    (gradient,) = torch.autograd.grad(loss, x)
    return gradient.movedim(axis, 0).flatten(1).norm(dim=1).numpy()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (nn.LSTM, {"first": True}),
        (nn.GRU, {"first": False}),
        (nn.RNN, {"both": True, "embedded": True}),
    ],
)
def test_norms_are_those_of_the_gradient_at_each_time_step(tmp_path, kind, options):
    torch.manual_seed(0)
    model = Net(kind, **options)
    axis = 1 if model.first else 0
    x = torch.rand(5, 7, 3) if not options.get("embedded") else torch.randint(9, (5, 7))
    table, states = recorded(tmp_path, model, x)
    assert table["parameter"].values.tolist() == ["memory"]
    assert np.isnan(table["norm"].sel(step=0)).all()
    model.load_state_dict(states[1])
    truth = exact(model, x, axis)
    row = table.sel(step=2).isel(parameter=0)
    np.testing.assert_allclose(row["norm"], truth, rtol=1e-4)
    assert float(row["length"]) == x.shape[axis]
    np.testing.assert_allclose(row["first"], truth[0], rtol=1e-4)
    np.testing.assert_allclose(row["most"], truth.max(), rtol=1e-4)
    assert x.grad is None
    assert not x.requires_grad


def test_sequences_of_several_lengths_and_long_ones(tmp_path):
    torch.manual_seed(0)
    packed, _ = recorded(tmp_path / "packed", Net(nn.LSTM), torch.rand(3, 6, 3), [6, 2, 1])
    norms = packed["norm"].sel(step=2).isel(parameter=0).values
    assert norms.shape == (6,)
    assert (norms > 0).all()
    table, _ = recorded(tmp_path / "long", Net(nn.GRU), torch.rand(2, 200, 3))
    row = table.sel(step=2).isel(parameter=0)
    assert (row.sizes["time"], float(row["length"])) == (64, 200)
    assert float(row["last"]) > float(row["first"])


def test_training_is_the_same_to_the_bit(tmp_path, monkeypatch):
    passes = itertools.count()
    original = torch.autograd.backward
    monkeypatch.setattr(
        torch.autograd, "backward", lambda *a, **k: (next(passes), original(*a, **k))[1]
    )
    x, ends = torch.rand(4, 5, 3), []
    for watched in (True, False):
        torch.manual_seed(0)
        model = Net(nn.LSTM)
        optimizer = torch.optim.Adam(model.parameters(), 0.1)
        recorder = ll.Recorder(tmp_path / str(watched), model, gradients=watched)
        for step in range(4):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
            recorder.record(step)
        recorder.close()
        ends.append([parameter.detach().clone() for parameter in model.parameters()])
    assert all(map(torch.equal, *ends))
    assert next(passes) == 8


class Loop(nn.Module):
    """Calls a cell at each time step, and once more with what is the same at all of them."""

    def __init__(self, kind):
        super().__init__()
        self.words = nn.Identity()
        self.cell, self.again, self.out = kind(3, 4), nn.RNNCell(4, 4), nn.Linear(4, 1)

    def forward(self, x):
        state, second, same = None, None, torch.full((len(x), 4), 0.5)
        for part in self.words(x).unbind(1):
            state = self.cell(part, state)
            hidden = state[0] if isinstance(state, tuple) else state
            second = self.again(same + 0 * hidden, second)
        return self.out(hidden + second)


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell])
def test_a_cell_in_a_loop_has_its_calls_for_time_steps(tmp_path, kind):
    torch.manual_seed(0)
    model, x = Loop(kind), torch.randn(2, 7, 3)
    times, states = recorded(tmp_path, model, x, steps=4)
    assert sorted(times["parameter"].values.tolist()) == ["again", "cell"]
    for step in (2, 4):
        model.load_state_dict(states[step - 1])
        row = times.sel(step=step, parameter="cell")
        assert row["length"].item() == 7
        np.testing.assert_allclose(row["norm"].values[:7], exact(model, x, 1), rtol=1e-5)
    assert len(set(times.sel(step=4, parameter="again")["norm"].values[:7].tolist())) == 7
