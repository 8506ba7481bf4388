"""Memory that machines without one fixed size are sold with, GiB."""

from __future__ import annotations

import re

from grid.hardware.chips import Chip
from grid.units import GIB

_DESKTOP = (8, 16, 32, 48, 64, 96, 128, 192)
_SERVER_CHANNEL = (16, 32, 64, 128)
"""Modules of a server's channel, one in each."""

_CHANNELS = re.compile(r"(\d+) channels?")


def memory_sizes(chip: Chip) -> tuple[int, ...]:
    """Bytes of memory that the chip is sold with, ascending; its own where it has one."""
    if chip.memory_bytes is not None:
        return (chip.memory_bytes,)
    if chip.memory_options:
        return chip.memory_options
    return tuple(size * GIB for size in _sizes(chip))


def _sizes(chip: Chip) -> tuple[int, ...]:
    match = _CHANNELS.search(chip.name)
    channels = int(match[1]) if match else 2
    if channels <= 2:
        return _DESKTOP
    return tuple(channels * size for size in _SERVER_CHANNEL)
