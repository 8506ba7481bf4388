"""Joules of an engine's calls, by the machine's own counters, and its power when it is idle."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple

from grid.engine.measure.disturbance import BUSY, DisturbanceWatch
from grid.hardware.energy import (
    EnergyCounter,
    EnergySource,
    EnergyUnreadable,
    Scope,
    energy_sources,
    scope_of,
)
from grid.units import MIB

IDLE_S = 1.5
"""Seconds that the idle machine is watched before an engine is loaded."""

IDLE_POLL_S = 0.005

IDLE_BLOCKS = 10
"""Means of power that an idle machine gives at most, each over whole updates of the counter."""

LEAST_IDLE_BLOCKS = 3

UPDATES = 10
"""A window lasts this many updates of its counter at least: its ends are wrong by one in all, which
is 10 % of the shortest window, and not in one direction."""

USED_BYTES = 64 * MIB
"""Memory that a card gained since before the engine was loaded, where the engine uses it."""


class EnergyReading(NamedTuple):
    """Seconds of `time.perf_counter` and the joules of each counter by its name."""

    at: float
    joules: dict[str, float]


class WindowEnergy(NamedTuple):
    """What the counters rose by, by their names, in a window of so many seconds."""

    seconds: float
    joules: dict[str, float]


class IdlePower(NamedTuple):
    """Means of a counter's power over blocks of time, and how often it is brought up to date."""

    watts: tuple[float, ...]
    update_s: float


class EnergyMeter:
    """The counters of one scope. Made before the engine is loaded, it watches the idle machine;
    later it is read around engine calls. `lack` says why there is no figure, empty where there is;
    `idle_lack` why there is none of the idle machine."""

    def __init__(
        self, scope: Scope, sources: Sequence[EnergySource], idle_s: float = IDLE_S
    ) -> None:
        self.scope = scope
        self.counters: list[EnergyCounter] = [c for source in sources for c in source.counters]
        self.lack = "" if self.counters else "; ".join(source.lack for source in sources)
        self.idle_lack, self.idle = "", dict[str, IdlePower]()
        self._lock = threading.Lock()
        self._used_before = {counter.name: counter.used_bytes() for counter in self.counters}
        if self.counters:
            self._watch_idle(idle_s)

    @classmethod
    def of_device(cls, device: str) -> EnergyMeter:
        """Of what computes on a device, as backends name it."""
        scope = scope_of(device)
        return cls(scope, energy_sources(scope))

    def read(self) -> EnergyReading | None:
        """The counters now; None, and `lack` from then on, where one cannot be read any more."""
        if self.lack:
            return None
        try:
            with self._lock:
                joules = {counter.name: counter.joules() for counter in self.counters}
        except EnergyUnreadable as error:
            self.lack = str(error)
            return None
        return EnergyReading(time.perf_counter(), joules)

    def since(self, before: EnergyReading | None) -> WindowEnergy | None:
        """What the counters rose by since a reading."""
        now = self.read()
        if before is None or now is None:
            return None
        joules = {name: now.joules[name] - before.joules[name] for name in before.joules}
        return WindowEnergy(now.at - before.at, joules)

    @contextmanager
    def kept_up(self) -> Iterator[None]:
        """Read the counters in the background as often as they need it: one that starts anew, or
        that is an integral of power, loses joules between two readings too far apart."""
        gap = min((counter.longest_gap_s for counter in self.counters), default=float("inf"))
        if gap == float("inf"):
            yield
            return
        ended = threading.Event()

        def poll() -> None:
            while not ended.wait(gap / 2):
                self.read()

        thread = threading.Thread(target=poll, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def used_counters(self) -> list[EnergyCounter]:
        """Those of what the engine runs on: every package, but of several cards those whose memory
        it took. Empty where it is not known which."""
        cards = [counter for counter in self.counters if counter.scope == "gpu"]
        if len(cards) < 2:
            return self.counters
        return [card for card in cards if self._gained_bytes(card) >= USED_BYTES]

    def shortest_window_s(self, counters: Sequence[EnergyCounter]) -> float:
        """Seconds that a window of these counters lasts at least."""
        return UPDATES * max(self.update_s(counter) for counter in counters)

    def update_s(self, counter: EnergyCounter) -> float:
        """How often a counter is brought up to date; `IDLE_S` where it was not seen to be."""
        watched = self.idle.get(counter.name)
        return counter.update_s or (watched.update_s if watched else IDLE_S)

    def idle_watts(self, counters: Sequence[EnergyCounter]) -> list[float]:
        """Power of the idle machine in sum, W, one for each block of time; none where one lacks."""
        if self.idle_lack or any(counter.name not in self.idle for counter in counters):
            return []
        blocks = zip(*(self.idle[counter.name].watts for counter in counters), strict=False)
        return [sum(watts) for watts in blocks]

    def _gained_bytes(self, card: EnergyCounter) -> int:
        before, now = self._used_before[card.name], card.used_bytes()
        return 0 if before is None or now is None else now - before

    def _watch_idle(self, seconds: float) -> None:
        others = next(filter(None, (counter.others_reason() for counter in self.counters)), "")
        watch, readings = DisturbanceWatch(), list[EnergyReading]()
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            if (reading := self.read()) is None:
                return
            readings.append(reading)
            time.sleep(IDLE_POLL_S)
        for counter in self.counters:
            power = idle_power([(r.at, r.joules[counter.name]) for r in readings])
            if power is None:
                self.idle_lack = f"{counter.name} hardly changed within {seconds:g} s"
            else:
                self.idle[counter.name] = power
        used = watch.read().others
        if used > BUSY:
            others = others or f"other programs used {used:.0%} of the machine"
        if others:
            self.idle_lack = f"the machine was not idle before the engine was loaded: {others}"


def idle_power(samples: Sequence[tuple[float, float]]) -> IdlePower | None:
    """From (seconds, joules) read often; None where the counter changed too seldom. Each mean is
    from one change of the counter to another, so that no update is cut."""
    changes = [now for before, now in pairwise(samples) if now[1] != before[1]]
    blocks = min(IDLE_BLOCKS, len(changes) - 1)
    if blocks < LEAST_IDLE_BLOCKS:
        return None
    ends = [changes[round(i * (len(changes) - 1) / blocks)] for i in range(blocks + 1)]
    watts = tuple((end[1] - start[1]) / (end[0] - start[0]) for start, end in pairwise(ends))
    update_s = (changes[-1][0] - changes[0][0]) / (len(changes) - 1)
    return IdlePower(watts, update_s)
