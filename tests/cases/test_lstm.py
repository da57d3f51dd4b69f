"""Sentiment with an LSTM: what it records."""

from __future__ import annotations

import pytest


@pytest.mark.training
def test_a_layer_of_ones_own_is_recorded(sites, recorded):
    assert sites("lstm") == [("attention", "pooling", 1, 32)]
    assert all(example.tokens and example.label for example in recorded("lstm").examples)
