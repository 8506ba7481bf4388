"""What the system leaves of a chip's memory."""

from __future__ import annotations

import pytest

from grid.errors import InputError
from grid.hardware.chips import budget_chip, find_chip, usable_bytes
from grid.units import GIB


def test_a_small_mac_gives_its_gpu_two_thirds() -> None:
    usable = usable_bytes(find_chip("m2 8"), 24 * GIB)
    assert usable.bytes == 16 * GIB
    assert "iogpu.wired_limit_mb" in usable.why


def test_a_large_mac_gives_its_gpu_three_quarters() -> None:
    assert usable_bytes(find_chip("m4 max 40"), 64 * GIB).bytes == 48 * GIB
    assert usable_bytes(find_chip("m3 pro 18"), 36 * GIB).bytes == 27 * GIB


def test_a_desktop_takes_some_of_a_card() -> None:
    taken = 24 * GIB - usable_bytes(find_chip("4090")).bytes
    assert 0.6e9 < taken < 1e9


def test_all_memory_of_a_headless_card_is_usable() -> None:
    assert usable_bytes(find_chip("4090"), headless=True).bytes == 24 * GIB


@pytest.mark.parametrize("name", ["H100 PCIe", "a100 sxm 80gb", "Tesla T4", "L40S", "MI300X"])
def test_a_servers_card_draws_no_desktop(name: str) -> None:
    chip = find_chip(name)
    assert usable_bytes(chip).bytes == chip.memory_bytes


@pytest.mark.parametrize("name", ["Radeon VII", "rtx a4000", "arc b580", "4090 mobile"])
def test_a_desktops_or_laptops_card_is_no_servers(name: str) -> None:
    assert not find_chip(name).headless


def test_a_cpus_system_takes_two_gib_at_most() -> None:
    memory = find_chip("ddr5-5600")
    assert usable_bytes(memory, 64 * GIB).bytes == 62 * GIB
    assert usable_bytes(memory, 10 * GIB).bytes == 9 * GIB


@pytest.mark.parametrize(
    ("name", "memory", "least", "most"),
    [
        ("Jetson Orin NX 16GB", None, 13, 14),
        ("Jetson Orin Nano 8GB Super", None, 6, 7),
        ("Jetson AGX Orin 64GB", None, 57, 59),
        ("DGX Spark", None, 116, 119),
        ("Strix Halo", 128, 96, 96),
        ("780M", 32, 16, 16),
        ("UHD 770", 64, 32, 32),
        ("Steam Deck OLED", None, 8, 8),
        ("MI300A", None, 126, 126),
    ],
)
def test_what_graphics_have_of_the_systems_memory(
    name: str, memory: int | None, least: float, most: float
) -> None:
    usable = usable_bytes(find_chip(name), None if memory is None else memory * GIB)
    assert least * GIB <= usable.bytes <= most * GIB
    assert "desktop" not in usable.why


def test_reserved_memory_replaces_the_assumed_share() -> None:
    usable = usable_bytes(find_chip("4090"), reserved=4 * GIB)
    assert usable.bytes == 20 * GIB
    assert "4 GiB" in usable.why


def test_the_reason_for_usable_memory_is_one_sentence() -> None:
    for chip in (
        find_chip("4090"),
        find_chip("m1 8"),
        find_chip("ddr4-3200"),
        budget_chip(8 * GIB, 1e11, "cuda"),
    ):
        why = usable_bytes(chip, 16 * GIB).why
        assert why.endswith(".")
        assert ". " not in why


def test_a_chip_without_a_memory_size_needs_one() -> None:
    with pytest.raises(InputError, match="how much memory"):
        usable_bytes(find_chip("m1 8"))


@pytest.mark.parametrize(("memory", "reserved"), [(0, None), (-1, None), (GIB, GIB), (GIB, -1)])
def test_impossible_memory_sizes_are_refused(memory: int, reserved: int | None) -> None:
    with pytest.raises(InputError):
        usable_bytes(find_chip("4090"), memory, reserved)
