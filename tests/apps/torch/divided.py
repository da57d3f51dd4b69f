"""One of two processes that train models which no process can run alone; started by the tests."""

from __future__ import annotations

import sys
import warnings
from datetime import timedelta

import torch
from torch import distributed, nn
from torch.distributed import all_reduce  # bound before anybody looks
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    RowwiseParallel,
    parallelize_module,
)
from torch.nn.parallel import DistributedDataParallel

import limelight as ll


class Net(nn.Module):
    """Attention, then two layers that may be spread over processes."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.BatchNorm1d(5)
        self.wide, self.out = nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x):
        return self.out(self.wide(self.norm(self.attention(x, x, x, need_weights=False)[0])))


class Summing(Net):
    """Sums over processes in its forward pass."""

    def forward(self, x):
        x = super().forward(x)
        total = x.detach().clone()
        all_reduce(total)
        return x + total


class Grouped(Net):
    """Holds the group it would talk to."""

    def __init__(self):
        super().__init__()
        self.group = distributed.new_group([0, 1])


def spread():
    mesh = init_device_mesh("cpu", (2,))
    plan = {"wide": ColwiseParallel(), "out": RowwiseParallel()}
    return parallelize_module(Net(), mesh, plan)


def within():
    model = nn.Sequential(DistributedDataParallel(Net()))
    return model.train()


def main(rank: int, meeting: str, log_dir: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", f"file://{meeting}", rank=rank, world_size=2, timeout=timedelta(seconds=240)
    )
    for make in (spread, Summing, Grouped, within):
        torch.manual_seed(3)
        model, data = make(), torch.randn(4, 5, 8)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        with (
            warnings.catch_warnings(record=True) as caught,
            ll.Recorder(f"{log_dir}/{make.__name__}", model, data[:2]) as recorder,
        ):
            warnings.simplefilter("always", ll.errors.LimelightWarning)
            done = []
            for step in range(3):
                done.append(recorder.record(step))
                model(data).pow(2).mean().backward()
                optimizer.step()
        for warning in caught:
            if warning.category is ll.errors.LimelightWarning:
                print(rank, make.__name__, "warned:", warning.message)
        print(rank, make.__name__, *done, flush=True)
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
