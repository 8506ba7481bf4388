"""Counters of energy that a machine has: RAPL of CPUs, NVML and AMD SMI of cards, Apple's chips.

A counter says joules; what cannot be read says why, and no figure takes its place.
"""

from grid.hardware.energy.counter import (
    EnergyCounter,
    EnergySource,
    EnergyUnreadable,
    Scope,
)
from grid.hardware.energy.sources import energy_sources, scope_of

__all__ = [
    "EnergyCounter",
    "EnergySource",
    "EnergyUnreadable",
    "Scope",
    "energy_sources",
    "scope_of",
]
