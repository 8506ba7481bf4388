"""RepetitionRule: how many, why there are no more, and what becomes of disturbed ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from grid.cells.repetitions import MOST, repetition_rule
from grid.engine.measure import repeat as module
from grid.engine.measure.disturbance import Disturbance
from grid.engine.measure.repeat import EXTRA, Repeated, repeat

LONG_S = 1000.0
FIVE = repetition_rule(5, 0.0, LONG_S)
WITHIN_3_PERCENT = repetition_rule(5, 0.03, LONG_S)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Repeated[float]]:
    """Repeats times that are known, of which those at `disturbed` lost half of their time."""

    def repeated(times, rule, disturbed=lambda i: False, lost=lambda i: 0.5) -> Repeated[float]:
        numbers = count()

        class Watch:
            def read(self) -> Disturbance:
                i = next(numbers)
                return Disturbance(waited=lost(i)) if disturbed(i) else Disturbance()

        monkeypatch.setattr(module, "DisturbanceWatch", Watch)
        monkeypatch.setattr(module, "_wait_for_quiet", lambda limit_s: 0.0)
        source: Iterator[float] = iter(times) if isinstance(times, list) else times
        return repeat(lambda: next(source), float, rule)

    return repeated


def counted(repeated: Repeated[float]) -> list[float]:
    return [repetition.result for repetition in repeated.counted]


def test_fixed_number_is_exact_however_far_the_times_differ(run) -> None:
    repeated = run([1.0, 2.0, 1.0, 2.0, 1.0, 2.0], FIVE)
    assert counted(repeated) == [1.0, 2.0, 1.0, 2.0, 1.0]
    assert repeated.stopped == "5 repetitions, as asked"
    assert repeated.environment == {"stopped": "5 repetitions, as asked"}


def test_even_times_end_after_three(run) -> None:
    repeated = run([1.0, 1.001, 1.002, 9.9], WITHIN_3_PERCENT)
    assert len(repeated.counted) == 3
    assert repeated.stopped == "3 repetitions: the rate is known within 0.4%"


def test_uneven_times_end_at_the_most(run) -> None:
    repeated = run((1.0 + i % 2 for i in count()), WITHIN_3_PERCENT)
    assert len(repeated.counted) == MOST
    assert repeated.stopped == "20 repetitions, the most"


def test_without_time_the_fewest_are_made_in_any_case(run) -> None:
    rule = repetition_rule(5, 0.03, 0.0)
    repeated = run((1.0 + i % 2 for i in count()), rule)
    assert len(repeated.counted) == 3
    assert repeated.stopped == "3 repetitions: the time of 0 s was over"


def test_disturbed_repetitions_are_made_again_and_kept_apart(run) -> None:
    repeated = run([1.0, 5.0, 1.1, 6.0, 1.2, 1.3, 1.4], FIVE, disturbed=lambda i: i in (1, 3))
    assert counted(repeated) == [1.0, 1.1, 1.2, 1.3, 1.4]
    assert [repetition.result for repetition in repeated.replaced] == [5.0, 6.0]
    assert repeated.environment == {
        "stopped": "5 repetitions, as asked",
        "replaced": "2 disturbed repetitions",
    }
    lost = {series.name: series.values for series in repeated.series}
    assert lost == {"lost_share": (0.0,) * 5, "replaced_lost_share": (0.5, 0.5)}


@pytest.mark.parametrize(("calm", "count"), [(3, 3), (4, 4), (2, 6)])
def test_the_number_that_is_said_is_that_of_those_that_count(run, calm: int, count: int) -> None:
    """Of 12 tries in the time of the cell: the undisturbed where there are three, else half."""
    rule = repetition_rule(5, 0.03, LONG_S)

    def times() -> Iterator[float]:
        for i in range(12):
            if i == 11:
                clock[0] = 2 * LONG_S
            yield 1.0 + i % 3

    clock = [0.0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.time, "perf_counter", lambda: clock[0])
        repeated = run(times(), rule, disturbed=lambda i: i >= calm)
    assert len(repeated.counted) == count
    assert repeated.stopped == f"{count} repetitions: the time of 1000 s was over"


def test_slow_repetition_that_nothing_disturbed_counts(run) -> None:
    repeated = run([1.0, 9.0, 1.0, 1.0, 1.0], FIVE)
    assert 9.0 in counted(repeated)
    assert not repeated.replaced


def test_where_all_are_disturbed_those_that_lost_least_count_and_it_says_so(run) -> None:
    repeated = run(
        (float(i) for i in count(1)), FIVE, disturbed=lambda i: True, lost=lambda i: 0.9 - i / 100
    )
    assert counted(repeated) == [21.0, 22.0, 23.0, 24.0, 25.0]
    assert len(repeated.replaced) == EXTRA
    assert repeated.stopped == "5 repetitions: 25 of 25 were disturbed"
    assert repeated.environment["disturbed"] == (
        "5 of 5 repetitions were disturbed: "
        "the engine waited 70% of its time for a core that others used"
    )


@pytest.mark.parametrize(
    ("disturbance", "reason"),
    [
        (Disturbance(), ""),
        (Disturbance(waited=0.04, others=0.19, page_reads=20), ""),
        (Disturbance(waited=0.3, stolen=0.1), "the engine waited 30% of its time for a core"),
        (Disturbance(waited=0.01, stolen=0.1), "the host of this virtual machine took 10%"),
        (Disturbance(stopped=0.5), "the container's CPU limit stopped the engine 50%"),
        (Disturbance(others=0.5), "other programs used 50% of the machine"),
        (Disturbance(page_reads=900), "900 pages were read from the disk: memory was short"),
    ],
)
def test_reason_says_what_disturbed_most(disturbance: Disturbance, reason: str) -> None:
    assert disturbance.reason.startswith(reason)
    assert disturbance.disturbed == bool(reason)
    assert bool(disturbance.reason) == bool(reason)
