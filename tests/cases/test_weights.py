"""A dense classifier: how its parameters are spread."""

from __future__ import annotations

import numpy as np
import pytest

from limelight.cases import weights


@pytest.mark.training
def test_there_is_no_attention(sites):
    assert sites("weights") == []


def test_spread():
    even = np.linspace(-1, 1, 10001)[:, None]
    shape = weights.spread(even, near=0.1)
    assert shape["std"] == pytest.approx(1 / np.sqrt(3), rel=1e-3)
    assert shape["share near 0"] == pytest.approx(0.1, abs=1e-3)
    assert shape["excess kurtosis"] == pytest.approx(-1.2, abs=1e-3)
