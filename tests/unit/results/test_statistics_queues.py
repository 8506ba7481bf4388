"""Requests in one queue are alike: their intervals hold what they say all the same."""

from __future__ import annotations

import numpy as np
import pytest

from grid.results.statistics.queues import queue_quantile, queue_share, window_rate

RUNS, REQUESTS, ALIKE = 400, 1000, 0.7


def correlated(generator: np.random.Generator, requests: int) -> np.ndarray:
    """Times [requests] whose logs follow an autoregression: neighbours are alike."""
    noise = generator.normal(size=requests) * np.sqrt(1 - ALIKE**2)
    logs = np.empty(requests)
    logs[0] = generator.normal()
    for place in range(1, requests):
        logs[place] = ALIKE * logs[place - 1] + noise[place]
    return np.exp(logs)


def test_the_interval_of_a_median_holds_the_true_one_where_neighbours_are_alike() -> None:
    """The median of exp(N(0, 1)) is 1. Requests taken as independent would hold it in 59 % of the
    runs: the variance of a mean is (1 + 0.7) / (1 - 0.7) times as large."""
    generator = np.random.default_rng(4)
    held = 0
    for _ in range(RUNS):
        interval = queue_quantile(correlated(generator, REQUESTS), 0.5)
        assert interval.low is not None
        assert interval.high is not None
        held += interval.low <= 1.0 <= interval.high
    assert held / RUNS > 0.92


def test_the_interval_of_a_share_holds_the_true_one_where_neighbours_are_alike() -> None:
    generator = np.random.default_rng(5)
    held = 0
    for _ in range(RUNS):
        interval = queue_share(correlated(generator, REQUESTS) <= 1.0)
        assert interval.low is not None
        assert interval.high is not None
        held += interval.low <= 0.5 <= interval.high
    assert held / RUNS > 0.92


def test_few_requests_are_taken_as_independent_and_that_is_said() -> None:
    assert "independent" in queue_quantile([0.1, 0.2, 0.3], 0.5).method
    assert "independent" in queue_share([True, False, True]).method


def test_a_rate_is_what_came_in_the_window() -> None:
    ends = np.arange(0.05, 20.0, 0.1)  # 10 a second, half of them after the window
    rate = window_rate(ends, np.full(len(ends), 4.0), 10.0)
    assert rate is not None
    assert rate.value == pytest.approx(40.0)
    assert rate.n == 100
    assert window_rate(ends[:10], np.ones(10), 10.0) is None
