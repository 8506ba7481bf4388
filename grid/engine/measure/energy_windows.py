"""Energy of what was timed: of its repetitions, or of longer windows where these are too short for
the counter."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from grid.cells.measurement import Series
from grid.cells.repetitions import RepetitionRule
from grid.engine.measure.energy import EnergyMeter, WindowEnergy
from grid.engine.measure.repeat import Repetition, repeat
from grid.engine.measure.result import series
from grid.hardware.energy import EnergyCounter

WINDOWS = 5
"""Windows where the repetitions are too short."""

SLACK = 1.2
"""A window is planned longer by this factor than it has to be: passes differ."""


class TimedPass(NamedTuple):
    """Seconds of one pass, and the energy of it where that is counted."""

    seconds: float
    energy: WindowEnergy | None = None


class Window(NamedTuple):
    """What was counted over so many tokens."""

    tokens: int
    energy: WindowEnergy


class EnergyResult(NamedTuple):
    """What of it the rows have: series of the windows and of the idle machine, and the facts."""

    series: tuple[Series, ...] = ()
    environment: Mapping[str, str] = MappingProxyType({})


def energy_of(
    kind: str,
    tokens: int,
    counted: Sequence[Repetition[TimedPass]],
    run_pass: Callable[[], TimedPass],
    meter: EnergyMeter | None,
    budget_s: float,
) -> EnergyResult:
    """Joules, seconds and tokens of each window, of `tokens` a pass, as series of a `kind`.

    `run_pass` is called again where the repetitions that count are shorter than the counter needs,
    for `budget_s` at most. Where there is no figure `energy_lack` says why.
    """
    if meter is None:
        return EnergyResult()
    counters = [] if meter.lack else meter.used_counters()
    if not counters:
        lack = meter.lack or "it is not known which of the cards the engine uses"
        return EnergyResult(environment={"energy_lack": lack})
    least_s = meter.shortest_window_s(counters)
    windows = [Window(tokens, r.result.energy) for r in counted if r.result.energy is not None]
    if min(r.seconds for r in counted) < least_s:
        if WINDOWS * SLACK * least_s > budget_s:
            shortest = f"{min(r.seconds for r in counted):.3g} s"
            lack = (
                f"a repetition of {shortest} is too short for a counter that needs {least_s:.3g} s,"
                f" and {WINDOWS} windows of that do not fit in {budget_s:g} s"
            )
            return EnergyResult(environment={"energy_lack": lack})
        windows = _longer_windows(tokens, counted, run_pass, meter, least_s, budget_s)
    if meter.lack:  # a counter was lost meanwhile: none of its figures is trusted
        return EnergyResult(environment={"energy_lack": meter.lack})
    return EnergyResult(_series(kind, windows, counters, meter), _facts(windows, counters, meter))


def _longer_windows(
    tokens: int,
    counted: Sequence[Repetition[TimedPass]],
    run_pass: Callable[[], TimedPass],
    meter: EnergyMeter,
    least_s: float,
    budget_s: float,
) -> list[Window]:
    passes = math.ceil(SLACK * least_s / min(r.seconds for r in counted))

    def once() -> WindowEnergy | None:
        before = meter.read()
        for _ in range(passes):
            run_pass()
        return meter.since(before)

    rule = RepetitionRule(WINDOWS, WINDOWS, 0.0, budget_s)
    done = repeat(once, lambda energy: energy.seconds if energy else 0.0, rule)
    energies = [repetition.result for repetition in done.counted]
    return [Window(tokens * passes, energy) for energy in energies if energy is not None]


def _series(
    kind: str, windows: Sequence[Window], counters: Sequence[EnergyCounter], meter: EnergyMeter
) -> tuple[Series, ...]:
    main = [counter.name for counter in counters if counter.scope == meter.scope]
    memory = [counter.name for counter in counters if counter.scope == "dram"]
    result = [
        series(f"{kind}_energy_j", "J", [_sum(window, main) for window in windows]),
        series(f"{kind}_energy_s", "s", [window.energy.seconds for window in windows]),
        series(f"{kind}_energy_tokens", "token", [window.tokens for window in windows]),
    ]
    if memory:
        joules = [_sum(window, memory) for window in windows]
        result.append(series(f"{kind}_dram_energy_j", "J", joules))
    idle = meter.idle_watts([counter for counter in counters if counter.scope == meter.scope])
    return (*result, series("idle_w", "W", idle)) if idle else tuple(result)


def _sum(window: Window, names: Sequence[str]) -> float:
    return sum(window.energy.joules[name] for name in names)


def _facts(
    windows: Sequence[Window], counters: Sequence[EnergyCounter], meter: EnergyMeter
) -> dict[str, str]:
    main = [counter for counter in counters if counter.scope == meter.scope]
    shortest = min(window.energy.seconds for window in windows)
    update_s = max(meter.update_s(counter) for counter in main)
    error = max(counter.error for counter in main)
    return {
        "energy_scope": meter.scope,
        "energy_counters": ", ".join(counter.name for counter in main),
        "energy_method": "integral of sampled power" if error else "energy counter",
        "energy_update_s": f"{update_s:.3g}",
        "energy_window_s": f"{shortest:.3g}",
        "energy_error": f"{error + update_s / shortest:.2g}",
        **({"idle_lack": meter.idle_lack} if meter.idle_lack else {}),
    }
