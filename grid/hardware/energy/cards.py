"""Energy of cards, by the packages of their makers: NVIDIA's NVML and AMD's AMD SMI."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

from grid.hardware.energy.counter import EnergySource, EnergyUnreadable, Scope
from grid.units import MIB

POWER_ERROR = 0.05
"""NVML's documentation: a card's power is accurate to within 5 %."""

POWER_GAP_S = 0.1
"""Seconds between two samples of a card's power, at most, where it has no counter of energy."""

_BUSY_PERCENT = 5


class NvidiaCounter:
    """A card's own counter of energy, which Volta and later have; of older cards the integral of
    the power that they state, by the trapezoidal rule."""

    scope: Scope = "gpu"

    def __init__(self, nvml: Any, index: int) -> None:
        self._nvml, self._card = nvml, nvml.nvmlDeviceGetHandleByIndex(index)
        self.name = f"NVIDIA card {index}"
        self._refuse_shared()
        try:
            self._read_counter()
        except nvml.NVMLError:
            self.error, self.update_s, self.longest_gap_s = POWER_ERROR, POWER_GAP_S, POWER_GAP_S
            self._at, self._watts, self._sum = time.perf_counter(), self._read_watts(), 0.0
            self._read: Callable[[], float] = self._integrate
        else:
            self.error, self.update_s, self.longest_gap_s = 0.0, 0.0, float("inf")
            self._read = self._read_counter
        self._last = 0.0

    def joules(self) -> float:
        try:
            now = self._read()
        except self._nvml.NVMLError as error:
            raise EnergyUnreadable(f"{self.name}: {error}") from error
        if now < self._last:
            raise EnergyUnreadable(
                f"{self.name}: its counter started anew, as at a driver's reload"
            )
        self._last = now
        return now

    def used_bytes(self) -> int | None:
        try:
            return int(self._nvml.nvmlDeviceGetMemoryInfo(self._card).used)
        except self._nvml.NVMLError:  # a system on a chip has no memory of its own
            return None

    def others_reason(self) -> str:
        try:
            busy = int(self._nvml.nvmlDeviceGetUtilizationRates(self._card).gpu)
        except self._nvml.NVMLError:
            return ""
        return f"{self.name} was {busy} % busy" if busy > _BUSY_PERCENT else ""

    def _refuse_shared(self) -> None:
        try:
            current, _ = self._nvml.nvmlDeviceGetMigMode(self._card)
        except self._nvml.NVMLError:  # a card that cannot be divided
            return
        if current:
            raise EnergyUnreadable(f"{self.name} is divided (MIG): its counter is of all parts")

    def _read_counter(self) -> float:
        return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._card)) / 1e3

    def _read_watts(self) -> float:
        return float(self._nvml.nvmlDeviceGetPowerUsage(self._card)) / 1e3

    def _integrate(self) -> float:
        now, watts = time.perf_counter(), self._read_watts()
        self._sum += (now - self._at) * (watts + self._watts) / 2
        self._at, self._watts = now, watts
        return self._sum


def nvidia_source(module: Any = None) -> EnergySource:
    """The cards that NVML shows; `module` takes the place of nvidia-ml-py's `pynvml`."""
    try:
        nvml = module or importlib.import_module("pynvml")
    except ImportError:
        lack = "NVML is not importable in the engine's environment"
        return EnergySource("NVML", lack=lack, mend="uv pip install nvidia-ml-py")
    try:
        nvml.nvmlInit()
        counters = [NvidiaCounter(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
    except (nvml.NVMLError, EnergyUnreadable) as error:
        return EnergySource("NVML", lack=f"{error}")
    return EnergySource("NVML", counters, lack="" if counters else "NVML shows no card")


class AmdCounter:
    """A card's accumulator, in steps of `counter_resolution` uJ; Instinct cards have one."""

    scope: Scope = "gpu"
    error, update_s, longest_gap_s = 0.0, 0.0, float("inf")

    def __init__(self, smi: Any, card: Any, index: int) -> None:
        self._smi, self._card, self._last = smi, card, 0.0
        self.name = f"AMD card {index}"
        if self.joules() == 0:
            raise EnergyUnreadable(f"{self.name} has no counter of energy")

    def joules(self) -> float:
        try:
            count = self._smi.amdsmi_get_energy_count(self._card)
        except self._smi.AmdSmiException as error:
            raise EnergyUnreadable(f"{self.name}: {error}") from error
        steps = count.get("energy_accumulator", count.get("power"))  # its name before ROCm 6.4
        now = float(steps) * float(count["counter_resolution"]) / 1e6
        if now < self._last:
            raise EnergyUnreadable(f"{self.name}: its counter started anew")
        self._last = now
        return now

    def used_bytes(self) -> int | None:
        try:
            return int(self._smi.amdsmi_get_gpu_vram_usage(self._card)["vram_used"]) * MIB
        except self._smi.AmdSmiException:
            return None

    def others_reason(self) -> str:
        return ""


def amd_source(module: Any = None) -> EnergySource:
    """The cards that AMD SMI shows; `module` takes the place of ROCm's `amdsmi`."""
    try:
        smi = module or importlib.import_module("amdsmi")
    except Exception:  # without ROCm's library it fails as it likes
        return EnergySource("AMD SMI", lack="ROCm's Python package amdsmi is not importable")
    try:
        smi.amdsmi_init()
        cards = smi.amdsmi_get_processor_handles()
        counters = [AmdCounter(smi, card, index) for index, card in enumerate(cards)]
    except (smi.AmdSmiException, EnergyUnreadable) as error:
        return EnergySource("AMD SMI", lack=f"{error}")
    return EnergySource("AMD SMI", counters, lack="" if counters else "AMD SMI shows no card")
