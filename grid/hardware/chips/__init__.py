"""Chips and kinds of memory: facts from data sheets, nothing measured."""

from grid.hardware.chips.budget import CARD_BANDWIDTH, chip_of_budget
from grid.hardware.chips.chip import PLATFORMS, Chip, Platform, budget_chip
from grid.hardware.chips.choose import SeveralChips, describe
from grid.hardware.chips.find import find_chip, named_chip, possible_chips
from grid.hardware.chips.match import chips, search_chips
from grid.hardware.chips.usable import UsableMemory, mac_share, usable_bytes

__all__ = [
    "CARD_BANDWIDTH",
    "PLATFORMS",
    "Chip",
    "Platform",
    "SeveralChips",
    "UsableMemory",
    "budget_chip",
    "chip_of_budget",
    "chips",
    "describe",
    "find_chip",
    "mac_share",
    "named_chip",
    "possible_chips",
    "search_chips",
    "usable_bytes",
]
