"""Data sheets of makers: where they say otherwise than the database, and what it does not have.

Each entry names its sheet. Memory is per card, in the GiB that makers call GB; bandwidth in GB/s;
rates in TFLOP/s without sparsity.
"""

from __future__ import annotations

from typing import NamedTuple


class Sheet(NamedTuple):
    """What a data sheet says of a card; None where the database's figure stands, a rate of 0 where
    none is known.

    `generation` is given for cards that the database lacks. `aliases` are other names of it.
    """

    memory_gib: float | None
    bandwidth_gb_s: float | None
    source: str
    half_tflops: float | None = None
    byte_tops: float | None = None
    quarter_tflops: float | None = None
    generation: str | None = None
    memory_type: str | None = None
    unified: bool = False
    devices: int = 1
    aliases: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


_H100 = "NVIDIA H100 Tensor Core GPU data sheet"
_HGX_B = "NVIDIA HGX B200 and B300 data sheet, an eighth"
_NVL72 = "NVIDIA NVL72 data sheet, a seventy-second part"
_MI300 = "AMD Instinct MI300 series data sheet"
_MI350 = "AMD Instinct MI350 series data sheet"
_V100 = "NVIDIA V100 data sheet"
_ORIN = "NVIDIA Jetson Orin series data sheet"
_THOR = "NVIDIA Jetson Thor series data sheet"
_SUPERCHIP = "a superchip or rack has several of these; the figures are of a single GPU"
_DIES = "the system sees two devices with half of the memory and of the bandwidth each"

NVIDIA = {
    "H100 PCIe 80 GB": Sheet(80, 2039, _H100, 756, 1513),
    "H100 SXM5 80 GB": Sheet(80, 3350, _H100, 989, 1979, memory_type="HBM3"),
    "H100 NVL 94 GB": Sheet(94, 3938, _H100, 835, 1671),
    "H200 SXM 141 GB": Sheet(141, 4800, "NVIDIA H200 data sheet", 989, 1979),
    "H200 NVL 141 GB": Sheet(
        141, 4800, "NVIDIA H200 data sheet", 835, 1671, generation="Hopper", memory_type="HBM3e"
    ),
    "H20 96 GB": Sheet(
        96, 4000, "NVIDIA H20 product brief", 148, 296, generation="Hopper", memory_type="HBM3"
    ),
    "H20 141 GB": Sheet(
        141, 4800, "NVIDIA H20 product brief", 148, 296, generation="Hopper", memory_type="HBM3e"
    ),
    "GH200 96 GB": Sheet(
        96, 4000, "NVIDIA GH200 data sheet", 989, 1979, generation="Hopper", memory_type="HBM3"
    ),
    "GH200 144 GB": Sheet(
        144, 4900, "NVIDIA GH200 data sheet", 989, 1979, generation="Hopper", memory_type="HBM3e"
    ),
    "B200": Sheet(180, 7700, _HGX_B, 2250, 4500, 9000, aliases=("sxm",)),
    "B300": Sheet(
        288, 8000, _HGX_B, 2250, None, 13500, aliases=("sxm", "ultra"),
        notes=("288 GB are decimal here: the driver offers about 268 GiB",),
    ),
    "GB200": Sheet(
        186, 8000, _NVL72, 2500, 5000, 10000, "Blackwell", "HBM3e", aliases=("nvl72", "superchip"),
        notes=(_SUPERCHIP,),
    ),
    "GB300": Sheet(
        279, 8000, _NVL72, 2500, None, 15000, "Blackwell", "HBM3e", aliases=("nvl72", "superchip"),
        notes=(_SUPERCHIP,),
    ),
    "A100 SXM4 40 GB": Sheet(40, 1555, "NVIDIA A100 data sheet", 312, 624),
    "A100 PCIe 40 GB": Sheet(40, 1555, "NVIDIA A100 data sheet", 312, 624),
    "A100 SXM4 80 GB": Sheet(80, 2039, "NVIDIA A100 data sheet", 312, 624),
    "A100 PCIe 80 GB": Sheet(80, 1935, "NVIDIA A100 data sheet", 312, 624),
    "Tesla V100 SXM2 16 GB": Sheet(16, 900, _V100, 125),
    "Tesla V100 SXM2 32 GB": Sheet(32, 900, _V100, 125),
    "Tesla V100 PCIe 16 GB": Sheet(16, 900, _V100, 112),
    "Tesla V100 PCIe 32 GB": Sheet(32, 900, _V100, 112),
    "RTX 2000 Ada Generation": Sheet(16, 224, "NVIDIA RTX 2000 Ada data sheet"),
    "RTX 5880 Ada Generation": Sheet(48, 960, "NVIDIA RTX 5880 Ada data sheet"),
    "RTX PRO 6000 Blackwell Server": Sheet(96, 1597, "NVIDIA RTX PRO 6000 Server data sheet"),
    "GB10": Sheet(
        128, 273, "NVIDIA DGX Spark data sheet", 62, 250, 500, unified=True,
        aliases=("dgx", "spark", "gx10", "gb10"),
    ),
    "Jetson TX1": Sheet(4, 25.6, "NVIDIA Jetson TX1 data sheet", unified=True),
    "Jetson TK1": Sheet(2, 14.9, "NVIDIA Jetson TK1 data sheet", unified=True),
    "Jetson AGX Orin 64 GB": Sheet(64, 204.8, _ORIN, 42.5, 85, unified=True),
    "Jetson AGX Orin 32 GB": Sheet(32, 204.8, _ORIN, 26.7, 54, unified=True),
    "Jetson Orin NX 16 GB": Sheet(16, 102.4, _ORIN, 15.0, 30, unified=True),
    "Jetson Orin NX 8 GB": Sheet(8, 102.4, _ORIN, 12.5, 25, unified=True),
    "Jetson Orin Nano 8 GB": Sheet(8, 68, _ORIN, 10.2, 20, unified=True),
    "Jetson Orin Nano 4 GB": Sheet(4, 34, _ORIN, 5.1, 10, unified=True),
    "Jetson Orin Nano Super": Sheet(
        8, 102, "NVIDIA Jetson Orin Nano Super data sheet", 16.7, 33, unified=True, aliases=("8gb",)
    ),
    "Jetson T5000": Sheet(
        128, 273, _THOR, 258, None, 1035, unified=True, aliases=("agx", "thor", "128gb")
    ),
    "Jetson T4000": Sheet(64, 273, _THOR, 150, None, 600, unified=True, aliases=("thor", "64gb")),
}  # fmt: skip
"""By the database's name without the maker's."""

AMD = {
    "Radeon Instinct MI300X": Sheet(192, 5300, _MI300, 1307, 2615),
    "Radeon Instinct MI325X": Sheet(256, 6000, _MI300, 1307, 2615),
    "Radeon Instinct MI300A": Sheet(128, 5300, _MI300, 981, 1961, unified=True),
    "Radeon Instinct MI308X": Sheet(
        192, 5300, "the memory of AMD's MI300X; AMD publishes no sheet of the MI308X", 0,
        notes=("AMD publishes no data sheet of it: memory and bandwidth are the MI300X's",),
    ),
    "Radeon Instinct MI350X": Sheet(288, 8000, _MI350, 2307, 4614, 9227),
    "Radeon Instinct MI355X": Sheet(288, 8000, _MI350, 2517, 5033, 10066),
    "Radeon Instinct MI250": Sheet(
        64, 1638, "AMD Instinct MI250 data sheet, a half", 181, 181, devices=2, notes=(_DIES,)
    ),
    "Radeon Instinct MI250X": Sheet(
        64, 1638, "AMD Instinct MI250X data sheet, a half", 191.5, 191.5, devices=2, notes=(_DIES,)
    ),
    "Radeon RX 7400": Sheet(8, 173, "AMD Radeon RX 7400 page"),
    "Radeon RX 9060": Sheet(8, 288, "AMD Radeon RX 9060 page"),
    "Radeon PRO V710": Sheet(28, 448, "AMD Radeon PRO V710 data sheet"),
    "Radeon Instinct MI50 32 GB": Sheet(
        32, 1024, "AMD Radeon Instinct MI50 data sheet", 26.5, generation="GCN 5.1",
        memory_type="HBM2",
    ),
    **{
        f"Radeon {card} {memory} GB": Sheet(
            memory, bandwidth, f"AMD Radeon {card} page", generation=generation,
            memory_type=memory_type,
        )
        for card, memory, bandwidth, generation, memory_type in (
            ("RX 580", 4, 224, "GCN 4", "GDDR5"),
            ("RX 570", 8, 224, "GCN 4", "GDDR5"),
            ("RX 480", 4, 224, "GCN 4", "GDDR5"),
            ("RX 470", 8, 211, "GCN 4", "GDDR5"),
            ("RX 560", 2, 112, "GCN 4", "GDDR5"),
            ("RX 550", 4, 112, "GCN 4", "GDDR5"),
            ("RX 5500 XT", 8, 224, "RDNA 1", "GDDR6"),
        )
    },
}  # fmt: skip

INTEL = {
    "Arc A770": Sheet(16, 560, "Intel Arc A770 specifications"),
    "Arc A770 8 GB": Sheet(
        8, 512, "Intel Arc A770 specifications", 39.3, generation="Xe-HPG", memory_type="GDDR6"
    ),
}

SHEETS = {"NVIDIA": NVIDIA, "AMD": AMD, "Intel": INTEL}

DOUBLE = {
    "Tesla K80": 2, "Tesla K10": 2, "Tesla M60": 2, "Tesla M10": 4, "A16 PCIe": 4,
    "GeForce GTX 690": 2, "GeForce GTX 760 X2": 2, "GeForce GTX TITAN Z": 2, "GRID K1": 4,
    "GRID K2": 2, "FirePro S10000": 2, "FirePro S10000 Passive": 2,
    "FirePro S10000 Passive 12GB": 2, "FirePro S7150 x2": 2, "FirePro S9300 X2": 2,
    "Radeon HD 7970 X2": 2, "Radeon HD 7970M X2": 2, "Radeon HD 7990": 2, "Radeon R9 290X2": 2,
    "Radeon R9 295X2": 2, "Radeon R9 390 X2": 2, "Radeon Pro Duo": 2, "Radeon Pro Duo Polaris": 2,
    "Radeon Pro Vega II Duo": 2, "Radeon Pro W6800X Duo": 2, "Arctic Sound 2T": 2,
    "Data Center GPU Flex 140": 2, "Radeon Pro V340 16 GB": 2, "Radeon Pro V340 8 GB": 2,
}  # fmt: skip
"""Cards with several devices, of which the database has the figures of a single one."""

NO_PRODUCTS = frozenset(
    {
        "Radeon Instinct MI300", "Radeon Instinct MI200", "H200 NVL", "H100 PCIe 96 GB",
        "H100 SXM5 64 GB", "H100 SXM5 94 GB", "H100 SXM5 96 GB", "RTX PRO 6000D Blackwell Max-Q",
        "GeForce RTX 3080 Ti 20 GB", "GeForce RTX 4010", "A2 PCIe", "RTX A5000-12Q",
        "RTX A5000-8Q", "RTX A4000H", "RTX 6000D",
    }
)  # fmt: skip
"""Announced, never sold or virtual cards, and figures that no data sheet bears out."""
