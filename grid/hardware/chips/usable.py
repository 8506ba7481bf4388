"""How much of a chip's memory a model and its engine can use."""

from __future__ import annotations

from dataclasses import dataclass

from grid.errors import InputError
from grid.hardware.chips.chip import Chip
from grid.units import GIB, MIB, format_bytes

MAC_SMALL_BYTES = 36 * GIB
"""Below this much memory macOS lets the GPU have two thirds, from it on three quarters."""
DESKTOP_BYTES = 800 * MIB
"""What a desktop with a browser takes of a card: 0.6 to 1 GB."""
SYSTEM_BYTES, SYSTEM_SHARE = 2 * GIB, 0.1
"""What a system without a desktop takes: the lesser of 2 GiB and a tenth of the memory."""
FIRMWARE_SHARE = 1 / 16
"""What firmware keeps of the memory of an NVIDIA system on a chip: `free` reports 119.7 of the 128
GiB of a DGX Spark, 61.4 of 64 GiB of an AGX Orin, 7.4 of 8 GiB of an Orin Nano."""
GRAPHICS_SHARE, LARGE_GRAPHICS_SHARE = 1 / 2, 3 / 4
"""Part of the main memory that drivers let integrated graphics have: half (the default of Linux'
amdgpu and xe and of Windows), three quarters with AMD's Variable Graphics Memory (RDNA 3.5)."""


@dataclass(frozen=True)
class UsableMemory:
    """Bytes that weights, KV cache and engine may take together, and the reason in a sentence."""

    bytes: int
    why: str


def mac_share(total: int) -> float:
    """The share of a Mac's `total` bytes that macOS lets the GPU keep, at least about."""
    return 2 / 3 if total < MAC_SMALL_BYTES else 3 / 4


def usable_bytes(
    chip: Chip, memory_bytes: int | None = None, reserved: int | None = None, headless: bool = False
) -> UsableMemory:
    """What the system leaves of `memory_bytes` (None: the chip's own).

    `reserved` bytes, where given, replace what is assumed of the system; `headless` says that no
    desktop is drawn by this card, as none is by a server's. Raises InputError where the size is
    not known, not above zero, or nothing is left.
    """
    total = chip.memory_bytes if memory_bytes is None else memory_bytes
    if total is None:
        raise InputError(f"{chip.name}: say how much memory it has, such as --memory 32GiB")
    if total <= 0:
        raise InputError(f"{chip.name}: {total} bytes of memory; it must be above zero")
    if reserved is None:
        return _without_system_share(chip, total, headless)
    if not 0 <= reserved < total:
        raise InputError(
            f"{chip.name}: {format_bytes(reserved)} reserved of {format_bytes(total)} leave "
            "nothing; reserve less"
        )
    size = format_bytes(reserved)
    return UsableMemory(
        total - reserved, f"{size} of {format_bytes(total)} are kept back as asked."
    )


def _without_system_share(chip: Chip, total: int, headless: bool) -> UsableMemory:
    size = format_bytes(total)
    if chip.platform == "metal":
        share = mac_share(total)
        words = "two thirds" if share < 3 / 4 else "three quarters"
        why = (
            f"macOS lets the GPU keep at least about {words} of {size} in its working set; "
            "`sysctl iogpu.wired_limit_mb` raises that."
        )
        return UsableMemory(round(total * share), why)
    if chip.unified and chip.platform not in {"cpu", "cuda"} and not chip.headless:
        return _integrated(chip, total)
    if chip.unified and chip.platform == "cuda":
        firmware = round(total * FIRMWARE_SHARE)
        system_bytes = firmware + min(SYSTEM_BYTES, round(total * SYSTEM_SHARE))
        return UsableMemory(
            total - system_bytes,
            f"The system shares the memory: it and its firmware take about "
            f"{format_bytes(system_bytes)} of {size}.",
        )
    if chip.platform == "cpu" or chip.unified:
        system_bytes = min(SYSTEM_BYTES, round(total * SYSTEM_SHARE))
        return UsableMemory(
            total - system_bytes,
            f"The system and its services take about {format_bytes(system_bytes)} of {size}.",
        )
    owner, pronoun = ("cards'", "them") if chip.count > 1 else ("card's", "it")
    if headless or chip.headless:
        return UsableMemory(
            total, f"Nothing else uses the {owner} {size}: no desktop is drawn by {pronoun}."
        )
    system_bytes = min(DESKTOP_BYTES, round(total * SYSTEM_SHARE))
    return UsableMemory(
        total - system_bytes,
        f"A desktop takes about {format_bytes(system_bytes)} of the {owner} {size}.",
    )


def _integrated(chip: Chip, total: int) -> UsableMemory:
    """Graphics of AMD, Intel or Qualcomm that share the main memory."""
    large = chip.generation in {"RDNA 3.5", None}
    share = LARGE_GRAPHICS_SHARE if large else GRAPHICS_SHARE
    words = "three quarters" if large else "half"
    how = "the BIOS, or `ttm.pages_limit` on Linux, sets that" if large else "settings may raise it"
    why = (
        f"The system shares the memory: drivers let the GPU have about {words} of "
        f"{format_bytes(total)}; {how}."
    )
    return UsableMemory(round(total * share), why)
