"""Each analysis against numbers worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from limelight.analyses.distance import distance
from limelight.analyses.entropy import entropy
from limelight.analyses.first_key_share import first_key_share
from limelight.analyses.gini import gini
from limelight.analyses.maximum import maximum
from limelight.analyses.normalised_entropy import normalised_entropy
from limelight.analyses.share_beyond_uniform import share_beyond_uniform


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
        before = np.arange(size)
        both = (before * (before + 1) + (size - 1 - before) * (size - before)) / (2 * size)
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


@pytest.mark.parametrize(
    "function",
    [entropy, maximum, distance, gini, normalised_entropy, share_beyond_uniform],
)
def test_one_nan_in_a_row_is_not_passed_over(function: Any) -> None:
    result = function(np.array([[0.5, np.nan, 0.25], [0.5, 0.25, 0.25]]))
    assert np.isnan(result).tolist() == [True, False]


class TestWhatIsAllowed:
    """Three measures ask how many keys a query may attend to."""

    row = np.array([[0.5, 0.25, 0.25, 0.0, 0.0]])
    four = np.array([[True, True, True, True, False]])

    def test_gini(self) -> None:
        # Mean difference of all pairs over twice the mean: by hand for 4 keys, then 5, then 3.
        assert gini(self.row, self.four).tolist() == [pytest.approx(0.375)]
        assert gini(self.row).tolist() == [pytest.approx(0.5)]
        assert gini(self.row, self.row > 0).tolist() == [pytest.approx(1 / 6)]

    def test_gini_by_its_definition(self) -> None:
        random = np.random.default_rng(0)
        allowed = random.random((50, 9)) < 0.7
        weights = np.where(allowed, random.exponential(size=(50, 9)) ** 3, 0)
        for row, keys, number in zip(weights, allowed, gini(weights, allowed), strict=True):
            part = row[keys]
            apart = abs(part[:, None] - part).mean() if keys.any() else 0
            assert number == pytest.approx(apart / (2 * part.mean()) if keys.any() else 0)

    def test_gini_does_not_mind_what_a_row_sums_to(self) -> None:
        """A learned sink takes a part of the row that belongs to no key."""
        np.testing.assert_allclose(gini(0.3 * self.row, self.four), gini(self.row, self.four))

    def test_normalised_entropy(self) -> None:
        nats = 0.5 * math.log(2) + 0.5 * math.log(4)
        for allowed, count in ((self.four, 4), (None, 5), (self.row > 0, 3)):
            result = normalised_entropy(self.row, allowed)
            assert result.tolist() == [pytest.approx(nats / math.log(count))]

    def test_one_allowed_key_leaves_no_choice(self) -> None:
        result = normalised_entropy(np.eye(3), np.eye(3, dtype=bool))
        assert np.isnan(result).all()
        assert normalised_entropy(np.eye(3)).tolist() == [0.0] * 3
        assert normalised_entropy(np.zeros((1, 3)), np.zeros((1, 3), bool)).tolist() == [0.0]

    def test_share_beyond_uniform(self) -> None:
        assert share_beyond_uniform(self.row, self.four).tolist() == [pytest.approx(0.25)]
        assert share_beyond_uniform(self.row).tolist() == [pytest.approx(0.4)]
        assert share_beyond_uniform(self.row, self.row > 0).tolist() == [pytest.approx(1 / 6)]

    def test_share_beyond_uniform_is_half_the_distance_to_it(self) -> None:
        random = np.random.default_rng(1)
        allowed = random.random((50, 9)) < 0.7
        allowed[:, 0] = True
        weights = np.where(allowed, random.exponential(size=(50, 9)), 0)
        weights /= weights.sum(-1, keepdims=True)
        even = allowed / allowed.sum(-1, keepdims=True)
        expected = abs(weights - even).sum(-1) / 2  # as much above as below
        np.testing.assert_allclose(share_beyond_uniform(weights, allowed), expected)

    @pytest.mark.parametrize("size", [1, 2, 7, 128])
    def test_uniform_and_one_hot_rows(self, size: int) -> None:
        for function, even, single in (
            (gini, 0, 1 - 1 / size),
            (share_beyond_uniform, 0, 1 - 1 / size),
            (normalised_entropy, 1, 0),
        ):
            if size > 1:
                np.testing.assert_allclose(function(uniform(size)), even, atol=1e-12)
                np.testing.assert_allclose(function(np.eye(size)), single, atol=1e-12)
            result = function(causal(size), np.tri(size, dtype=bool))[1:]
            np.testing.assert_allclose(result, even, atol=1e-12)

    @pytest.mark.parametrize("size", [3, 7, 100, 1000])
    def test_rows_that_are_uniform_but_for_rounding_measure_exactly_0(self, size: int) -> None:
        logits = np.full((2, size), 3.7, np.float32)
        weights = np.exp(logits - np.log(np.exp(logits).sum(-1, keepdims=True)))
        assert weights.dtype == np.float32
        assert gini(weights).tolist() == [0.0, 0.0]
        assert share_beyond_uniform(weights).tolist() == [0.0, 0.0]

    def test_whole_numbers_are_weights_too(self) -> None:
        hot = np.eye(4, dtype=int)
        for function in (gini, share_beyond_uniform, normalised_entropy, entropy, maximum):
            np.testing.assert_allclose(function(hot), function(hot.astype(float)))
