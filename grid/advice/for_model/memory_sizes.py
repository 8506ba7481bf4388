"""Memory that machines without one fixed size are sold with, GiB."""

from __future__ import annotations

import re

from grid.hardware.chips import Chip
from grid.units import GIB

_MAC: dict[str, tuple[int, ...]] = {
    "M1": (8, 16), "M1 Pro": (16, 32), "M1 Max": (32, 64), "M1 Ultra": (64, 128),
    "M2": (8, 16, 24), "M2 Pro": (16, 32), "M2 Max": (32, 64, 96), "M2 Ultra": (64, 128, 192),
    "M3": (8, 16, 24), "M3 Pro": (18, 36), "M3 Max (30)": (36, 96), "M3 Max (40)": (48, 64, 128),
    "M3 Ultra": (96, 256, 512), "M4": (16, 24, 32), "M4 Pro": (24, 48, 64),
    "M4 Max (32)": (36,), "M4 Max (40)": (48, 64, 128), "M5": (16, 24, 32),
    "M5 Pro": (24, 48, 64), "M5 Max": (36, 48, 64, 128),
}  # fmt: skip
"""Apple's technical specifications of the Macs with each chip."""

_DESKTOP = (8, 16, 32, 48, 64, 96, 128, 192)
_SERVER_CHANNEL = (16, 32, 64, 128)
"""Modules of a server's channel, one in each."""

_CHANNELS = re.compile(r"(\d+) channels?")


def memory_sizes(chip: Chip) -> tuple[int, ...]:
    """Bytes of memory that the chip is sold with, ascending; its own where it has one."""
    if chip.memory_bytes is not None:
        return (chip.memory_bytes,)
    return tuple(size * GIB for size in _sizes(chip))


def _sizes(chip: Chip) -> tuple[int, ...]:
    plain = chip.name.removeprefix("Apple ")
    if chip.platform == "metal":
        return _MAC.get(plain) or _MAC.get(plain.partition(" (")[0]) or _DESKTOP
    match = _CHANNELS.search(chip.name)
    channels = int(match[1]) if match else 2
    if channels <= 2:
        return _DESKTOP
    return tuple(channels * size for size in _SERVER_CHANNEL)
