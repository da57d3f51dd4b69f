"""Intervals, sign flips, Holm's correction and units against what is known of them."""

import itertools

import numpy as np
import pytest

from limelight.errors import StudyError
from limelight.studying import sign_flips
from limelight.studying.intervals import interval
from limelight.studying.sign_flips import flips_for, holm
from limelight.studying.units import Units


@pytest.mark.parametrize("units", [8, 29, 30, 200])
def test_intervals_cover_what_they_say(units):
    random = np.random.default_rng(units)
    values = random.normal(2.0, 3.0, size=(units, 2_000))
    low, high = interval(values, seed=1)
    covered = ((low <= 2.0) & (high >= 2.0)).mean()
    assert 0.92 < covered < 0.97  # the bootstrap's percentiles at 30 cover about 93 %


def test_few_units_have_no_interval():
    low, high = interval(np.ones((4, 3)), seed=0)
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_p_values_are_those_of_all_flips():
    values = np.random.default_rng(0).normal(0.6, 1.0, size=(10, 3))
    signs = np.array(list(itertools.product((-1, 1), repeat=10)))
    exact = (np.abs(signs @ values) >= np.abs(values.sum(0)) - 1e-12).mean(0)
    result = sign_flips.tested(values, seed=3)
    np.testing.assert_allclose(result.p_value, exact, atol=0.02)
    assert (result.p_value >= result.floor).all()


def test_p_values_are_even_where_nothing_is_there():
    values = np.random.default_rng(5).normal(size=(40, 400))
    p_value = sign_flips.tested(values, seed=0).p_value
    assert abs((p_value < 0.1).mean() - 0.1) < 0.05
    assert (holm(p_value) < 0.05).sum() == 0


def test_whether_anything_can_survive():
    few = sign_flips.tested(np.ones((8, 72)), seed=0)
    assert not few.can_survive  # 72 · 2⁻⁷ is above .05
    assert few.floor == 2.0**-7
    assert sign_flips.tested(np.ones((12, 72)), seed=0).can_survive
    assert flips_for(1_000) == 400_000


def test_holm():
    given = np.array([0.01, np.nan, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(holm(given), [0.03, np.nan, 0.06, 0.06, 0.02])


def test_units_are_what_is_averaged_and_divided():
    units = Units(6, ["a", "b", "a", "c", "b", "d"])
    values = np.array([1.0, 2.0, 3.0, 4.0, 6.0, 5.0])
    np.testing.assert_array_equal(units.means(values), [2.0, 4.0, 4.0, 5.0])
    choosing, measuring = units.halves(seed=0)
    assert sorted([*choosing, *measuring]) == [0, 1, 2, 3]
    with pytest.raises(StudyError, match="2 labels in resample_by for 6 examples"):
        Units(6, ["a", "b"])
