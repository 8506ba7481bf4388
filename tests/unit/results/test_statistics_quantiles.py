"""Quantiles with order-statistic intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.results.statistics import median_interval, quantile_interval


def test_the_median_of_ten_lies_between_the_2nd_and_9th():
    # P(X_(2) > median) = P(Binomial(10, 1/2) <= 1) = 11/1024, and 3rd would be 56/1024.
    interval = median_interval(range(1, 11))
    assert (interval.value, interval.low, interval.high, interval.n) == (5.5, 2.0, 9.0, 10)


def test_five_samples_give_no_interval_of_the_median_and_six_do():
    assert median_interval(range(5)).low is None
    assert (median_interval(range(6)).low, median_interval(range(6)).high) == (0.0, 5.0)


def test_a_bound_that_few_samples_cannot_give_is_none():
    assert quantile_interval(range(367), 0.99).high is None
    assert quantile_interval(range(367), 0.99).low is not None
    assert quantile_interval(range(368), 0.99).high == 367.0


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_quantile_interval_covers_95_percent_of_a_skewed_distribution(q):
    rng = np.random.default_rng(3)
    true = -np.log(1 - q)
    intervals = [quantile_interval(rng.exponential(size=400), q) for _ in range(400)]
    assert np.mean([x.low <= true <= x.high for x in intervals]) >= 0.93


@pytest.mark.parametrize("q", [0.0, 1.0, 1.5])
def test_a_quantile_outside_0_to_1_is_refused(q):
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile_interval([1.0], q)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.floats(0.01, 0.99))
def test_quantile_interval_encloses_its_value(samples, q):
    interval = quantile_interval(samples, q)
    assert interval.low is None or min(samples) <= interval.low <= interval.value
    assert interval.high is None or interval.value <= interval.high <= max(samples)
