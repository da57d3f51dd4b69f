"""Heavy tails as weightwatcher itself fits them, where it is installed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from limelight.distribution.spectrum import spectrum

sys.path.insert(0, str(Path(__file__).parents[2]))
from heavy_tails import heavy


@pytest.mark.filterwarnings("ignore")
def test_exponents_are_those_of_weightwatcher():
    weightwatcher = pytest.importorskip("weightwatcher")
    layer = torch.nn.Linear(240, 300, bias=False)
    layer.weight.data = torch.tensor(heavy(300, 240, 2.5, 7))
    model = torch.nn.Sequential(layer)
    said = weightwatcher.WeightWatcher(model=model).analyze(plot=False).iloc[0]
    known = spectrum(layer.weight.detach().numpy())
    fit = known.alpha, known.fit_distance, known.alpha_error, known.tail
    np.testing.assert_allclose(fit, said[["alpha", "D", "sigma", "num_pl_spikes"]].astype(float))
    np.testing.assert_allclose(known.stable_rank, said["stable_rank"], rtol=1e-6)
