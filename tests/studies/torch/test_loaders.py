"""Data as torch holds it is the data of its arrays."""

import small
import torch

from limelight.studying.data import Data

X, Y = small.data(40)


def test_a_loader_gives_the_digest_of_its_arrays_and_draws_nothing():
    held = torch.utils.data.TensorDataset(torch.as_tensor(X), torch.as_tensor(Y))
    drawn = torch.get_rng_state()
    scan = Data(torch.utils.data.DataLoader(held, batch_size=7)).scan()
    assert scan == Data((X, Y)).scan()
    assert torch.equal(torch.get_rng_state(), drawn)
