"""Weights that are shown against what a model computed, however it lays out values and sums."""

from __future__ import annotations

import numpy as np
import pytest

from limelight.capture.checking import examined

E, H, Q, K, D = 3, 2, 5, 6, 4
RANDOM = np.random.default_rng(0)


def drawn(*sizes):
    scores = RANDOM.normal(size=sizes).astype("float32")
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    values = RANDOM.normal(size=(*sizes[:2], sizes[3], D)).astype("float32")
    return scores, weights, values, weights @ values


SCORES, WEIGHTS, VALUES, SUM = drawn(E, H, Q, K)


@pytest.mark.parametrize(
    "laid",
    [
        lambda v, s: (v, s),
        lambda v, s: (v.reshape(E * H, K, D), s.reshape(E * H, Q, D)),
        lambda v, s: (v.swapaxes(1, 2), s.swapaxes(1, 2)),
        lambda v, s: (v.swapaxes(1, 2).reshape(E, K, H * D), s.swapaxes(1, 2).reshape(E, Q, H * D)),
        lambda v, s: (v.swapaxes(2, 3), s.swapaxes(2, 3)),
        lambda v, s: (v.transpose(2, 0, 1, 3), s.transpose(2, 0, 1, 3)),
        lambda v, s: (v.transpose(1, 0, 2, 3).reshape(H * E, K, D),
                      s.transpose(1, 0, 2, 3).reshape(H * E, Q, D)),
    ],
    ids=["plain", "folded", "heads last", "features folded", "turned", "positions first", "outer"],
)  # fmt: skip
def test_the_weighted_sum_is_read_however_it_is_laid_out(laid):
    values = examined(1, SCORES, WEIGHTS, WEIGHTS, [laid(VALUES, SUM)])
    np.testing.assert_allclose(values.weighted_sum, SUM[1], atol=1e-6)
    assert values.weights_off == 0
    assert values.agree is True


def test_heads_and_queries_exchanged_do_not_agree_though_sizes_do():
    scores, weights, values, summed = drawn(1, 4, 4, 4)
    turned = weights.swapaxes(1, 2)
    assert examined(0, scores, weights, weights, [(values, summed)]).agree is True
    wrong = examined(0, scores.swapaxes(1, 2), turned, turned, [(values, summed)])
    assert wrong.weights_off == 0
    assert wrong.sum_off > 0.1
    assert wrong.agree is False


def test_weights_that_are_changed_before_they_weigh_do_not_agree():
    masked = WEIGHTS * (np.arange(K) < 4)
    changed = masked / masked.sum(-1, keepdims=True)
    assert examined(0, SCORES, WEIGHTS, WEIGHTS, [(VALUES, changed @ VALUES)]).agree is False
    assert examined(0, SCORES, changed, None, [(VALUES, changed @ VALUES)]).agree is True


def test_values_that_heads_share():
    shared = VALUES[:, :1]
    values = examined(2, SCORES, WEIGHTS, None, [(shared[:, 0], WEIGHTS @ shared)])
    assert values.agree is True


def test_nothing_to_compare_is_said_so():
    values = examined(0, SCORES, WEIGHTS, None, [(np.zeros((7, 9)), np.zeros((7, 11)))])
    assert (values.agree, values.sum_off, values.weighted_sum) == (None, None, None)
