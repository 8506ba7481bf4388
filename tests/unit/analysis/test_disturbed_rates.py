"""What is believed of a rate whose measurement other programs disturbed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analysis_cases import variant

from grid.analysis.disturbed_rates import undisturbed_rate_draws
from grid.analysis.variant import Speed, Variant
from grid.results.statistics import between_runs, rate_interval

DRAWS = 4000


def measured(name: str, size: float, rate: float, lost: float = 0.0) -> Variant:
    """A variant of so many GiB with three repetitions at about a rate, token/s."""
    rates = rate * np.array([0.99, 1.0, 1.01])
    between = between_runs([lost] * 3)
    speed = Speed(
        rate_interval(rates, between), rates, 128, 0,
        between_sd=between.variance**0.5, between_degrees=between.degrees, lost=lost,
    )  # fmt: skip
    return replace(variant(name, size, {}), decode={0: speed})


def draws_of(variants: list[Variant], i: int) -> np.ndarray:
    logs = undisturbed_rate_draws(variants, i, "decode", DRAWS, np.random.default_rng(0))
    assert logs is not None
    return np.exp(logs)


def test_quiet_rate_is_believed_as_measured_with_the_spread_of_runs() -> None:
    draws = draws_of([measured("a", 1, 100)], 0)
    assert np.median(draws) == pytest.approx(100, rel=0.01)
    assert 0.01 < np.log(draws).std() < 0.04


def test_lost_time_raises_what_is_believed_and_makes_it_unsure() -> None:
    draws = draws_of([measured("a", 1, 50, lost=0.3)], 0)
    assert np.median(draws) == pytest.approx(50 / 0.7**2, rel=0.03)
    assert np.log(draws).std() > 0.2


def test_siblings_say_what_a_disturbed_rate_would_be() -> None:
    ladder = [measured("a", 1, 200), measured("b", 2, 25, lost=0.6), measured("c", 4, 50)]
    draws = draws_of(ladder, 1)
    assert np.median(draws) == pytest.approx(100, rel=0.15)
    assert np.log(draws).std() < 0.2
    assert (draws >= 75).mean() > 0.9  # a limit that it reaches when nothing disturbs it


def test_disturbed_siblings_and_other_models_say_nothing() -> None:
    lonely = draws_of([measured("b", 2, 25, lost=0.6)], 0)
    stranger = replace(measured("c", 4, 50), model="another")
    among = [measured("b", 2, 25, lost=0.6), measured("a", 1, 20, lost=0.6), stranger]
    assert draws_of(among, 0) == pytest.approx(lonely)


def test_without_a_rate_there_are_no_draws() -> None:
    bare = variant("a", 1, {})
    assert undisturbed_rate_draws([bare], 0, "decode", 10, np.random.default_rng(0)) is None
