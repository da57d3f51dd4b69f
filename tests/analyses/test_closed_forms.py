"""Each analysis against numbers worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from limelight.analyses.distance import distance
from limelight.analyses.entropy import entropy
from limelight.analyses.first_key_share import first_key_share
from limelight.analyses.maximum import maximum


def uniform(size: int) -> np.ndarray[Any, Any]:
    """Every query looks at every key alike."""
    return np.full((size, size), 1.0 / size)


def causal(size: int) -> np.ndarray[Any, Any]:
    """Every query looks alike at itself and all keys before it."""
    allowed = np.tri(size)
    return allowed / allowed.sum(-1, keepdims=True)


@pytest.mark.parametrize("size", [1, 2, 7, 128])
class TestUniform:
    def test_entropy_is_the_log_of_the_number_of_keys(self, size: int) -> None:
        np.testing.assert_allclose(entropy(uniform(size)), math.log(size), atol=1e-12)
        np.testing.assert_allclose(
            entropy(causal(size)), np.log(np.arange(1, size + 1)), atol=1e-12
        )

    def test_the_best_key_gets_its_even_share(self, size: int) -> None:
        np.testing.assert_allclose(maximum(uniform(size)), 1 / size)
        np.testing.assert_allclose(maximum(causal(size)), 1 / np.arange(1, size + 1))

    def test_the_first_key_gets_its_even_share(self, size: int) -> None:
        np.testing.assert_allclose(first_key_share(uniform(size)), 1 / size)

    def test_distance_of_a_causal_row_is_half_its_position(self, size: int) -> None:
        np.testing.assert_allclose(distance(causal(size)), np.arange(size) / 2, atol=1e-12)

    def test_distance_of_uniform_attention_averages_both_sides(self, size: int) -> None:
        place = np.arange(size)
        both = (place * (place + 1) + (size - 1 - place) * (size - place)) / (2 * size)
        np.testing.assert_allclose(distance(uniform(size)), both, atol=1e-9)


class TestOneHot:
    weights = np.eye(5)[[0, 0, 4, 3, 2]]

    def test_entropy_is_zero(self) -> None:
        assert entropy(self.weights).tolist() == [0.0] * 5

    def test_maximum_is_one(self) -> None:
        assert maximum(self.weights).tolist() == [1.0] * 5

    def test_first_key_share_tells_the_first_key_from_the_others(self) -> None:
        assert first_key_share(self.weights).tolist() == [1.0, 1.0, 0.0, 0.0, 0.0]

    def test_distance_counts_tokens_in_both_directions(self) -> None:
        assert distance(self.weights).tolist() == [0.0, 1.0, 2.0, 0.0, 2.0]


def test_entropy_of_unequal_shares() -> None:
    expected = -(0.5 * math.log(0.5) + 2 * 0.25 * math.log(0.25))
    np.testing.assert_allclose(entropy(np.array([[0.5, 0.25, 0.25, 0.0]])), [expected])


def test_distance_is_not_asked_across_two_sequences() -> None:
    assert distance.card.kinds == ("self",)


@pytest.mark.parametrize("function", [entropy, maximum, distance])
def test_one_nan_in_a_row_is_not_passed_over(function: Any) -> None:
    found = function(np.array([[0.5, np.nan, 0.25], [0.5, 0.25, 0.25]]))
    assert np.isnan(found).tolist() == [True, False]
