"""Stand-ins for what counts energy: a powercap tree, NVML that plays recorded values, and a counter
whose power is known."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from grid.hardware.energy import EnergyUnreadable, Scope

RANGE_UJ = 262_143_328_850


def write_zone(tree: Path, zone: str, name: str, uj: int, largest: int = RANGE_UJ) -> Path:
    """A zone of powercap as Linux shows it; returns its folder."""
    folder = tree / zone
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{uj}\n")
    (folder / "max_energy_range_uj").write_text(f"{largest}\n")
    return folder


def set_uj(folder: Path, uj: int) -> None:
    (folder / "energy_uj").write_text(f"{uj}\n")


class SteadyCounter:
    """Rises by `watts` a second in steps of `update_s`; unreadable from `fails_at` reads on."""

    error, longest_gap_s, update_s = 0.0, float("inf"), 0.0

    def __init__(
        self,
        watts: float,
        step_s: float = 0.002,
        scope: Scope = "cpu-package",
        name: str = "package-0",
        fails_at: float = math.inf,
        used: Sequence[int | None] = (None,),
        others: str = "",
    ) -> None:
        self.name, self.scope, self.watts = name, scope, watts
        self._step_s, self._fails_at, self._reads = step_s, fails_at, 0
        self._used, self._others = list(used), others

    def joules(self) -> float:
        self._reads += 1
        if self._reads > self._fails_at:
            raise EnergyUnreadable(f"{self.name} vanished")
        return self.watts * self._step_s * math.floor(time.perf_counter() / self._step_s)

    def used_bytes(self) -> int | None:
        return self._used.pop(0) if len(self._used) > 1 else self._used[0]

    def others_reason(self) -> str:
        return self._others


class NVMLError(Exception):
    pass


class RecordedNvml:
    """pynvml of one card or more that play values one after the other, the last for ever.

    `millijoules` None: the cards have no counter of energy, and state `milliwatts`.
    """

    NVMLError = NVMLError

    def __init__(
        self,
        millijoules: Sequence[Sequence[int]] | None = None,
        milliwatts: Sequence[Sequence[int]] = (),
        divided: bool = False,
        busy: int = 0,
        driver: bool = True,
    ) -> None:
        self._energy = None if millijoules is None else [list(card) for card in millijoules]
        self._power = [list(card) for card in milliwatts]
        self._divided, self._busy, self._driver = divided, busy, driver

    def nvmlInit(self) -> None:  # noqa: N802
        if not self._driver:
            raise NVMLError("Driver Not Loaded")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self._power if self._energy is None else self._energy)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetTotalEnergyConsumption(self, card: int) -> int:  # noqa: N802
        if self._energy is None:
            raise NVMLError("Not Supported")
        return _play(self._energy[card])

    def nvmlDeviceGetPowerUsage(self, card: int) -> int:  # noqa: N802
        return _play(self._power[card])

    def nvmlDeviceGetMigMode(self, card: int) -> tuple[int, int]:  # noqa: N802
        return int(self._divided), int(self._divided)

    def nvmlDeviceGetMemoryInfo(self, card: int) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(used=1000 + card)

    def nvmlDeviceGetUtilizationRates(self, card: int) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(gpu=self._busy, memory=0)


def _play(values: list[int]) -> int:
    return values.pop(0) if len(values) > 1 else values[0]
