"""What heads write is compared without the bias that many features bring."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import limelight as ll
from limelight.errors import StudyError
from limelight.maps.alignment import aligned


@pytest.mark.parametrize(("examples", "features"), [(20, 64), (20, 200), (200, 64)])
def test_independent_outputs_are_not_alike(examples, features):
    random = np.random.default_rng(examples + features)
    pairs = [aligned(random.normal(size=(2, examples, features)))[0] for _ in range(20)]
    assert abs(np.mean(pairs)) < 0.03


def test_rotation_and_scale_do_not_matter():
    random = np.random.default_rng(0)
    values = random.normal(size=(12, 5))
    turn = np.linalg.qr(random.normal(size=(5, 5)))[0]
    result = aligned([values, 3 * values @ turn, np.ones((12, 2))])
    np.testing.assert_allclose(result, [1, np.nan, np.nan])


def test_heads_that_write_the_same_are_told(tmp_path):
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(12, 3, 16, batch_first=True, dropout=0.0)
    with torch.no_grad():  # the third head is the first
        for part in range(3):
            begin = 12 * part
            layer.self_attn.in_proj_weight[begin + 8 : begin + 12] = layer.self_attn.in_proj_weight[
                begin : begin + 4
            ]
            layer.self_attn.in_proj_bias[begin + 8 : begin + 12] = layer.self_attn.in_proj_bias[
                begin : begin + 4
            ]
    model = torch.nn.TransformerEncoder(layer, 1, enable_nested_tensor=False).eval()
    x = torch.randn(24, 5, 12)
    result = ll.similarity(model, x, method="cka", partition=7, run=tmp_path)
    assert float(result["distance"][0, 2]) == pytest.approx(0, abs=1e-5)
    assert float(result["distance"][0, 1]) > 0.2
    assert ll.open_run(tmp_path).study("similarity").attrs["method"] == "cka"
    with pytest.raises(StudyError, match="3 examples"):
        ll.similarity(model, x[:3], method="cka")
    with pytest.raises(StudyError, match="without data"):
        ll.similarity(ll.capture(model, x), method="cka")
