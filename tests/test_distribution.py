"""Distributions against NumPy and SciPy: counts exact, moments to rounding, others within a bin."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
from scipy import stats

from limelight.distribution import (
    compiled,
    counting,
    difference,
    distribution,
    edges,
    merged,
    numpy_pass,
    wasserstein,
)
from limelight.distribution.bins import SIDE, number
from limelight.distribution.summary import _whole

RNG = np.random.default_rng(3)
TENSORS = {
    "normal": RNG.normal(size=40_000).astype(np.float32) * np.float32(0.02),
    "far from zero": RNG.normal(size=9_999).astype(np.float32) * np.float32(1e-3) + np.float32(50),
    "of many sizes": np.exp(RNG.normal(size=20_001) * 8).astype(np.float32),
    "broken": np.array([0, -0.0, 1e-41, -1e-41, np.nan, np.inf, -np.inf, 3e38, 2, -2], np.float32),
    "doubles": RNG.normal(size=3_000) * 1e150,
    "halves": RNG.normal(size=(30, 20)).astype(np.float16),
    "whole numbers": RNG.integers(-5, 5, 500),
    "alike": np.full(70, 2.5, np.float32),
    "none finite": np.full(5, np.nan, np.float32),
    "none": np.zeros((0, 3), np.float32),
}


def engines(values):
    """Sum values up by whatever pass there is, and by NumPy's."""
    yield distribution(values)
    if values.dtype in (np.float32, np.float64):
        yield _whole(*numpy_pass.walk(values.ravel()))
    if values.dtype == np.float32:
        numba_pass = pytest.importorskip("limelight.distribution.numba_pass")
        counts, sums = numba_pass.walk_all([values.ravel()])
        yield _whole(counts[0], sums[0], 1.0)


@pytest.mark.parametrize("name", TENSORS)
def test_counts_are_exact_and_moments_those_of_the_values(name):
    values = TENSORS[name]
    finite = values[np.isfinite(values)].astype(np.float64)
    singles = np.clip(finite, -3.4028234e38, 3.4028234e38).astype(np.float32)
    for summed in engines(values):
        sides = np.abs(singles.astype(np.float64))
        exact = np.histogram(np.where(singles >= 0, sides, -np.nextafter(sides, np.inf)), edges())[
            0
        ]
        np.testing.assert_array_equal(summed.counts, exact)
        assert summed.zeros == np.count_nonzero(finite == 0)
        assert summed.nan == np.isnan(values).sum()
        assert summed.size + summed.nan + summed.infinite == values.size
        if not finite.size:
            assert np.isnan([summed.mean, summed.std, summed.min, summed.norm]).all()
            continue
        largest = np.abs(finite).max()
        scaled = finite / largest
        assert (summed.min, summed.max) == (finite.min(), finite.max())
        np.testing.assert_allclose(summed.mean / largest, scaled.mean(), rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(summed.std / largest, scaled.std(), rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(summed.norm / largest, np.linalg.norm(scaled), rtol=1e-9)
        if scaled.std() > 0:
            np.testing.assert_allclose(summed.skew, stats.skew(scaled), atol=1e-5)
            np.testing.assert_allclose(
                summed.kurtosis, stats.kurtosis(scaled), rtol=1e-6, atol=1e-6
            )


@pytest.mark.parametrize("name", ["normal", "far from zero", "of many sizes", "doubles"])
def test_quantiles_lie_in_the_bin_of_the_exact_ones(name):
    values = TENSORS[name]
    shares = [0.001, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999]
    lines = np.append(edges(), np.inf)
    exact = np.clip(np.quantile(values, shares, method="inverted_cdf"), -3.4e38, 3.4e38)
    at = number(exact.astype(np.float32))
    for quantile, bin_of in zip(distribution(values).quantiles(shares), at, strict=True):
        quantile = np.clip(quantile, -3.5e38, 3.5e38)
        assert lines[bin_of] * (1 - 1e-6 * np.sign(lines[bin_of])) <= quantile
        assert quantile <= lines[bin_of + 1] * (1 + 1e-6 * np.sign(lines[bin_of + 1]))


def test_parts_together_are_the_whole():
    values = TENSORS["far from zero"]
    parts = np.split(values, [1, 17, 6_000])
    whole, joined = distribution(values), merged(map(distribution, parts))
    np.testing.assert_array_equal(joined.counts, whole.counts)
    for name in ("mean", "std", "skew", "kurtosis", "norm", "min", "max"):
        np.testing.assert_allclose(
            getattr(joined, name), getattr(whole, name), rtol=1e-7, atol=1e-9
        )
    empty = distribution(TENSORS["none"])
    assert merged([empty, whole, empty]).mean == whole.mean
    wide = [TENSORS["doubles"], TENSORS["doubles"] * 1e-145]
    together = merged(map(distribution, wide))
    scaled = np.concatenate(wide) / 1e150
    np.testing.assert_allclose(together.kurtosis, stats.kurtosis(scaled))


def test_distances_and_shares_are_right_within_a_bin():
    first = RNG.normal(size=20_000).astype(np.float32)
    second = (RNG.normal(size=30_000) * 2 + 0.5).astype(np.float32)
    a, b = distribution(first), distribution(second)
    exact = stats.wasserstein_distance(first, second)
    assert abs(wasserstein(a, b) - exact) < 0.0625 * np.abs(second).mean()
    np.testing.assert_allclose(wasserstein(a, b), exact, rtol=0.02)
    assert wasserstein(a, a) == 0
    for limit in (0.001, 0.3, 5):
        edge_bins = a.counts[
            [int(number(np.float32(limit))), int(number(np.float32(-limit)))]
        ].sum()
        exact_share = (np.abs(first) <= limit).mean()
        assert abs(a.below(limit) - exact_share) <= edge_bins / first.size
    sparse = first * (RNG.random(first.size) < 0.5)
    assert distribution(sparse).below(0.0) == (sparse == 0).mean()


def test_a_difference_is_never_whole_and_the_same():
    before = TENSORS["normal"]
    after = before + np.float32(1e-3) * RNG.normal(size=before.size).astype(np.float32)
    made = difference(after, before)
    np.testing.assert_array_equal(made.counts, distribution(after - before).counts)


def test_zero_and_its_neighbours_have_bins_of_their_own():
    assert edges()[SIDE] == 0
    assert (np.diff(edges()) > 0).all()
    above = edges()[SIDE + 8 : -1]
    widths = edges()[SIDE + 9 :] / above - 1
    assert widths.min() >= 1 / 15 - 1e-9
    assert widths.max() <= 1 / 8


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_many_tensors_together_give_what_each_gives_alone(engine, monkeypatch):
    if engine == "numba":
        pytest.importorskip("numba")
    monkeypatch.setattr(compiled, "_summed_up", [1 << 30 if engine == "numba" else 0])
    kinds = [distribution(values) for values in TENSORS.values()]
    counts = np.stack([kind.counts for kind in kinds]).astype(np.uint32)
    zeros = np.array([kind.zeros for kind in kinds])
    shares, limits = [0.0, 0.001, 0.5, 1.0], np.linspace(0, 2, len(kinds))
    limits[3] = np.nan
    together = counting.quantiles(counts, shares, zeros)
    near = counting.within(counts, limits, zeros)
    moved = counting.distance(counts[:1], counts)
    for at, kind in enumerate(kinds):
        alone = counting.quantiles(kind.counts, shares, kind.zeros)
        np.testing.assert_array_equal(together[at], alone)
        np.testing.assert_array_equal(near[at], kind.below(limits[at]))
        np.testing.assert_allclose(moved[at], wasserstein(kinds[0], kind), rtol=1e-12)
        assert np.isnan(alone).all() == (kind.size == 0)


def test_a_second_process_meets_the_compiled_pass_on_disk():
    pytest.importorskip("limelight.distribution.numba_pass")  # compiled here, if nowhere before
    program = (
        "import numpy as np\n"
        "from limelight.distribution import numba_pass\n"
        "counts, _ = numba_pass.walk_all([np.ones(3, np.float32)])\n"
        "print(sum(numba_pass._walk.stats.cache_hits.values()), counts.sum())"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    assert said.split() == ["1", "3"]


def test_complex_values_are_summed_up_by_their_modulus():
    values = np.array([3 + 4j, -5j, 0], np.complex64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summed, moved = distribution(values), difference(values, np.zeros_like(values))
    assert (summed.max, summed.zeros, summed.norm) == (5.0, 1, pytest.approx(50**0.5))
    assert (moved.max, moved.norm) == (summed.max, summed.norm)
