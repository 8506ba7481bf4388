"""Intervals of repetitions that were stopped by their own width, and of other runs' means."""

from __future__ import annotations

import numpy as np
import pytest

from grid.cells.measurement import Measurement, Series
from grid.cells.repetitions import FEWEST, LEVEL, MOST, relative_half_width, repetition_rule
from grid.cells.workload import Decode
from grid.results.derive import metrics_of
from grid.results.statistics import BetweenRuns, between_runs, earlier_runs, rate_interval
from grid.results.statistics.interval import t_quantile
from grid.results.statistics.runs import QUIET_SD

RUNS = 4000
PRECISION = 0.03


@pytest.mark.parametrize("n", [2, 3, 5, 20])
def test_half_width_is_that_of_student_t(n: int) -> None:
    times = np.exp(np.random.default_rng(n).normal(0, 0.1, n))
    error = np.log(times).std(ddof=1) / n**0.5
    expected = np.expm1(t_quantile(n - 1, LEVEL) * error)
    assert relative_half_width(times.tolist()) == pytest.approx(expected, rel=1e-4)


def stopped_coverage(spread: float, level: float) -> float:
    """Share of runs whose Student's t interval has the truth, 0, at the first of 3 to 20
    repetitions at which it is as narrow as asked."""
    logs = np.random.default_rng(7).normal(0, spread, (RUNS, MOST))
    covered = np.zeros(RUNS, dtype=bool)
    running = np.ones(RUNS, dtype=bool)
    for n in range(FEWEST, MOST + 1):
        mean, error = logs[:, :n].mean(axis=1), logs[:, :n].std(axis=1, ddof=1) / n**0.5
        half = t_quantile(n - 1, level) * error
        ends = running & ((np.expm1(half) <= PRECISION) | (n == MOST))
        covered[ends] = np.abs(mean[ends]) <= half[ends]
        running &= ~ends
    return float(covered.mean())


@pytest.mark.parametrize("spread", [0.005, 0.01, 0.02, 0.03, 0.05, 0.08])
def test_interval_that_stopped_its_repetitions_covers(spread: float) -> None:
    assert stopped_coverage(spread, LEVEL) > 0.945


def test_looking_after_each_repetition_costs_coverage_without_a_correction() -> None:
    assert stopped_coverage(0.05, 0.95) < 0.92


@pytest.mark.parametrize("n", [3, 5, 20])
@pytest.mark.parametrize("within", [0.005, 0.05])
def test_interval_covers_the_mean_of_another_run(n: int, within: float) -> None:
    random = np.random.default_rng(n)
    runs = random.normal(0, 0.04, (2, 1500, 1)) + random.normal(0, within, (2, 1500, n))
    between = BetweenRuns(0.04**2, 1e6)
    bounds = [rate_interval(rates, between) for rates in np.exp(runs[0])]
    means = np.exp(runs[1]).mean(axis=1)
    hits = [b.low <= mean <= b.high for b, mean in zip(bounds, means, strict=True)]
    assert 0.93 < np.mean(hits) < 0.98


def test_quiet_machine_has_the_spread_of_quiet_machines() -> None:
    assert between_runs([0.0, 0.0], [[1.0, 1.0]]).variance ** 0.5 == pytest.approx(
        QUIET_SD, rel=0.06
    )
    interval = rate_interval([100.0, 100.1, 99.9], between_runs([0, 0, 0]))
    assert interval.high / interval.low < 1.12


def test_lost_time_widens_the_interval() -> None:
    rates = [100.0, 101.0, 99.0]
    widths = []
    for lost in (0.0, 0.1, 0.3, 0.6):
        interval = rate_interval(rates, between_runs([lost] * 3))
        widths.append(interval.high / interval.low)
    assert widths == sorted(widths)
    assert widths[-1] > 3


def test_one_noisy_kernel_is_not_the_machine() -> None:
    assert (
        between_runs((), [[1.0, 1.0], [1.0, 1.4]]).variance
        == between_runs((), [[1.0, 1.0]]).variance
    )


def test_machine_that_changed_its_speed_widens_the_interval() -> None:
    assert between_runs((), [[1.0, 1.3], [1.0, 1.4]]).variance > 2 * between_runs().variance


def test_earlier_runs_are_pooled_over_cells() -> None:
    history = earlier_runs([[0.0, 0.2], [1.0, 1.2, 1.1], [5.0]])
    assert history is not None
    assert history.degrees == 3
    assert history.variance == pytest.approx((0.02 + 0.02) / 3)
    assert earlier_runs([[1.0], []]) is None


def test_metrics_of_a_disturbed_run_say_what_it_lost() -> None:
    measurement = Measurement(
        cell_id="c",
        status="ok",
        scalars={"earlier_run_sd": 0.2, "earlier_run_degrees": 100.0},
        series=(
            Series("decode_s", "s", (1.0, 1.1, 1.0)),
            Series("lost_share", "1", (0.5, 0.5, 0.5)),
        ),
    )
    metrics = {m.name: m for m in metrics_of("decode", Decode(128), measurement)}
    assert metrics["decode_tps"].value == pytest.approx(np.mean([128, 128 / 1.1, 128]))
    assert metrics["lost_share"].value == pytest.approx(0.5)
    assert metrics["between_run_sd"].value > 0.2
    assert metrics["between_run_sd"].n > 100


def test_fixed_number_has_no_precision() -> None:
    assert repetition_rule(5, 0.0, 20.0).is_fixed
    assert repetition_rule(5, 0.03, 20.0)[:2] == (FEWEST, MOST)
