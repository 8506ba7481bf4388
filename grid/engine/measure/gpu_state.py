"""What NVIDIA's driver says of the cards beside a measurement: clocks, heat, throttling, before,
during and after it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import IO, NamedTuple

_QUERY = (
    "index",
    "temperature.gpu",
    "clocks.sm",
    "utilization.gpu",
    "clocks_throttle_reasons.active",
)
_TIMEOUT_S = 5

_INTERVAL_MS = 500
"""Between two readings while something is measured: they cost the card and this machine little."""

_BUSY_PERCENT = 50
"""Use of a card from which its clock is that of its work, not of its rest."""

_REASONS = {
    0x20: "its heat",
    0x40: "its heat",
    0x80: "its power supply",
    0x8: "a hardware limit",
}
"""Bits of nvmlClocksThrottleReasons that slow a card below what its settings allow. The power cap
(0x4) is no disturbance: large cards run at it by design."""

_PASSING = 0x8
"""The driver also reports this one for a moment while a clock changes, so that it takes two
readings."""


class GpuState(NamedTuple):
    """`environment` of the rows, with a value for each card; `throttled` says in words what slowed
    a card, empty where nothing did."""

    environment: dict[str, str]
    throttled: str


class GpuReading(NamedTuple):
    """A card at a moment; None where it does not say. `reasons` is the mask of what slows it."""

    degrees: int | None
    clock_mhz: int | None
    busy_percent: int | None
    reasons: int


class GpuWatch:
    """Reads the cards from its construction on; nothing without NVIDIA's tool."""

    def __init__(self) -> None:
        self._tool = shutil.which("nvidia-smi")
        self._before = self._read()
        self._output: IO[str] | None = None
        self._sampling = self._start_sampling() if self._before else None

    def end(self) -> GpuState:
        """What was seen before, since, and now."""
        during = ""
        if self._sampling is not None and self._output is not None:
            self._sampling.kill()
            self._sampling.wait()
            with self._output as output:
                output.seek(0)
                during = output.read().rpartition("\n")[0]
        after = self._read() if self._before else ""
        return parse_gpu_state("\n".join((self._before, during, after)))

    def _command(self) -> list[str]:
        query = f"--query-gpu={','.join(_QUERY)}"
        return [self._tool or "", query, "--format=csv,noheader,nounits"]

    def _read(self) -> str:
        if self._tool is None:
            return ""
        try:
            done = subprocess.run(
                self._command(), capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout if done.returncode == 0 else ""

    def _start_sampling(self) -> subprocess.Popen[str] | None:
        command = [*self._command(), f"--loop-ms={_INTERVAL_MS}"]
        with suppress(OSError):
            self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115
            return subprocess.Popen(
                command, stdout=self._output, stderr=subprocess.DEVNULL, text=True
            )
        return None


def parse_gpu_state(table: str) -> GpuState:
    """From lines of card, degrees, MHz, percent and the mask of what slows the clocks: one reading
    after the other."""
    readings = _readings(table)
    if not readings:
        return GpuState({}, "")
    facts = {
        "gpu_temperature_c": [_most(r.degrees for r in card) for card in readings.values()],
        "gpu_clock_mhz": [_working_clock(card) for card in readings.values()],
        "gpu_busy_percent": [_most(r.busy_percent for r in card) for card in readings.values()],
    }
    environment = {name: ", ".join(values) for name, values in facts.items()}
    return GpuState(environment, _throttled(readings))


def _readings(table: str) -> Mapping[str, list[GpuReading]]:
    """The readings of each card."""
    readings: defaultdict[str, list[GpuReading]] = defaultdict(list)
    for line in table.splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) == len(_QUERY):
            card, degrees, clock, busy, reasons = fields
            reading = GpuReading(_number(degrees), _number(clock), _number(busy), _mask(reasons))
            readings[card].append(reading)
    return readings


def _throttled(readings: Mapping[str, list[GpuReading]]) -> str:
    for card in readings.values():
        for bit, cause in _REASONS.items():
            count = sum(bool(reading.reasons & bit) for reading in card)
            if count > (bit == _PASSING):
                share = f"in {count} of {len(card)} readings"
                return f"the GPU slowed down for {cause} ({share})"
    return ""


def _working_clock(card: list[GpuReading]) -> str:
    """The lowest clock while it was busy; the last where it never was."""
    clocks = [r.clock_mhz for r in card if (r.busy_percent or 0) >= _BUSY_PERCENT]
    working = [clock for clock in clocks if clock is not None]
    last = card[-1].clock_mhz
    return str(min(working)) if working else "?" if last is None else str(last)


def _most(values: Iterable[int | None]) -> str:
    numbers = [value for value in values if value is not None]
    return str(max(numbers)) if numbers else "?"


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def _mask(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:  # such as [N/A]
        return 0
