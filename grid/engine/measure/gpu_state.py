"""What NVIDIA's driver says of the cards beside a measurement: clocks, heat, throttling."""

from __future__ import annotations

import shutil
import subprocess
from typing import NamedTuple

_QUERY = ("temperature.gpu", "clocks.sm", "utilization.gpu", "clocks_throttle_reasons.active")
_TIMEOUT_S = 5

_REASONS = {
    0x8: "a hardware limit",
    0x20: "its heat",
    0x40: "its heat",
    0x80: "its power supply",
}
"""Bits of nvmlClocksThrottleReasons that slow a card below what its settings allow. The power cap
(0x4) is no disturbance: large cards run at it by design."""


class GpuState(NamedTuple):
    """`environment` of the rows; `throttled` says in words what slows a card, empty where nothing
    does."""

    environment: dict[str, str]
    throttled: str


def gpu_state() -> GpuState:
    """The cards now; empty without NVIDIA's tool."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return GpuState({}, "")
    command = [tool, f"--query-gpu={','.join(_QUERY)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return GpuState({}, "")
    return parse_gpu_state(done.stdout if done.returncode == 0 else "")


def parse_gpu_state(table: str) -> GpuState:
    """From lines of degrees, MHz, percent and the mask of what slows the clocks."""
    rows = [[field.strip() for field in line.split(",")] for line in table.splitlines()]
    rows = [row for row in rows if len(row) == len(_QUERY)]
    names = ("gpu_temperature_c", "gpu_clock_mhz", "gpu_busy_percent")
    facts = {name: ", ".join(row[i] for row in rows) for i, name in enumerate(names) if rows}
    for row in rows:
        for bit, cause in _REASONS.items():
            if _mask(row[-1]) & bit:
                return GpuState(facts, f"the GPU slowed down for {cause}")
    return GpuState(facts, "")


def _mask(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:  # such as [N/A]
        return 0
