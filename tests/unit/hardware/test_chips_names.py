"""Names of chips as people and drivers write them: memory in GiB, bandwidth in GB/s, how many."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grid.errors import InputError
from grid.hardware.chips import find_chip, named_chip
from grid.units import GIB

CASES = Path(__file__).parents[4] / "shared" / "cases" / "23-chip-names" / "names.txt"

CARDS: dict[str, tuple[float, float, int]] = {
    "4090": (24, 1008, 1),
    "RTX3090Ti": (24, 1008, 1),
    "RTX 4090 48GB": (48, 1008, 1),
    "RTX 2080 Ti 22GB": (22, 616, 1),
    "RTX 4060 Ti 16GB": (16, 288, 1),
    "RTX 4060 Ti 8GB": (8, 288, 1),
    "RTX 3050 6GB": (6, 168, 1),
    "RTX 5090": (32, 1792, 1),
    "RTX 5060 Ti 16GB": (16, 448, 1),
    "NVIDIA GeForce RTX 4090 Laptop GPU": (16, 576, 1),
    "GeForce RTX 5070 Ti Laptop GPU": (12, 672, 1),
    "RTX 6000 Ada": (48, 960, 1),
    "RTX 2000 Ada": (16, 224, 1),
    "A6000": (48, 768, 1),
    "NVIDIA RTX PRO 6000 Blackwell Workstation Edition": (96, 1792, 1),
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": (96, 1597, 1),
    "TITAN RTX": (24, 672, 1),
    "Tesla M4": (4, 88, 1),
    "P40": (24, 347, 1),
    "T4": (16, 320, 1),
    "L4": (24, 300, 1),
    "L40S": (48, 864, 1),
    "A10G": (24, 600, 1),
    "NVIDIA A100-SXM4-80GB": (80, 2039, 1),
    "Tesla V100-SXM2-32GB": (32, 900, 1),
    "NVIDIA H100 80GB HBM3": (80, 3350, 1),
    "NVIDIA H100 PCIe": (80, 2039, 1),
    "NVIDIA H100 NVL": (94, 3938, 1),
    "H200": (141, 4800, 1),
    "NVIDIA GH200 480GB": (96, 4000, 1),
    "GH200 144GB": (144, 4900, 1),
    "B200": (180, 7700, 1),
    "B300": (288, 8000, 1),
    "GB200": (186, 8000, 1),
    "MI300X": (192, 5300, 1),
    "AMD Instinct MI300X OAM": (192, 5300, 1),
    "MI308X": (192, 5300, 1),
    "MI325X": (256, 6000, 1),
    "MI355X": (288, 8000, 1),
    "MI300A": (128, 5300, 1),
    "MI50 32GB": (32, 1024, 1),
    "Vega 64": (8, 484, 1),
    "Vega 56": (8, 410, 1),
    "Radeon VII": (16, 1024, 1),
    "RX 580 4GB": (4, 224, 1),
    "AMD Radeon RX 7900 XTX (RADV NAVI31)": (24, 960, 1),
    "AMD Radeon RX 6800 XT (navi21, LLVM 15.0.7, DRM 3.49)": (16, 512, 1),
    "RX 9070 XT": (16, 645, 1),
    "Arc B580": (12, 456, 1),
    "Arc A770 16GB": (16, 560, 1),
    "dual 3090": (48, 936, 2),
    "2x 3090": (48, 936, 2),
    "3090 x2": (48, 936, 2),
    "two 3090s": (48, 936, 2),
    "dual 3090 24GB": (48, 936, 2),
    "dual 3090 48GB": (48, 936, 2),
    "2x A100 80GB SXM": (160, 2039, 2),
    "dual 4060 Ti 16GB": (32, 288, 2),
    "dual 4060 Ti 32GB": (32, 288, 2),
    "quad 3090": (96, 936, 4),
    "4x RTX 3060 12GB": (48, 360, 4),
    "8xH100 SXM": (640, 3350, 8),
    "K80": (24, 241, 2),
    "MI250X": (128, 1638, 2),
    "R9 295X2": (8, 320, 2),
}
UNIFIED: dict[str, tuple[str, float | None, float]] = {
    "M4": ("metal", None, 120),
    "Apple M4 Pro": ("metal", None, 273),
    "M4 Pro 14-core 48GB": ("metal", 48, 273),
    "M4 Max 128GB": ("metal", 128, 546),
    "M3 Max 64GB": ("metal", 64, 400),
    "M3 Max 36GB": ("metal", 36, 300),
    "MacBook Pro M3 Max 96GB": ("metal", 96, 300),
    "Mac Studio M2 Ultra 192GB": ("metal", 192, 800),
    "M5": ("metal", None, 153.6),
    "M2 Air 8GB": ("metal", 8, 100),
    "M5 Pro": ("metal", None, 307),
    "M5 Max 128GB": ("metal", 128, 614),
    "Ryzen AI Max+ 395": ("vulkan", None, 256),
    "strix halo 128GB": ("vulkan", 128, 256),
    "AMD RYZEN AI MAX+ 395 w/ Radeon 8060S": ("vulkan", None, 256),
    "AMD Radeon Graphics (RADV GFX1151)": ("vulkan", None, 256),
    "DGX Spark": ("cuda", 128, 273),
    "NVIDIA GB10": ("cuda", 128, 273),
    "Jetson Orin NX 16GB": ("cuda", 16, 102),
    "Jetson Orin Nano 8GB Super": ("cuda", 8, 102),
    "Jetson AGX Orin 64GB": ("cuda", 64, 205),
    "Jetson AGX Thor": ("cuda", 128, 273),
    "780M": ("vulkan", None, 89.6),
    "780M lpddr5x-7500": ("vulkan", None, 120),
    "680M": ("vulkan", None, 76.8),
    "880M": ("vulkan", None, 120),
    "AMD Radeon 890M Graphics (RADV GFX1150)": ("vulkan", None, 120),
    "UHD 770": ("vulkan", None, 76.8),
    "UHD 630": ("vulkan", None, 42.7),
    "UHD Graphics 620": ("vulkan", None, 38.4),
    "Intel(R) UHD Graphics 770": ("vulkan", None, 76.8),
    "Mesa Intel(R) UHD Graphics 630 (CFL GT2)": ("vulkan", None, 42.7),
    "Intel(R) Arc(TM) 140V GPU (16GB)": ("vulkan", 16, 136.5),
    "Adreno (TM) 750": ("vulkan", None, 76.8),
    "Adreno 660": ("vulkan", None, 51.2),
    "Steam Deck OLED": ("vulkan", 16, 102.4),
    "AMD Custom GPU 0405 (RADV VANGOGH)": ("vulkan", 16, 88),
    "dual channel DDR5 5600": ("cpu", None, 89.6),
    "dual channel DDR5-5600": ("cpu", None, 89.6),
    "quad channel ddr4-2400": ("cpu", None, 76.8),
    "octa channel ddr4 3200": ("cpu", None, 204.8),
    "12-channel DDR5-4800": ("cpu", None, 460.8),
    "Ryzen 9 7950X": ("cpu", None, 83.2),
    "Ryzen 9 7950X ddr5-6000 64GB": ("cpu", 64, 96),
    "AMD EPYC 7763 64-Core Processor": ("cpu", None, 204.8),
    "EPYC 9654": ("cpu", None, 460.8),
    "EPYC 7V13": ("cpu", None, 204.8),
    "2x E5-2680 v4": ("cpu", None, 76.8),
    "Threadripper PRO 7995WX": ("cpu", None, 332.8),
    "13th Gen Intel(R) Core(TM) i7-13700K": ("cpu", None, 89.6),
    "i5-12400F ddr4-3200": ("cpu", None, 51.2),
    "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz": ("cpu", None, 76.8),
    "Xeon Platinum 8480+": ("cpu", None, 307.2),
    "Core Ultra 9 285K": ("cpu", None, 102.4),
    "Ryzen AI 9 HX 370": ("cpu", None, 120),
    "N100": ("cpu", None, 38.4),
    "Raspberry Pi 5 8GB": ("cpu", 8, 17.1),
    "Pi 5": ("cpu", None, 17.1),
}
"""Chips that share the system's memory."""
SEVERAL = {
    "H100": ("PCIe 80 GB", "SXM5 80 GB", "NVL 94 GB"),
    "A100": ("40 GiB, 1555 GB/s", "80 GiB, 2039 GB/s"),
    "RTX 4060 Ti": ("16 GiB, 288 GB/s", "8 GiB, 288 GB/s"),
    "RTX 5060 Ti": ("16 GiB", "8 GiB"),
    "RTX 3050": ("4 GiB", "6 GiB", "8 GiB"),
    "Jetson Orin Nano": ("4 GiB, 34 GB/s", "8 GiB, 68 GB/s", "8 GiB, 102 GB/s"),
    "Orin (nvgpu)": ("AGX Orin", "Orin NX", "Orin Nano"),
    "GH200": ("96 GiB", "144 GiB"),
    "RTX 6000": ("Quadro RTX 6000", "RTX 6000 Ada", "RTX PRO 6000"),
    "m3 max": ("300 GB/s", "400 GB/s"),
    "Steam Deck": ("LCD", "OLED"),
    "RTX 3080": ("10 GiB", "12 GiB"),
    "ddr5": ("4800", "5600"),
}


@pytest.mark.parametrize("name", CARDS)
def test_a_card_has_the_memory_bandwidth_and_count_of_its_data_sheet(name: str) -> None:
    gib, gb_s, count = CARDS[name]
    chip = find_chip(name)
    assert chip.memory_bytes == gib * GIB
    assert chip.bandwidth_bytes_s / 1e9 == pytest.approx(gb_s, rel=0.005)
    assert chip.count == count


@pytest.mark.parametrize("name", UNIFIED)
def test_a_chip_that_shares_the_systems_memory_says_so(name: str) -> None:
    platform, gib, gb_s = UNIFIED[name]
    chip = find_chip(name)
    assert (chip.platform, chip.unified_memory) == (platform, True)
    assert chip.memory_bytes == (None if gib is None else gib * GIB)
    assert chip.bandwidth_bytes_s / 1e9 == pytest.approx(gb_s, rel=0.005)


@pytest.mark.parametrize("name", SEVERAL)
def test_several_fits_are_listed_and_none_is_taken(name: str) -> None:
    with pytest.raises(InputError, match="may be any of several; say") as caught:
        find_chip(name)
    assert all(part in str(caught.value) for part in SEVERAL[name])


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("M4", ("Apple M4 (8)", "Apple M4 (10)")),
        ("M5 Pro", ("(16)", "(20)")),
        ("RTX 3060", ("12 GB", "8 GB")),
    ],
)
def test_a_person_is_asked_also_where_chips_differ_in_what_they_compute(
    name: str, parts: tuple[str, ...]
) -> None:
    with pytest.raises(InputError, match="may be any of several; say which") as caught:
        named_chip(name)
    assert all(part in str(caught.value) for part in parts)


@pytest.mark.parametrize("name", ["M4 10", "Apple M4 (10)", "MX570", "RTX 4090", "Pi 5", "780M"])
def test_a_person_is_not_asked_where_one_chip_is_meant(name: str) -> None:
    assert named_chip(name) == find_chip(name)


@pytest.mark.parametrize(
    ("name", "word"),
    [("RTX 4090 foo", "foo"), ("Ryzen 9 7950X banana", "banana"), ("M4 Pro turbo", "turbo")],
)
def test_a_word_that_is_not_understood_is_said(name: str, word: str) -> None:
    with pytest.raises(InputError, match=f"not understood: '{word}'"):
        find_chip(name)


@pytest.mark.parametrize("name", ["RTX 4090 20GB", "M1 128GB", "M4 Pro 32GB"])
def test_a_memory_that_the_chip_cannot_have_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="has not"):
        find_chip(name)


@pytest.mark.parametrize("name", ["M6", "llvmpipe (LLVM 17.0.6, 256 bits)", "Gaudi 3", "Radeon"])
def test_what_the_catalogue_lacks_is_no_other_chip(name: str) -> None:
    with pytest.raises(InputError, match="no chip"):
        find_chip(name)


@pytest.mark.parametrize(
    "name",
    [
        "RTX 4090 HBM3", "14-core RTX 4090", "RTX 4090 936GB/s", "cpu RTX 3060 12GB",
        "ddr5-5600 vulkan", "Strix Halo ddr5-5600", "DDR5-5600 hbm3", "M4 Pro 13-core",
    ],
)  # fmt: skip
def test_what_does_not_go_with_a_chip_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"not understood|does not compute|takes LPDDR5X"):
        find_chip(name)


@pytest.mark.parametrize("name", ["Ryzen", "Radeon Pro", "GeForce RTX", "x2 24GB", "pro max"])
def test_words_of_series_alone_are_no_chip(name: str) -> None:
    with pytest.raises(InputError, match="no chip"):
        find_chip(name)


def test_main_memory_beside_a_card_is_not_dropped() -> None:
    with pytest.raises(InputError, match="32 GiB beside"):
        find_chip("RTX 3060 12GB + 32GB DDR4")
    with pytest.raises(InputError, match="memory of its own"):
        find_chip("RTX 4090 ddr5-6000")


def test_different_cards_together_are_refused() -> None:
    with pytest.raises(InputError, match="different chips"):
        find_chip("RTX 3090 + RTX 4090")


def test_a_rebuilt_cards_memory_is_taken_as_said_and_told() -> None:
    assert "48 GiB are taken as said" in find_chip("RTX 4090 48GB").notes[0]


def test_what_is_assumed_of_a_chip_is_told() -> None:
    assert "DDR5-5600" in find_chip("780M").notes[0]
    assert "Apple M4 Pro (20)" in find_chip("Apple M4 Pro").notes[0]
    assert "DDR5-5200" in find_chip("Ryzen 9 7950X").notes[0]


def test_a_memory_beside_the_name_decides_between_chips() -> None:
    assert find_chip("RTX 4060 Ti", memory_bytes=16 * GIB).name.endswith("16 GB")
    assert find_chip("Apple M3 Max", memory_bytes=64 * GIB).name == "Apple M3 Max (40)"


def test_a_name_of_a_driver_and_one_of_an_owner_are_one_chip() -> None:
    assert find_chip("780M").name == find_chip("AMD Radeon 780M (RADV PHOENIX)").name
    assert find_chip("4090 laptop") == find_chip("NVIDIA GeForce RTX 4090 Laptop GPU")
    assert find_chip("gb10") == find_chip("dgx spark")


@pytest.mark.skipif(not CASES.is_file(), reason="../shared/cases is not there")
def test_no_name_of_the_case_is_taken_for_what_it_was() -> None:
    """Behind an arrow the file has the chip that each name was wrongly taken for."""
    for line in CASES.read_text().splitlines():
        for part in line.split(";"):
            names, arrow, wrong = part.partition("->")
            if not arrow:
                continue
            for name in re.split(r", (?=[A-Za-z])", names.strip()):
                _assert_not(name.strip(), wrong.split(",")[0].split("(")[0].strip())


def _assert_not(name: str, wrong: str) -> None:
    try:
        chip = find_chip(name)
    except InputError as error:
        assert "may be any of several" in str(error), (name, str(error))  # noqa: PT017
        return
    assert wrong.casefold() not in chip.name.casefold() or chip.count > 1, (name, chip.name)
