"""One of two processes that train one model together and record it; started by the tests."""

from __future__ import annotations

import sys
import warnings

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

import limelight as ll


class Net(nn.Module):
    """Attention, and a buffer that the wrapper shares between processes on every call."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.BatchNorm1d(5)

    def forward(self, x):
        return self.norm(self.attention(x, x, x, need_weights=False)[0])


def main(rank: int, meeting: str, log_dir: str) -> None:
    warnings.simplefilter("error", ll.errors.LimelightWarning)
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=2)
    torch.manual_seed(3)
    model = DistributedDataParallel(Net())
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    data = torch.randn(4, 5, 8, generator=torch.Generator().manual_seed(rank))
    with (
        ll.Recorder(f"{log_dir}/first", model, data[:2], gradients=True) as first,
        ll.Recorder(f"{log_dir}/all", model, data[:2], processes="all") as each,
    ):
        for step in range(3):
            print(rank, first.record(step), each.record(step), flush=True)
            model(data).pow(3).mean().backward()
            optimizer.step()
            assert model.training
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
