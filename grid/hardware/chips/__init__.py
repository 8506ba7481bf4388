"""Chips and kinds of memory: facts from data sheets, nothing measured."""

from grid.hardware.chips.chip import PLATFORMS, Chip, Platform, budget_chip
from grid.hardware.chips.find import chips, find_chip, search_chips
from grid.hardware.chips.usable import UsableMemory, mac_share, usable_bytes

__all__ = [
    "PLATFORMS",
    "Chip",
    "Platform",
    "UsableMemory",
    "budget_chip",
    "chips",
    "find_chip",
    "mac_share",
    "search_chips",
    "usable_bytes",
]
