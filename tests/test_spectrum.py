"""Singular values against NumPy's, and the exponent of a tail against one that is known."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from limelight.distribution.spectrum import fitted, spectrum

sys.path.insert(0, str(Path(__file__).parent))
from heavy_tails import heavy


def test_singular_values_are_those_of_the_matrix():
    rng = np.random.default_rng(0)
    for shape in ((7, 5), (5, 7), (3, 3, 4, 6)):
        matrix = rng.normal(size=shape).astype(np.float32)
        exact = np.linalg.svd(matrix.reshape(-1, shape[-1]).astype(np.float64), compute_uv=False)
        known = spectrum(matrix)
        np.testing.assert_allclose(known.values, exact, rtol=1e-7)
        np.testing.assert_allclose(known.stable_rank, (exact**2).sum() / exact[0] ** 2)
        assert np.isnan(known.alpha)


def test_what_is_no_matrix_has_none():
    assert spectrum(np.ones(4)) is None
    assert spectrum(np.ones((1, 4))) is None
    assert spectrum(np.full((4, 4), np.nan)) is None


def test_the_exponent_of_a_power_law_comes_out_with_its_error():
    rng = np.random.default_rng(1)
    for alpha in (2.0, 3.5):
        values = (1 - rng.random(4000)) ** (-1 / (alpha - 1))
        estimate, error, distance, tail = fitted(values)
        assert abs(estimate - alpha) < 4 * error
        assert error == (estimate - 1) / np.sqrt(tail)
        assert distance < 0.05


def test_a_wide_matrix_has_an_exponent():
    known = spectrum(np.random.default_rng(2).normal(size=(120, 300)))
    assert known.alpha > 2
    assert known.tail > 10


#: A matrix by its tail's exponent and seed, and what weightwatcher 0.7.7 says of it: alpha, D,
#: sigma, num_pl_spikes, spectral_norm (of the squares), stable_rank.
WEIGHTWATCHER = {
    (300, 240, 2.0, 1): (2.90155156, 0.03203718, 0.12677010, 225, 71.8326926, 7.50733033),
    (256, 128, 1.0, 2): (2.64252141, 0.06433812, 0.19093924, 74, 20.7087057, 16.3709190),
    (160, 160, 3.0, 3): (3.89286767, 0.04181106, 0.23541823, 151, 5.09170759, 47.1743641),
}


@pytest.mark.parametrize("given", WEIGHTWATCHER)
def test_a_heavy_tail_is_fitted_as_weightwatcher_fits_it(given):
    known, said = spectrum(heavy(*given)), WEIGHTWATCHER[given]
    fit = known.alpha, known.fit_distance, known.alpha_error, known.tail
    np.testing.assert_allclose(fit, said[:4], rtol=1e-3)
    np.testing.assert_allclose((known.norm**2, known.stable_rank), said[4:], rtol=1e-4)
