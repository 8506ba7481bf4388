"""The machine of a question: bare numbers, shared memory, one answer however a chip is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from analysis_cases import variant

from grid.advice import Ask
from grid.advice.hardware import machine_of
from grid.advice.prediction import chip_of
from grid.advice.prediction.observe import platform_of
from grid.advice.similar_hardware import is_similar_class
from grid.analysis.dataset import HardwareClass
from grid.analysis.variant import Variant
from grid.cli.recommend import read_ask
from grid.cli.views.predict import PredictArgs, show_prediction
from grid.errors import InputError
from grid.units import GIB, MIB, parse_memory

HOST = "AMD EPYC 7763 64-Core Processor, 16 cores"
CARD = f"{HOST}, 1x NVIDIA GeForce RTX 3090 24 GiB, 64 GiB, 64-128 GB/s"
SPARK = "Cortex-X925, 20 cores, 1x NVIDIA GB10 120 GiB, 120 GiB, 128-256 GB/s"


def measured(name: str, kind: str) -> HardwareClass:
    return HardwareClass(
        name=name,
        device_kind=kind,
        attempts=1,
        ok=1,
        failed=0,
        models=("m",),
        origins=("",),
        newest=None,
    )


@pytest.mark.parametrize("text", ["24", "24GB", "24GiB", "24 gb", "24g", str(24 * GIB)])
def test_a_bare_number_and_gb_of_memory_are_gib(text: str) -> None:
    assert read_ask(memory_bytes=text, reserved_bytes="2").memory_bytes == 24 * GIB
    assert read_ask(reserved_bytes="2").reserved_bytes == 2 * GIB


@pytest.mark.parametrize("text", ["-1", "much", "100000", "24 apples", "24b"])
def test_a_memory_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="size"):
        parse_memory(text)


def test_a_bare_size_of_a_file_is_asked_with_a_unit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--bytes: 4\.9 of what"):
        show_prediction(PredictArgs("4090", size="4.9"), str(tmp_path))
    with pytest.raises(InputError, match="--params 8: of what"):
        show_prediction(PredictArgs("4090", params="8"), str(tmp_path))
    with pytest.raises(InputError, match="--max-size: 8 of what"):
        read_ask(max_bytes="8")


@pytest.mark.parametrize("name", ["Strix Halo", "AMD Radeon Graphics (RADV GFX1151)"])
def test_a_chip_that_shares_memory_is_no_card(name: str) -> None:
    named = machine_of([], Ask(chip=name, memory_bytes=128 * GIB))
    bare = machine_of([], Ask(memory_bytes=128 * GIB, bandwidth_bytes_s=256e9))
    for machine in (named, bare):
        assert machine.platform == "vulkan"
        assert machine.budget_bytes == 96 * GIB
        assert "shares the memory" in machine.budget_why


@pytest.mark.parametrize(
    ("memory", "bandwidth", "platform", "why"),
    [
        (128, 273e9, "cuda", "shares the memory"),
        (64, 400e9, "metal", "macOS"),
        (100, 300e9, "vulkan", "shares the memory"),
        (80, 3350e9, "cuda", "no desktop"),
        (24, 1008e9, "cuda", "A desktop takes"),
    ],
)
def test_a_bare_budget_is_what_has_such_memory(
    memory: int, bandwidth: float, platform: str, why: str
) -> None:
    machine = machine_of([], Ask(memory_bytes=memory * GIB, bandwidth_bytes_s=bandwidth))
    assert machine.platform == platform
    assert why in machine.budget_why


def test_a_jetson_is_no_card_with_a_desktop() -> None:
    machine = machine_of([], Ask(chip="Jetson Orin NX 16GB"))
    assert "card" not in machine.budget_why
    assert machine.budget_bytes is not None
    assert 13 * GIB < machine.budget_bytes < 14 * GIB


def test_one_chip_has_one_answer_by_whichever_option() -> None:
    place = measured(CARD, "cuda-sm86")
    asks = (
        Ask(chip="3090"),
        Ask(hardware="rtx 3090 24GB"),
        Ask(memory_bytes=24 * GIB, bandwidth_bytes_s=936e9),
    )
    machines = [machine_of([], ask) for ask in asks]
    machines.append(machine_of([place], Ask(hardware="3090")))
    assert {machine.budget_bytes for machine in machines} == {24 * GIB - 800 * MIB}
    assert {machine.platform for machine in machines} == {"cuda"}
    chips = [machine.chip for machine in machines]
    assert {chip.name for chip in chips if chip} == {"NVIDIA GeForce RTX 3090"}
    assert len({(chip.bandwidth_bytes_s, chip.flops_half) for chip in chips if chip}) == 1
    assert all(is_similar_class(CARD, machine) for machine in machines)


def test_a_measured_system_on_a_chip_shares_its_memory() -> None:
    machine = machine_of([measured(SPARK, "cuda-sm121")], Ask(hardware="GB10"))
    assert "shares the memory" in machine.budget_why
    assert machine.chip is not None
    assert machine.chip.unified


@pytest.mark.parametrize("option", ["chip", "hardware"])
def test_a_name_of_several_chips_is_asked_about_by_either_option(option: str) -> None:
    with pytest.raises(InputError, match="PCIe 80 GB"):
        machine_of([], Ask(**{option: "H100"}))


def test_a_chip_sold_with_several_memories_lists_them() -> None:
    with pytest.raises(InputError, match=r"24, 48, 64 GiB"):
        machine_of([], Ask(chip="M4 Pro 20"))


def test_a_memory_that_no_data_sheet_says_is_taken_and_told() -> None:
    machine = machine_of([], Ask(chip="RTX 4090", memory_bytes=48 * GIB))
    assert machine.budget_bytes == 48 * GIB - 800 * MIB
    assert any("sold with 24 GiB; 48 GiB are taken as said" in note for note in machine.notes)
    assert machine_of([], Ask(chip="RTX 4090", memory_bytes=24 * GIB)).notes == ()


def test_what_was_assumed_of_a_chip_is_noted() -> None:
    machine = machine_of([], Ask(chip="780M", memory_bytes=32 * GIB))
    assert any("DDR5-5600" in note for note in machine.notes)


def row(hardware_class: str, kind: str, **changes: object) -> Variant:
    return variant("Q4_0", 10**9, {}, hardware_class=hardware_class, device_kind=kind, **changes)


def test_a_processors_rows_keep_their_measured_rate_though_its_name_is_known() -> None:
    measured_rate = row(f"{HOST}, 24 GiB, 32-64 GB/s", "cpu-avx2", bandwidth_bytes_s=41e9)
    assert chip_of(measured_rate).bandwidth_bytes_s == 41e9


@pytest.mark.parametrize(("memory", "gb_s"), [("64 GiB", 546), ("128 GiB", 546), ("36 GiB", 410)])
def test_a_macs_memory_tells_which_chip_a_class_has(memory: str, gb_s: float) -> None:
    name = f"Apple M4 Max, 14 cores, 1x Apple M4 Max GPU 27 GiB, {memory}, 256-512 GB/s"
    assert chip_of(row(name, "metal-m4")).bandwidth_bytes_s == gb_s * 1e9


@pytest.mark.parametrize(
    ("name", "platform"),
    [("Apple M3 Max", "metal"), ("NVIDIA H100", "cuda"), ("AMD Instinct MI50", "rocm")],
)
def test_an_imported_name_of_several_chips_has_their_platform(name: str, platform: str) -> None:
    assert platform_of(row(f"{name} [someone]", "cpu", origin="someone")) == platform
