"""Which counters a machine has for what an engine computes on."""

from __future__ import annotations

import platform
from collections.abc import Sequence

from grid.hardware.energy.apple import apple_source
from grid.hardware.energy.cards import amd_source, nvidia_source
from grid.hardware.energy.counter import EnergySource, Scope
from grid.hardware.energy.rapl import rapl_source


def scope_of(device: str) -> Scope:
    """What energy counts on a device (`cpu`, `cuda:1`, `metal`): the part that computes."""
    if platform.system() == "Darwin":
        return "soc"
    return "cpu-package" if device.partition(":")[0] == "cpu" else "gpu"


def energy_sources(scope: Scope) -> Sequence[EnergySource]:
    """Where joules of that scope can come from, and the memory's beside a package's."""
    if scope == "soc":
        return (apple_source(),)
    if scope == "cpu-package":
        return (rapl_source(),)
    nvidia = nvidia_source()
    return (nvidia,) if nvidia.counters else (nvidia, amd_source())
