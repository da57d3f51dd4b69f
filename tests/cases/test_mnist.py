"""Digits, pixel by pixel: what they record."""

from __future__ import annotations

import pytest


@pytest.mark.training
def test_each_pixel_attends_to_each_and_the_digit_is_there(sites, recorded):
    assert sites("mnist") == [("attention", "self", 1, 784)]
    assert recorded("mnist").image(0).shape == (28, 28, 1)
