"""Chips and kinds of memory: facts of data sheets, nothing measured."""

from grid.hardware.chips.chip import PLATFORMS, Chip, Platform, target
from grid.hardware.chips.find import chips, find, matching
from grid.hardware.chips.usable import Usable, mac_share, usable_bytes

__all__ = [
    "PLATFORMS",
    "Chip",
    "Platform",
    "Usable",
    "chips",
    "find",
    "mac_share",
    "matching",
    "target",
    "usable_bytes",
]
