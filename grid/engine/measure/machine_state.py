"""The machine around a speed cell: its own speed before and after, clocks, heat and throttling."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from grid.cells.measurement import DISTURBED
from grid.engine.measure.gpu_state import GpuWatch
from grid.engine.measure.machine_speed import (
    MachineSpeed,
    SpeedHistory,
    machine_speed,
    recent_machine_speed,
    slowdown,
    slower_share,
)
from grid.engine.measure.result import WorkloadResult, series

THROTTLES = Path("/sys/devices/system/cpu")
"""Where Linux counts how often a core slowed down for its heat."""


SHORT_S = 0.3
"""Seconds of a cell in which the machine does not change: the kernels run before it only."""


@dataclass(frozen=True, slots=True)
class _Watched:
    """A result with the kernels' runs before and after, in words what slowed the machine, and the
    share by which the slower kernel took longer than usual."""

    result: WorkloadResult
    speeds: tuple[MachineSpeed, ...]
    slowed: str
    slower: float
    took_s: float

    @property
    def reasons(self) -> tuple[str, ...]:
        """What disturbed its repetitions, and the machine."""
        return tuple(filter(None, (self.result.environment.get(DISTURBED), self.slowed)))

    @property
    def disturbance(self) -> tuple[int, float, float]:
        """Grows with how much it was disturbed, by what the system and the kernels say, not by its
        own times: choosing by these would choose the luckier run."""
        lost = [value for s in self.result.series if s.name == "lost_share" for value in s.values]
        return len(self.reasons), self.slower, sum(lost) / max(1, len(lost))


def measure_speed(
    run: Callable[[], WorkloadResult], budget_s: float, history: SpeedHistory | None = None
) -> WorkloadResult:
    """A speed workload's result with the state of the machine around it.

    Where the machine was slower than usual, the workload is run once again if its budget allows.
    The result of the run that was disturbed less stands, whichever is faster; where that was
    disturbed too, `disturbed` says by what.
    """
    history = history or SpeedHistory()
    watched = _watch(run, history)
    speeds = watched.speeds
    if watched.slowed and watched.took_s < budget_s / 2:
        first, second = watched, _watch(run, history)
        speeds = (*speeds, *second.speeds)
        if first.disturbance < second.disturbance:
            watched = _with_replaced(first, second)
        else:
            watched = _with_replaced(second, first)
    history.add(speeds[1::2])  # those before it may be of the cell before
    return _with_state(watched)


def _watch(run: Callable[[], WorkloadResult], history: SpeedHistory) -> _Watched:
    start = time.perf_counter()
    before, throttles, gpus = recent_machine_speed(), _throttle_count(), GpuWatch()
    began = time.perf_counter()
    try:
        result = run()
    finally:
        lasted_s = time.perf_counter() - began
        gpu = gpus.end()
    throttled = _throttle_count() - throttles
    after = machine_speed() if lasted_s >= SHORT_S else None
    speeds = tuple(speed for speed in (before, after) if speed is not None)
    reasons = [slowdown(speed, history.usual) for speed in speeds]
    if throttled > 0:
        reasons.insert(0, f"the CPU slowed down for its heat {throttled} times")
    reasons.insert(0, gpu.throttled)
    facts = {**result.environment, **_heat(), **gpu.environment}
    result = msgspec.structs.replace(result, environment=facts)
    slowed = next(filter(None, reasons), "")
    slower = max((slower_share(speed, history.usual) for speed in speeds), default=0.0)
    return _Watched(result, speeds, slowed, slower, time.perf_counter() - start)


def _with_replaced(standing: _Watched, replaced: _Watched) -> _Watched:
    """The run that stands, with the times of the other among those that were replaced."""
    by_name = {s.name: s for s in standing.result.series}
    for former in replaced.result.series:
        name = former.name if former.name.startswith("replaced_") else f"replaced_{former.name}"
        own = by_name[name].values if name in by_name else ()
        by_name[name] = series(name, former.unit, (*former.values, *own))
    reason = f"a whole measurement: {'; '.join(replaced.reasons)}"
    facts = {**standing.result.environment, "replaced": reason}
    result = msgspec.structs.replace(
        standing.result, series=tuple(by_name.values()), environment=facts
    )
    return dataclasses.replace(standing, result=result)


def _with_state(watched: _Watched) -> WorkloadResult:
    result, facts = watched.result, dict(watched.result.environment)
    if watched.reasons:
        facts[DISTURBED] = "; ".join(watched.reasons)
    if watched.speeds:
        facts["machine_compute_s"] = f"{max(speed.compute_s for speed in watched.speeds):.6f}"
    kernels = (
        series("machine_compute_s", "s", [speed.compute_s for speed in watched.speeds]),
        series("machine_memory_s", "s", [speed.memory_s for speed in watched.speeds]),
    )
    return msgspec.structs.replace(result, series=(*result.series, *kernels), environment=facts)


def _throttle_count() -> int:
    """How often a core slowed down for its heat since the system started; 0 where not counted."""
    total = 0
    for file in THROTTLES.glob("cpu[0-9]*/thermal_throttle/core_throttle_count"):
        try:
            total += int(file.read_text())
        except (OSError, ValueError):
            continue
    return total


def _heat() -> dict[str, str]:
    """The hottest sensor now, where the system shows any."""
    import psutil

    if not hasattr(psutil, "sensors_temperatures"):
        return {}
    sensors = psutil.sensors_temperatures().values()
    degrees = [sensor.current for group in sensors for sensor in group if sensor.current]
    return {"temperature_c": f"{max(degrees):.0f}"} if degrees else {}
