"""The machine around a speed cell: slower than usual, hot, throttled."""

from __future__ import annotations

from pathlib import Path

import pytest

from grid.engine.measure import machine_state
from grid.engine.measure.machine_speed import (
    ENOUGH,
    LATEST,
    MachineSpeed,
    SpeedHistory,
    machine_speed,
    slowdown,
)
from grid.engine.measure.machine_state import measure_speed
from grid.engine.measure.result import WorkloadResult, series

USUAL = MachineSpeed(0.010, 0.020)
SLOW = MachineSpeed(0.015, 0.020)


@pytest.fixture
def history(tmp_path: Path) -> SpeedHistory:
    history = SpeedHistory(tmp_path / "speed.json")
    history.add([USUAL] * ENOUGH)
    return history


def measured_with(monkeypatch, speeds: list[MachineSpeed], history, budget_s=100.0):
    """A workload whose n-th run takes n s, with these runs of the kernels around."""
    source = iter(speeds)
    monkeypatch.setattr(machine_state, "recent_machine_speed", lambda: next(source))
    monkeypatch.setattr(machine_state, "machine_speed", lambda: next(source))
    monkeypatch.setattr(machine_state, "SHORT_S", 0.0)
    times = iter((1.0, 2.0))
    result = measure_speed(
        lambda: WorkloadResult(series=(series("decode_s", "s", [next(times)]),)), budget_s, history
    )
    return {s.name: s.values for s in result.series}, result.environment


def test_both_kernels_take_time() -> None:
    speed = machine_speed()
    assert speed is not None
    assert all(0 < seconds < 5 for seconds in speed)


def test_quiet_machine_is_measured_once(monkeypatch, history) -> None:
    values, facts = measured_with(monkeypatch, [USUAL, USUAL], history)
    assert values["decode_s"] == (1.0,)
    assert values["machine_compute_s"] == (0.010, 0.010)
    assert "disturbed" not in facts
    assert "replaced" not in facts


def test_machine_that_was_slow_for_a_while_is_measured_again(monkeypatch, history) -> None:
    values, facts = measured_with(monkeypatch, [SLOW, SLOW, USUAL, USUAL], history)
    assert values["decode_s"] == (2.0,)
    assert values["replaced_decode_s"] == (1.0,)
    assert facts["replaced"].startswith("a whole measurement: the machine computed 50% slower")
    assert "disturbed" not in facts


def test_machine_that_stays_slow_says_so(monkeypatch, history) -> None:
    values, facts = measured_with(monkeypatch, [SLOW] * 4, history)
    assert values["replaced_decode_s"] == (1.0,)
    assert facts["disturbed"].startswith("the machine computed 50% slower than usual")


SLOWER = MachineSpeed(0.030, 0.020)


def test_second_run_that_is_disturbed_more_does_not_stand(monkeypatch, history) -> None:
    values, facts = measured_with(monkeypatch, [USUAL, SLOW, SLOWER, SLOWER], history)
    assert values["decode_s"] == (1.0,)
    assert values["replaced_decode_s"] == (2.0,)
    assert values["machine_compute_s"] == (0.010, 0.015)
    assert facts["disturbed"].startswith("the machine computed 50% slower than usual")
    assert facts["replaced"].startswith("a whole measurement: the machine computed 200% slower")


def test_second_run_that_is_slow_for_itself_stands_where_the_machine_was_well(
    monkeypatch, history
) -> None:
    """The times themselves choose nothing."""
    values, facts = measured_with(monkeypatch, [SLOW, SLOW, USUAL, USUAL], history)
    assert values["decode_s"] == (2.0,)
    assert "disturbed" not in facts


def test_second_run_whose_repetitions_were_disturbed_is_weighed_too(monkeypatch, history) -> None:
    runs = iter(
        [
            WorkloadResult(series=(series("decode_s", "s", [1.0]),)),
            WorkloadResult(
                series=(series("decode_s", "s", [2.0]), series("lost_share", "1", [0.4])),
                environment={"disturbed": "1 of 1 repetitions were disturbed: others"},
            ),
        ]
    )
    speeds = iter([SLOW, SLOW, SLOW, SLOW])
    monkeypatch.setattr(machine_state, "recent_machine_speed", lambda: next(speeds))
    monkeypatch.setattr(machine_state, "machine_speed", lambda: next(speeds))
    monkeypatch.setattr(machine_state, "SHORT_S", 0.0)
    result = measure_speed(lambda: next(runs), 100.0, history)
    values = {s.name: s.values for s in result.series}
    assert values["decode_s"] == (1.0,)
    assert values["replaced_lost_share"] == (0.4,)
    assert result.environment["disturbed"].startswith("the machine computed 50% slower")
    assert "others" in result.environment["replaced"]


def test_without_time_a_slow_machine_is_not_measured_again(monkeypatch, history) -> None:
    values, facts = measured_with(monkeypatch, [SLOW, SLOW], history, budget_s=0.0)
    assert values["decode_s"] == (1.0,)
    assert "disturbed" in facts


def test_what_is_usual_takes_a_few_runs_to_know(tmp_path: Path) -> None:
    history = SpeedHistory(tmp_path / "speed.json")
    history.add([USUAL] * (ENOUGH - 1))
    assert history.usual is None
    assert slowdown(SLOW, history.usual) == ""


def test_history_keeps_the_latest_and_survives_damage(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "speed.json"
    SpeedHistory(path).add([SLOW] * LATEST)
    SpeedHistory(path).add([USUAL] * LATEST)
    assert SpeedHistory(path).usual == USUAL
    for damage in ("", "{}", "[[1]]", '[["a", 2]]', "[[0, NaN]]", "nonsense"):
        path.write_text(damage)
        assert SpeedHistory(path).usual is None
