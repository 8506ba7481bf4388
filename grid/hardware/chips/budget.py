"""What chip a memory and a bandwidth are likely those of."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from grid.hardware.chips.chip import Chip, budget_chip
from grid.hardware.chips.match import chips, is_unusual
from grid.units import GIB

CARD_BANDWIDTH = 200e9
"""Bytes/s from which a bare budget is taken to be a card: desktops and laptops are below."""
CARD_RATIO = 10e9
"""Bytes/s for each GiB that every card exceeds; memory that a system shares is slower for its
size."""
_SAME_BANDWIDTH = 0.012
_LISTED = 4


def chip_of_budget(memory_bytes: int, bandwidth_bytes_s: float, platform: str | None) -> Chip:
    """A chip with this memory and bandwidth, and in its notes what was assumed.

    Where those of the catalogue with both are of one maker and generation, it has their facts;
    else `platform` (None: that of such chips, or as the bandwidth is usual for) is all that is
    known. Raises InputError where a size is not above zero.
    """
    alike = _alike(memory_bytes, bandwidth_bytes_s, platform)
    if alike and len({(chip.vendor, chip.generation) for chip in alike}) == 1:
        first, *others = alike
        others_text = (
            f"; it may be {', '.join(chip.name for chip in others[:_LISTED])}" if others else ""
        )
        note = f"taken for {first.name}, which has that memory and bandwidth{others_text}"
        computes_through = platform or first.platform
        notes = (*first.notes, note)
        return replace(first, platform=computes_through, memory_bytes=memory_bytes, notes=notes)
    platforms = {chip.platform for chip in alike}
    shared = bandwidth_bytes_s < CARD_RATIO * memory_bytes / GIB
    usual = "cpu" if bandwidth_bytes_s < CARD_BANDWIDTH else "vulkan" if shared else "cuda"
    likely = platform or (platforms.pop() if len(platforms) == 1 else usual)
    why = "taken from its bandwidth; --platform says otherwise"
    if platform is not None:
        why = "as asked"
    elif likely != usual:
        why = f"as of {', '.join(chip.name for chip in alike[:_LISTED])}; --chip says which"
    chip = budget_chip(memory_bytes, bandwidth_bytes_s, likely)
    unified = chip.unified or (shared and bandwidth_bytes_s >= CARD_BANDWIDTH)
    return replace(chip, unified=unified, notes=(f"platform {likely}, {why}",))


def _alike(memory_bytes: int, bandwidth: float, platform: str | None) -> list[Chip]:
    """Usual chips with this memory and bandwidth that compute through the platform."""
    if bandwidth < CARD_BANDWIDTH:
        return []
    return [
        chip
        for chip in _usual()
        if abs(chip.bandwidth_bytes_s / bandwidth - 1) < _SAME_BANDWIDTH
        and memory_bytes in (chip.memory_options or (chip.memory_bytes,))
        and (platform is None or _computes_through(chip, platform))
    ]


@cache
def _usual() -> tuple[Chip, ...]:
    return tuple(
        chip for chip in chips().values() if chip.platform != "cpu" and not is_unusual(chip)
    )


def _computes_through(chip: Chip, platform: str) -> bool:
    """Cards of NVIDIA and AMD compute through Vulkan too."""
    return platform == chip.platform or {platform, chip.platform} == {"vulkan", "rocm"}
