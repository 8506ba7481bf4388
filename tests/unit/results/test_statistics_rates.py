"""Rates and times: exact values and the laws of their intervals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.results.statistics import rate_interval, time_interval

positive = st.floats(1e-3, 1e6)


def test_rate_interval_has_the_mean_and_the_sample_sd():
    interval = rate_interval([10.0, 20.0, 30.0])
    assert (interval.value, interval.sd, interval.n) == (20.0, 10.0, 3)


def test_rate_interval_is_student_t_on_logs():
    interval = rate_interval([math.exp(1), math.exp(2), math.exp(3)])
    half = 4.302652729696142 / math.sqrt(3)  # t(2) at 97.5 %
    assert interval.low == pytest.approx(math.exp(2 - half))
    assert interval.high == pytest.approx(math.exp(2 + half))


def test_one_repetition_has_a_value_and_no_interval():
    interval = rate_interval([7.0])
    assert (interval.value, interval.low, interval.high, interval.sd, interval.n) == (
        7.0,
        None,
        None,
        None,
        1,
    )


@pytest.mark.parametrize("rates", [[1.0, 0.0], [-1.0], [math.nan], [math.inf, 1.0], []])
def test_rates_that_are_not_positive_numbers_are_refused(rates):
    with pytest.raises(ValueError, match="rates"):
        rate_interval(rates)


def test_from_20_repetitions_the_interval_is_a_bootstrap_that_repeats_exactly():
    rates = np.random.default_rng(1).lognormal(3, 0.1, 20)
    interval = rate_interval(rates)
    assert "bootstrap" in interval.method
    assert "Student" in rate_interval(rates[:19]).method
    assert interval == rate_interval(rates)


def test_a_time_is_the_median_with_the_interval_of_the_median():
    interval = time_interval([1.0, 2.0, 9.0])
    assert interval.value == 2.0
    assert interval.low < math.exp(np.log([1, 2, 9]).mean()) < interval.high


@given(st.lists(positive, min_size=2, max_size=30), st.floats(0.1, 10))
def test_rate_interval_scales_with_the_rates(rates, factor):
    plain, scaled = rate_interval(rates), rate_interval([factor * rate for rate in rates])
    for name in ("value", "low", "high"):
        assert getattr(scaled, name) == pytest.approx(factor * getattr(plain, name), rel=1e-6)


@given(st.lists(positive, min_size=2, max_size=19), st.randoms())
def test_rate_interval_does_not_depend_on_the_order_of_repetitions(rates, random):
    shuffled = random.sample(rates, len(rates))
    plain, reordered = rate_interval(rates), rate_interval(shuffled)
    assert reordered.low == pytest.approx(plain.low)
    assert reordered.value == pytest.approx(plain.value)
