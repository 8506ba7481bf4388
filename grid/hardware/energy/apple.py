"""Energy of Apple's chips, without root: IOReport's counters by the package zeus-apple-silicon.

They are Apple's model of what the parts drew, not a sensor's readings.
"""

from __future__ import annotations

import importlib
from typing import Any

from grid.hardware.energy.counter import EnergySource, EnergyUnreadable, Scope

_PARTS = ("cpu_total_mj", "gpu_mj", "gpu_sram_mj", "dram_mj", "ane_mj")
"""Parts of the chip that do not overlap."""

_NEEDED = ("cpu_total_mj", "gpu_mj")


class AppleCounter:
    """The chip's parts in sum. A part that the chip does not count is not in it."""

    name, error, update_s, longest_gap_s = "Apple's chip", 0.0, 0.0, float("inf")
    scope: Scope = "soc"

    def __init__(self, monitor: Any) -> None:
        self._monitor = monitor
        self._parts = tuple(name for name, value in self._counts().items() if value is not None)
        lacking = sorted({*_NEEDED} - {*self._parts})
        if lacking:
            raise EnergyUnreadable(f"IOReport does not count {', '.join(lacking)} on this chip")

    def joules(self) -> float:
        counts = self._counts()
        values = [counts[name] for name in self._parts]
        if None in values:
            raise EnergyUnreadable("IOReport stopped counting a part of the chip")
        return float(sum(values)) / 1e3

    def _counts(self) -> dict[str, Any]:
        try:
            counts = self._monitor.get_cumulative_energy()
        except RuntimeError as error:
            raise EnergyUnreadable(f"IOReport: {error}") from error
        return {name: getattr(counts, name) for name in _PARTS}

    def used_bytes(self) -> int | None:
        return None

    def others_reason(self) -> str:
        return ""


def apple_source(module: Any = None) -> EnergySource:
    """The chip; `module` takes the place of `zeus_apple_silicon`."""
    try:
        monitor = (module or importlib.import_module("zeus_apple_silicon")).AppleEnergyMonitor()
    except ImportError:
        lack = "zeus_apple_silicon is not importable in the engine's environment"
        return EnergySource("IOReport", lack=lack, mend="uv pip install zeus-apple-silicon")
    except RuntimeError as error:
        return EnergySource("IOReport", lack=f"IOReport: {error}")
    try:
        return EnergySource("IOReport", [AppleCounter(monitor)])
    except EnergyUnreadable as error:
        return EnergySource("IOReport", lack=str(error))
