"""Singular values against NumPy's, and the exponent of a tail against one that is known."""

from __future__ import annotations

import numpy as np

from limelight.distribution.spectrum import fitted, spectrum


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
