"""Recording torch models from loops of one's own, in one process and in two."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import limelight as ll

pytestmark = pytest.mark.training

PROGRAM = Path(__file__).with_name("parallel.py")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.2, batch_first=True)
        self.second = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.2, batch_first=True).eval()

    def forward(self, x):
        return self.second(self.first(x))


def test_a_loop_by_hand(tmp_path):
    model, x = Net(), torch.randn(4, 5, 8)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    model.first.train()
    model.second.eval()  # a part that is frozen
    with ll.Recorder(tmp_path, model, ll.Probe(x[:2])) as recorder:
        for step in range(3):
            assert recorder.record(step, epoch=step / 2)
            assert model.first.training
            assert not model.second.training
            model(x).pow(3).mean().backward()
            optimizer.step()
    run = ll.open_run(tmp_path)
    assert run.steps.tolist() == [0, 1, 2]
    assert run.epochs.tolist() == [0, 0.5, 1]
    assert list(run.sites) == ["first/self_attn", "second/self_attn"]
    assert np.unique(run.parameters("first/linear1/weight")["mean"].values).size == 3


def test_gradients_and_random_numbers_are_left_alone(tmp_path):
    def train(record):
        torch.manual_seed(5)
        model, x = Net(), torch.randn(4, 5, 8)
        model.train()
        model(x).square().mean().backward()
        if record:
            assert ll.Recorder(tmp_path, model, x[:2]).record(0)
        model(x).square().mean().backward()
        return [parameter.grad for parameter in model.parameters()]

    for expected, parameter in zip(train(False), train(True), strict=True):
        assert torch.equal(expected, parameter)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What two processes recorded, and what each said."""
    folder = tmp_path_factory.mktemp("parallel")
    return folder, together(PROGRAM, folder)


def together(program, folder):
    """Run a program in two processes; return the lines that each said."""
    started = [
        subprocess.Popen(
            [sys.executable, str(program), str(rank), str(folder / "meeting"), str(folder)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=280)[0].splitlines() for process in started]
    assert [process.returncode for process in started] == [0, 0]
    return said


def test_of_two_processes_the_first_records(both):
    folder, said = both
    assert said == [["0 True True"] * 3, ["1 False True"] * 3]
    run = ll.open_run(folder / "first")
    assert run.steps.tolist() == [0, 1, 2]
    assert list(run.sites) == ["attention"]
    assert "attention/out_proj/weight" in run.parameter_names
    assert not list((folder / "first").glob("rank-*"))
    # What the wrapper averages over processes is recorded under the model's own names.
    gradients = run.tensors("gradient", step=1)
    assert gradients["parameter"].values.tolist() == list(run.parameter_names)
    assert (gradients["norm"].sel(parameter="attention/out_proj/weight") > 0).all()


def test_of_two_processes_each_records_into_its_own_folder(both):
    folder, _ = both
    runs = [ll.open_run(folder / "all"), ll.open_run(folder / "all" / "rank-1")]
    assert [run.steps.tolist() for run in runs] == [[0, 1, 2]] * 2
    # The same model, which the wrapper keeps alike; each process has a probe of its own data.
    means = [run.parameters("attention/out_proj/weight")["mean"].values for run in runs]
    np.testing.assert_array_equal(*means)
    maps = [run.weights("attention", step=0).values for run in runs]
    assert np.abs(maps[0] - maps[1]).max() > 1e-3


def test_what_one_process_cannot_run_is_refused_before_it_runs(tmp_path):
    first, second = together(PROGRAM.with_name("divided.py"), tmp_path)
    assert second == [f"1 {name} False False False" for name in
                      ("spread", "Summing", "Grouped", "within")]  # fmt: skip
    warned = [line.split(" warned: ")[1] for line in first if " warned: " in line]
    assert len(warned) == 4
    assert "'wide.weight' is spread over a mesh of 2 (DTensor" in warned[0]
    assert "records no attention" in warned[1]
    assert "calls torch.distributed.all_reduce, which waits" in warned[1]
    assert "whose Grouped talks to other processes" in warned[2]
    assert "whose DistributedDataParallel talks to other processes" in warned[3]
    assert [line for line in first if " warned: " not in line] == [
        "0 spread False False False",
        "0 Summing True True True",  # its parameters
        "0 Grouped False False False",
        "0 within False False False",
    ]


class Odd(nn.Module):
    """Parameters of every kind beside a plain one."""

    def __init__(self):
        super().__init__()
        self.plain, self.frozen = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
        self.frozen.requires_grad_(False)
        self.complex = nn.Parameter(torch.tensor([3 + 4j, 0j]))
        self.sparse = nn.Parameter(2 * torch.eye(3).to_sparse())
        self.rows = nn.Parameter(torch.eye(3).to_sparse_csr())
        self.empty = nn.Parameter(torch.empty(0, 4))
        self.codes = nn.Parameter(torch.ones(4, dtype=torch.uint8), requires_grad=False)
        self.codes.quant_state = object()
        self.elsewhere = nn.Parameter(torch.empty(7, device="meta"))


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support")
def test_an_odd_parameter_costs_only_itself(tmp_path):
    with (
        pytest.warns(
            ll.errors.LimelightWarning, match="lists 'codes', 'elsewhere' without numbers"
        ),
        ll.Recorder(tmp_path, Odd()) as recorder,
    ):
        assert [recorder.record(0), recorder.record(1)] == [True, True]
    run = ll.open_run(tmp_path)
    norms = {
        name: float(run.parameters(name, step=0)["norm"].item()) for name in run.parameter_names
    }
    assert len(norms) == 8
    assert norms["complex"] == pytest.approx(5)
    assert norms["sparse"] == pytest.approx(12**0.5)
    assert norms["rows"] == pytest.approx(3**0.5)
    assert all(np.isnan(norms[name]) for name in ("empty", "codes", "elsewhere"))
    frozen = {facts["name"]: facts["trainable"] for facts in run.parameter_facts}
    assert not frozen["frozen/weight"]
    assert frozen["plain/weight"]


def test_a_lazy_model_is_asked_again_until_its_first_batch_builds_it(tmp_path):
    model, x = nn.Sequential(nn.LazyLinear(8), Net()), torch.randn(2, 5, 4)
    with ll.Recorder(tmp_path, model, x) as recorder:
        assert not recorder.record(0)
        model(x)
        assert recorder.record(1)
    assert list(ll.open_run(tmp_path).sites) == ["1/first/self_attn", "1/second/self_attn"]


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.mul_(2),
        lambda w: w.data.mul_(2),  # which torch does not count, as of a teacher that follows
        lambda w: setattr(w, "data", w.data * 2),
        lambda w: w.data[17].add_(1e-3),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_large_frozen_parameter_is_summed_up_anew_only_when_it_changes(
    change, dtype, monkeypatch
):
    module = importlib.import_module("limelight.capture.parameters")
    real, summed = module.distributions, []

    def counted(tensors):
        summed.extend(tensor.size for tensor in tensors)
        return real(tensors)

    monkeypatch.setattr(module, "distributions", counted)
    model = nn.Linear(300, 300, bias=False, dtype=dtype).requires_grad_(False)
    for _ in range(3):
        first = module.parameters(model)
    assert summed == [90_000]
    with torch.no_grad():
        change(model.weight)
    second = module.parameters(model)
    assert summed == [90_000] * 2
    wanted = module.summarise({"weight": model.weight.double().numpy()})
    assert float(second["norm"][0]) == pytest.approx(float(wanted["norm"][0]), rel=1e-6)
    assert float(first["norm"][0]) != float(second["norm"][0])
