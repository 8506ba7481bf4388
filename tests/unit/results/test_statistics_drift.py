"""Drift and outliers of repetitions."""

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import kendalltau, theilslopes

from grid.results.statistics import drift, outliers
from grid.results.statistics.trend import kendall_p


def test_a_steady_fall_of_five_repetitions_is_drift():
    trend = drift([100, 98, 96, 94, 92])
    assert trend.flagged
    assert trend.p_value == pytest.approx(2 / 120)
    assert trend.change == pytest.approx(-8 / 96)


def test_a_fall_below_two_percent_is_no_drift():
    trend = drift([100, 99.9, 99.8, 99.7, 99.6])
    assert not trend.flagged
    assert trend.p_value < 0.05


def test_noise_is_no_drift():
    assert not drift([100, 90, 110, 95, 105]).flagged


def test_four_repetitions_cannot_show_a_trend():
    assert drift([4, 3, 2, 1]) is None


def test_exact_p_value_of_a_trend_counts_all_orders():
    values = np.array([2.0, 1.0, 4.0, 3.0, 5.0])
    pairs = np.triu_indices(5, 1)
    s = [abs(np.sign(np.subtract(*np.array(p)[list(pairs)])).sum()) for p in permutations(values)]
    observed = abs(np.sign(values[pairs[1]] - values[pairs[0]]).sum())
    assert kendall_p(values) == pytest.approx(np.mean(np.array(s) >= observed))


@pytest.mark.parametrize("n", [5, 12, 50])
def test_trend_is_that_of_scipy(n):
    rates = np.random.default_rng(n).normal(100, 1, n)
    trend = drift(rates)
    assert trend.change == pytest.approx(theilslopes(rates).slope * (n - 1) / np.median(rates))
    assert trend.p_value == pytest.approx(kendalltau(range(n), rates, method="exact").pvalue)


def test_equal_repetitions_have_no_trend():
    assert kendall_p(np.ones(8)) == 1.0
    assert not drift(np.ones(8)).flagged


def test_false_alarms_of_drift_and_outliers_are_rare():
    rng = np.random.default_rng(0)
    assert np.mean([drift(r).flagged for r in rng.lognormal(3, 0.05, (1000, 5))]) < 0.04
    assert np.mean([outliers(r).any() for r in rng.lognormal(3, 0.02, (1000, 5))]) < 0.05


def test_one_slow_repetition_is_the_only_outlier():
    assert outliers([100, 101, 99, 100, 60]).tolist() == [False] * 4 + [True]


def test_tiny_differences_among_even_repetitions_are_no_outliers():
    assert not outliers([100, 100, 100, 100, 101]).any()
