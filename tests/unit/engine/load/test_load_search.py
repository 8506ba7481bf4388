"""The search for the largest rate, and what ends a series of loads, without a server."""

from __future__ import annotations

import numpy as np

from grid.cells.load import ServerLoad, Slo
from grid.engine.load.generator import Sent
from grid.engine.load.saturation import LoadOutcome, saturation
from grid.engine.load.search import PRECISION, RateBounds, RateTrial, verdict

NOTHING_SENT = Sent(begin=0, end=1, counted=[], others=[], lags_s=[])
SLO = Slo(ttft_s=0.5, attainment=0.9)


def tried(rate: float, decided: int) -> RateTrial:
    return RateTrial(rate, 100, 90, decided, NOTHING_SENT)


def searched(limit: float, first: float) -> RateBounds:
    """A search where every rate is decided rightly."""
    bounds, rate = RateBounds(), first
    for _ in range(60):
        bounds.add(tried(rate, 1 if rate <= limit else -1))
        following = bounds.next_rate()
        if following is None:
            return bounds
        rate = following
    raise AssertionError("the search does not end")


def test_a_search_from_either_side_ends_close_to_the_limit() -> None:
    for first in (0.5, 37.0, 2000.0):
        bounds = searched(37.0, first)
        assert bounds.best is not None
        assert bounds.high is not None
        assert bounds.best.rate <= 37.0 < bounds.high
        assert bounds.high / bounds.best.rate <= 1 + PRECISION


def test_a_rate_that_cannot_be_decided_is_bounded_from_both_sides() -> None:
    bounds = RateBounds()
    for rate, decided in ((10.0, 1), (40.0, -1), (20.0, 0)):
        bounds.add(tried(rate, decided))
    following = bounds.next_rate()
    assert following is not None
    assert 10 < following < 20 or 20 < following < 40
    assert bounds.best is not None
    assert bounds.best.rate == 10


def test_a_rate_above_a_missed_one_is_never_the_best() -> None:
    bounds = RateBounds()
    for rate, decided in ((10.0, 1), (20.0, -1), (30.0, 1)):
        bounds.add(tried(rate, decided))
    assert bounds.best is not None
    assert bounds.best.rate == 10


def test_a_verdict_is_given_only_where_it_is_sure() -> None:
    assert verdict([True] * 200, SLO) == 1
    assert verdict([True, False] * 100, SLO) == -1
    assert verdict([True] * 100 + [False] * 100, SLO) == 0  # it changed while it was watched
    assert verdict([True] * 5, SLO) == 0
    assert verdict([True] * 182 + [False] * 18, SLO) == 0


def test_a_wrong_verdict_is_rare_where_the_share_is_just_the_objective() -> None:
    """Two looks share the 5 %: one is wrong in at most 2.5 % of trials, on either side."""
    generator = np.random.default_rng(6)
    verdicts = [verdict(list(generator.random(400) < 0.9), SLO) for _ in range(1000)]
    assert verdicts.count(0) > 950


def outcome(load: ServerLoad, answers_per_s: float, saturated: float = 0.0) -> LoadOutcome:
    scalars = {"completed_in_window": 10 * answers_per_s, "window_s": 10.0, "saturated": saturated}
    return LoadOutcome(load, scalars)


def clients(count: int) -> ServerLoad:
    return ServerLoad(concurrency=count)


def test_more_clients_are_left_out_where_the_last_ones_brought_nothing() -> None:
    earlier = [outcome(clients(1), 10.0), outcome(clients(4), 10.2)]
    assert saturation(earlier, clients(16)) == "4 clients brought +2 % throughput"
    assert saturation([earlier[0], outcome(clients(4), 30.0)], clients(16)) == ""
    assert saturation(earlier[:1], clients(4)) == ""


def test_a_larger_rate_is_left_out_where_the_backlog_grew() -> None:
    slow = ServerLoad(arrivals="poisson", rate=2.0)
    fast = ServerLoad(arrivals="poisson", rate=4.0)
    assert "the backlog grew" in saturation([outcome(slow, 1.5, saturated=1.0)], fast)
    assert saturation([outcome(slow, 2.0)], fast) == ""
    assert saturation([outcome(slow, 1.5, saturated=1.0)], clients(4)) == ""
