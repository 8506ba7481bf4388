"""The machine around a speed cell: its own speed before and after, clocks, heat and throttling."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from grid.engine.measure.gpu_state import gpu_state
from grid.engine.measure.machine_speed import (
    MachineSpeed,
    SpeedHistory,
    machine_speed,
    recent_machine_speed,
    slowdown,
)
from grid.engine.measure.result import WorkloadResult, series

THROTTLES = Path("/sys/devices/system/cpu")
"""Where Linux counts how often a core slowed down for its heat."""


SHORT_S = 0.3
"""Seconds of a cell in which the machine does not change: the kernels run before it only."""


@dataclass(frozen=True, slots=True)
class _Watched:
    """A result with the kernels' runs before and after, and in words what slowed the machine."""

    result: WorkloadResult
    speeds: tuple[MachineSpeed, ...]
    slowed: str
    took_s: float


def measure_speed(
    run: Callable[[], WorkloadResult], budget_s: float, history: SpeedHistory | None = None
) -> WorkloadResult:
    """A speed workload's result with the state of the machine around it.

    Where the machine was slower than usual, the workload is run once again if its budget allows;
    the second result stands if the machine was well then. Else `disturbed` says what slowed it.
    """
    history = history or SpeedHistory()
    watched = _watch(run, history)
    speeds = watched.speeds
    if watched.slowed and watched.took_s < budget_s / 2:
        first, watched = watched, _watch(run, history)
        speeds = (*speeds, *watched.speeds)
        watched = _with_replaced(first, watched)
    history.add(speeds[1::2])  # those before it may be of the cell before
    return _with_state(watched)


def _watch(run: Callable[[], WorkloadResult], history: SpeedHistory) -> _Watched:
    start = time.perf_counter()
    before, throttles = recent_machine_speed(), _throttle_count()
    began = time.perf_counter()
    result = run()
    lasted_s = time.perf_counter() - began
    gpu = gpu_state()
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
    return _Watched(result, speeds, slowed, time.perf_counter() - start)


def _with_replaced(first: _Watched, second: _Watched) -> _Watched:
    """The second, with the times of the first among those that were replaced."""
    by_name = {s.name: s for s in second.result.series}
    for former in first.result.series:
        name = former.name if former.name.startswith("replaced_") else f"replaced_{former.name}"
        before = by_name[name].values if name in by_name else ()
        by_name[name] = series(name, former.unit, (*former.values, *before))
    facts = {**second.result.environment, "replaced": f"a whole measurement: {first.slowed}"}
    result = msgspec.structs.replace(
        second.result, series=tuple(by_name.values()), environment=facts
    )
    return _Watched(result, second.speeds, second.slowed, second.took_s)


def _with_state(watched: _Watched) -> WorkloadResult:
    result, facts = watched.result, dict(watched.result.environment)
    if watched.slowed:
        facts["disturbed"] = "; ".join(filter(None, (facts.get("disturbed"), watched.slowed)))
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
