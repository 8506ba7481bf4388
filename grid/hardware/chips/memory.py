"""Kinds of main memory, for machines that compute on their CPU."""

from __future__ import annotations

from grid.hardware.chips.chip import Chip

BYTES_PER_TRANSFER = 8
"""A channel is 64 bits wide; of DDR5 and LPDDR, two or four narrower ones together."""
SOURCE = "transfers/s x 8 bytes x channels (JEDEC)"

CHANNELS = (2, 1, 4, 6, 8, 12)
KINDS = {
    "DDR3": (1066, 1333, 1600, 1866, 2133, 2400),
    "DDR4": (2133, 2400, 2666, 2667, 2933, 3000, 3200, 3466, 3600, 3733, 4000),
    "DDR5": (4000, 4400, 4800, 5200, 5600, 6000, 6200, 6400, 6800, 7200, 7600, 8000, 8400, 8800),
    "LPDDR3": (1600, 1866, 2133),
    "LPDDR4": (3200,),
    "LPDDR4X": (3733, 4266, 4267),
    "LPDDR5": (4800, 5200, 5500, 6400),
    "LPDDR5X": (6400, 7467, 7500, 8000, 8400, 8448, 8533, 9600, 10667),
}
"""Transfers/s that modules are sold with, in millions."""


def memory_kinds() -> list[Chip]:
    """`DDR5-5600, 2 channels` and so on, as chips of the platform cpu.

    Two channels, what a desktop or laptop has, come first: a kind named alone means those.
    """
    return [
        Chip(
            name=f"{kind}-{rate}, {channels} channel{'s' if channels > 1 else ''}",
            vendor="",
            platform="cpu",
            bandwidth_bytes_s=bandwidth(rate, channels),
            memory_type=kind,
            unified=True,
            source=SOURCE,
        )
        for kind, rates in KINDS.items()
        for rate in rates
        for channels in CHANNELS
    ]


def bandwidth(mega_transfers: float, channels: float) -> float:
    """Bytes/s of so many channels."""
    return mega_transfers * 1e6 * BYTES_PER_TRANSFER * channels
