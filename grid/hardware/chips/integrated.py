"""Graphics that share the system's memory: their bandwidth is that of the memory beside them.

Rates are shader units x 2 (x 2 where a cycle issues two) x clock, at 16 bits twice that, from the
makers' pages; the memory is the fastest that the maker states for the processor.
"""

from __future__ import annotations

from typing import NamedTuple

from grid.hardware.chips.chip import Chip
from grid.hardware.chips.memory import bandwidth
from grid.units import GIB


class Integrated(NamedTuple):
    """A maker, name and generation; 16-bit TFLOP/s; memory as `kind rate`, the first assumed where
    nothing is said; channels of 64 bits; sizes in GiB where its machines come with certain ones."""

    vendor: str
    name: str
    generation: str
    half_tflops: float | None
    memory: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    channels: float = 2
    sizes_gib: tuple[int, ...] = ()
    source: str = ""


_HALO = ("gfx1151", "pro", "radeon")
_HALO_MEMORY = (32, 64, 96, 128)
_X = "LPDDR5X"
_PHOENIX = ("DDR5 5600", f"{_X} 7500")
_DECK = ("valve", "vangogh", "van", "gogh", "custom")
_AMD_APU = "AMD's processor page"
_INTEL_GPU = "Intel's processor page (ARK)"

_AMD = (
    Integrated(
        "AMD", "Ryzen AI Max+ 395", "RDNA 3.5", 59.4, (f"{_X} 8000",),
        (*_HALO, "8060s", "strix", "halo", "framework"), 4, _HALO_MEMORY,
    ),
    Integrated(
        "AMD", "Ryzen AI Max+ 392", "RDNA 3.5", 59.4, (f"{_X} 8000",),
        (*_HALO, "8060s"), 4, _HALO_MEMORY,
    ),
    Integrated(
        "AMD", "Ryzen AI Max+ 388", "RDNA 3.5", 59.4, (f"{_X} 8000",),
        (*_HALO, "8060s"), 4, _HALO_MEMORY,
    ),
    Integrated(
        "AMD", "Ryzen AI Max 390", "RDNA 3.5", 45.9, (f"{_X} 8000",),
        (*_HALO, "8050s"), 4, _HALO_MEMORY,
    ),
    Integrated(
        "AMD", "Ryzen AI Max 385", "RDNA 3.5", 45.9, (f"{_X} 8000",),
        (*_HALO, "8050s"), 4, _HALO_MEMORY,
    ),
    Integrated(
        "AMD", "Ryzen AI Max PRO 380", "RDNA 3.5", 22.9, (f"{_X} 8000",),
        (*_HALO, "8040s"), 4, _HALO_MEMORY,
    ),
    Integrated("AMD", "Radeon 890M", "RDNA 3.5", 23.8, (f"{_X} 7500", f"{_X} 8000", "DDR5 5600"),
               ("strix", "point", "gfx1150", "strix1")),
    Integrated("AMD", "Radeon 880M", "RDNA 3.5", 17.8, (f"{_X} 7500", f"{_X} 8000", "DDR5 5600"),
               ("strix", "point", "gfx1150", "strix1")),
    Integrated("AMD", "Radeon 860M", "RDNA 3.5", 12.3, (f"{_X} 8000", "DDR5 5600"),
               ("krackan", "gfx1152")),
    Integrated("AMD", "Radeon 840M", "RDNA 3.5", 5.9, (f"{_X} 8000", "DDR5 5600"),
               ("krackan", "gfx1152")),
    Integrated("AMD", "Radeon 780M", "RDNA 3", 17.8, _PHOENIX, ("phoenix", "gfx1103", "hawk")),
    Integrated("AMD", "Radeon 760M", "RDNA 3", 10.6, _PHOENIX, ("phoenix", "gfx1103", "hawk")),
    Integrated("AMD", "Radeon 740M", "RDNA 3", 5.7, _PHOENIX, ("phoenix", "gfx1103", "hawk")),
    Integrated("AMD", "Radeon 680M", "RDNA 2", 6.8, ("DDR5 4800", "LPDDR5 6400"),
               ("rembrandt", "gfx1035")),
    Integrated("AMD", "Radeon 660M", "RDNA 2", 2.9, ("DDR5 4800", "LPDDR5 6400"),
               ("rembrandt", "gfx1035")),
    Integrated("AMD", "Radeon 610M", "RDNA 2", 1.1, ("DDR5 5200",),
               ("raphael", "mendocino", "gfx1036", "gfx1037")),
    Integrated("AMD", "Radeon Vega 11 Graphics", "GCN 5", 3.9, ("DDR4 2933",),
               ("rx", "raven", "picasso", "gfx902")),
    Integrated("AMD", "Radeon Vega 10 Graphics", "GCN 5", 3.3, ("DDR4 2400",),
               ("rx", "raven", "picasso", "gfx902")),
    Integrated("AMD", "Radeon Vega 8 Graphics", "GCN 5", 2.5, ("DDR4 3200", "DDR4 2933"),
               ("rx", "raven", "picasso", "renoir", "cezanne", "gfx90c")),
    Integrated("AMD", "Radeon Vega 7 Graphics", "GCN 5", 3.4, ("DDR4 3200", "LPDDR4X 4266"),
               ("renoir", "cezanne", "lucienne", "gfx90c")),
    Integrated("AMD", "Radeon Vega 6 Graphics", "GCN 5", 2.5, ("DDR4 3200", "LPDDR4X 4266"),
               ("renoir", "cezanne", "lucienne", "gfx90c")),
    Integrated("AMD", "Radeon Vega 3 Graphics", "GCN 5", 0.9, ("DDR4 2400",),
               ("raven", "picasso", "gfx902")),
    Integrated("AMD", "Steam Deck LCD", "RDNA 2", 3.3, ("LPDDR5 5500",),
               (*_DECK, "0405", "aerith"), 2, (16,), "Valve's technical specifications"),
    Integrated("AMD", "Steam Deck OLED", "RDNA 2", 3.3, ("LPDDR5 6400",),
               (*_DECK, "0932", "sephiroth"), 2, (16,), "Valve's technical specifications"),
    Integrated("AMD", "Ryzen Z1", "RDNA 3", 5.1, ("LPDDR5 6400", f"{_X} 7500"),
               ("rog", "ally"), 2, (16,)),
    Integrated("AMD", "Ryzen Z1 Extreme", "RDNA 3", 16.6, ("LPDDR5 6400", f"{_X} 7500"),
               ("rog", "ally"), 2, (16, 24)),
    Integrated("AMD", "Ryzen Z2 Extreme", "RDNA 3.5", 23.8, (f"{_X} 8000",),
               ("ai",), 2, (16, 24, 32)),
)  # fmt: skip
_INTEL = (
    *(
        Integrated("Intel", name, generation, half, memory)
        for name, generation, half, memory in (
            ("HD Graphics 4000", "Gen 7", None, ("DDR3 1600",)),
            ("HD Graphics 4400", "Gen 7.5", None, ("DDR3 1600",)),
            ("HD Graphics 4600", "Gen 7.5", None, ("DDR3 1600",)),
            ("HD Graphics 5500", "Gen 8", 0.7, ("DDR3 1600",)),
            ("HD Graphics 520", "Gen 9", 0.7, ("DDR4 2133",)),
            ("HD Graphics 530", "Gen 9", 0.8, ("DDR4 2133",)),
            ("HD Graphics 610", "Gen 9.5", 0.4, ("DDR4 2400",)),
            ("HD Graphics 620", "Gen 9.5", 0.8, ("DDR4 2133",)),
            ("HD Graphics 630", "Gen 9.5", 0.8, ("DDR4 2400",)),
            ("UHD Graphics 600", "Gen 9.5", 0.2, ("DDR4 2400",)),
            ("UHD Graphics 605", "Gen 9.5", 0.4, ("DDR4 2400",)),
            ("UHD Graphics 610", "Gen 9.5", 0.4, ("DDR4 2666",)),
            ("UHD Graphics 617", "Gen 9.5", 0.8, ("LPDDR3 2133",)),
            ("UHD Graphics 620", "Gen 9.5", 0.8, ("DDR4 2400",)),
            ("UHD Graphics 630", "Gen 9.5", 0.9, ("DDR4 2666",)),
            ("UHD Graphics P630", "Gen 9.5", 0.9, ("DDR4 2666",)),
            ("UHD Graphics 710", "Xe-LP", 0.7, ("DDR5 4800", "DDR4 3200")),
            ("UHD Graphics 730", "Xe-LP", 1.2, ("DDR5 4800", "DDR4 3200")),
            ("UHD Graphics 750", "Xe-LP", 1.3, ("DDR4 3200",)),
            ("UHD Graphics 770", "Xe-LP", 1.6, ("DDR5 4800", "DDR5 5600", "DDR4 3200")),
            ("Iris Plus Graphics", "Gen 11", 2.2, ("LPDDR4X 3733",)),
            ("Iris Xe Graphics", "Xe-LP", 4.0, ("DDR4 3200", "LPDDR4X 4266", "LPDDR5 5200")),
            ("Arc Graphics", "Xe-LPG", 9.2, ("DDR5 5600", f"{_X} 7467")),
            ("Arc 130T", "Xe-LPG+", 7.9, ("DDR5 6400", f"{_X} 8400")),
            ("Arc 140T", "Xe-LPG+", 9.6, ("DDR5 6400", f"{_X} 8400")),
            ("Arc 130V", "Xe2-LPG", 6.6, (f"{_X} 8533",)),
            ("Arc 140V", "Xe2-LPG", 8.0, (f"{_X} 8533",)),
        )
    ),
)
_PHONES = (
    *(
        Integrated("Qualcomm", name, "Adreno", None, (memory,), ("qualcomm", *aliases.split()),
                   channels, (), "Qualcomm's product brief")
        for name, memory, aliases, channels in (
            ("Adreno 660", "LPDDR5 6400", "snapdragon 888", 1),
            ("Adreno 730", "LPDDR5 6400", "snapdragon 8 gen 1", 1),
            ("Adreno 740", f"{_X} 8400", "snapdragon 8 gen 2", 1),
            ("Adreno 750", f"{_X} 9600", "snapdragon 8 gen 3", 1),
            ("Adreno 830", f"{_X} 10667", "snapdragon 8 elite", 1),
            ("Adreno X1-85", f"{_X} 8448", "snapdragon x elite", 2),
            ("Adreno X1-45", f"{_X} 8448", "snapdragon x plus", 2),
        )
    ),
)  # fmt: skip


def integrated_chips() -> list[Chip]:
    """Each with the first of its memories; `find_chip` takes another that a name says."""
    return [_chip(row) for row in (*_AMD, *_INTEL, *_PHONES)]


def memory_of(chip: Chip) -> tuple[str, ...]:
    """Memories that a maker states for this chip, `DDR5 5600`; empty for other chips."""
    rows = (*_AMD, *_INTEL, *_PHONES)
    return next((row.memory for row in rows if _name(row) == chip.name), ())


def _name(row: Integrated) -> str:
    return row.name if row.name.startswith("Steam") else f"{row.vendor} {row.name}"


def _chip(row: Integrated) -> Chip:
    kind, _, rate = row.memory[0].partition(" ")
    sizes = tuple(size * GIB for size in row.sizes_gib)
    half = None if row.half_tflops is None else row.half_tflops * 1e12
    return Chip(
        name=_name(row),
        vendor=row.vendor,
        platform="vulkan",
        bandwidth_bytes_s=bandwidth(float(rate), row.channels),
        memory_bytes=sizes[0] if len(sizes) == 1 else None,
        flops_half=half,
        flops_single=None if half is None else half / 2,
        unified=True,
        memory_type=kind,
        source=row.source or (_AMD_APU if row.vendor == "AMD" else _INTEL_GPU),
        generation=row.generation,
        aliases=row.aliases,
        memory_options=sizes,
        notes=_memory_note(row),
    )


def _memory_note(row: Integrated) -> tuple[str, ...]:
    """What is assumed of the memory beside graphics that may be sold with several."""
    if len(row.memory) == 1 and row.sizes_gib:
        return ()
    first, *others = (memory.replace(" ", "-") for memory in row.memory)
    bits = f"{64 * row.channels:g} bits"
    extra = f" ({', '.join(others)} occur too)" if others else ""
    assumed = f"its speed is the system memory's: {first} on {bits} assumed{extra}"
    return (f"{assumed}; say yours after the name",)
