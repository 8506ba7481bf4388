"""Validity by simulation, seeded: do 95 % intervals cover?"""

import numpy as np
import pytest

from grid.results.statistics import Interval, chunk_mean, rate_interval, wilson_interval
from grid.results.statistics.resample import mean_bounds, percentile_bounds, student_bounds


def coverage(intervals: list[Interval], true: float) -> float:
    return float(np.mean([interval.low <= true <= interval.high for interval in intervals]))


def test_student_t_on_logs_covers_95_percent_of_median_rates_at_5_repetitions():
    rng = np.random.default_rng(0)
    intervals = [rate_interval(rates) for rates in rng.lognormal(4, 0.3, (4000, 5))]
    assert 0.93 <= coverage(intervals, np.exp(4)) <= 0.97


def test_a_percentile_bootstrap_of_5_repetitions_covers_too_little():
    rng = np.random.default_rng(0)
    bounds = [percentile_bounds(logs) for logs in rng.normal(4, 0.3, (500, 5))]
    assert np.mean([low <= 4 <= high for low, high in bounds]) < 0.89


def test_the_bootstrap_covers_at_20_repetitions():
    rng = np.random.default_rng(1)
    intervals = [rate_interval(rates) for rates in rng.lognormal(4, 0.3, (600, 20))]
    assert 0.90 <= coverage(intervals, np.exp(4)) <= 0.97


def correlated_tokens(
    rng: np.random.Generator, shape: tuple[int, int, int], spread: float
) -> np.ndarray:
    """Log-normal tokens: autocorrelated by 0.6, with a part common to a chunk."""
    noise = rng.standard_normal(shape)
    tokens = np.empty(shape)
    tokens[..., 0] = noise[..., 0]
    for at in range(1, shape[-1]):
        tokens[..., at] = 0.6 * tokens[..., at - 1] + 0.8 * noise[..., at]
    tokens += 0.5 * rng.standard_normal((*shape[:2], 1))
    return np.exp(spread * tokens)


NLL_LIKE, KLD_LIKE = 0.6, 1.5


@pytest.mark.parametrize(("spread", "least"), [(NLL_LIKE, 0.92), (KLD_LIKE, 0.89)])
def test_the_chunk_interval_covers_correlated_tokens_of_16_chunks(spread, least):
    values = correlated_tokens(np.random.default_rng(2), (500, 16, 127), spread)
    true = np.exp(spread**2 * 1.25 / 2)
    assert least <= coverage([chunk_mean(text) for text in values], true) <= 0.98


def test_the_standard_error_over_tokens_and_the_percentile_bootstrap_cover_less():
    values = correlated_tokens(np.random.default_rng(2), (500, 16, 127), KLD_LIKE)
    true = np.exp(KLD_LIKE**2 * 1.25 / 2)
    intervals = [chunk_mean(text) for text in values]
    tokens = np.mean([abs(interval.value - true) < 1.96 * interval.sd for interval in intervals])
    units = values.mean(axis=2)
    plain = np.mean([low <= true <= high for low, high in map(percentile_bounds, units)])
    student = np.mean([low <= true <= high for low, high in map(student_bounds, units)])
    assert tokens < 0.6
    assert plain < student < coverage(intervals, true)


def test_wilson_covers_shares_near_1_where_the_normal_interval_fails():
    rng = np.random.default_rng(4)
    right = rng.binomial(100, 0.98, 4000)
    intervals = [wilson_interval(count, 100) for count in right]
    assert 0.93 <= coverage(intervals, 0.98) <= 0.99
    share = right / 100
    half = 1.96 * np.sqrt(share * (1 - share) / 100)
    assert np.mean(np.abs(share - 0.98) <= half) < 0.90


def test_mean_bounds_of_equal_units_are_a_point_and_of_one_unit_none():
    assert mean_bounds(np.full(16, 0.5))[0] == (0.5, 0.5)
    assert mean_bounds([0.5])[0] is None
