"""Kinds of main memory, for machines that compute on their CPU."""

from __future__ import annotations

from grid.hardware.chips.chip import Chip

BYTES_PER_TRANSFER = 8
"""A channel is 64 bits wide; of DDR5 and LPDDR, two or four narrower ones together."""
SOURCE = "transfers/s x 8 bytes x channels (JEDEC)"

_CHANNELS = (2, 1, 4, 6, 8, 12)
_KINDS = {
    "DDR3": (1333, 1600, 1866),
    "DDR4": (2133, 2400, 2666, 2933, 3200, 3600),
    "DDR5": (4400, 4800, 5200, 5600, 6000, 6400, 7200, 8000),
    "LPDDR4X": (4266,),
    "LPDDR5": (5500, 6400),
    "LPDDR5X": (7500, 8000, 8533),
}


def memory_kinds() -> list[Chip]:
    """`DDR5-5600, 2 channels` and so on, as chips of the platform cpu.

    Two channels, what a desktop or laptop has, come first: a kind named alone means those.
    """
    return [
        Chip(
            name=f"{kind}-{rate}, {channels} channel{'s' if channels > 1 else ''}",
            vendor="",
            platform="cpu",
            bandwidth_bytes_s=rate * 1e6 * BYTES_PER_TRANSFER * channels,
            unified=True,
            source=SOURCE,
        )
        for kind, rates in _KINDS.items()
        for rate in rates
        for channels in _CHANNELS
    ]
