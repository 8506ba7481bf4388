"""Accelerators are what the system's tools print."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grid.hardware.accelerators import apple_gpu, list_accelerators, parse_nvidia_smi
from grid.hardware.chips import find_chip, usable_bytes
from grid.hardware.node import Accelerator
from grid.units import GIB, MIB

TABLE = "NVIDIA GeForce RTX 4090, 24564, 8.9\nNVIDIA GeForce RTX 3060, 12288, 8.6\n"


def test_each_line_of_nvidia_smi_is_a_gpu() -> None:
    assert parse_nvidia_smi(TABLE) == (
        Accelerator(name="NVIDIA GeForce RTX 4090", kind="cuda-sm89", memory_bytes=24_564 * MIB),
        Accelerator(name="NVIDIA GeForce RTX 3060", kind="cuda-sm86", memory_bytes=12_288 * MIB),
    )


@pytest.mark.parametrize("table", ["", "No devices were found\n", "a, [N/A], 8.9\n", "a, 1\n"])
def test_lines_of_nvidia_smi_without_memory_are_no_gpus(table: str) -> None:
    assert parse_nvidia_smi(table) == ()


@pytest.mark.parametrize(
    ("line", "kind"),
    [("NVIDIA GB10, [N/A], 12.1", "cuda-sm121"), ("Orin (nvgpu), [N/A], 8.7", "cuda-sm87")],
)
def test_a_system_on_a_chip_has_the_machines_memory(line: str, kind: str) -> None:
    (gpu,) = parse_nvidia_smi(f"{line}\n", 61 * GIB)
    assert (gpu.kind, gpu.memory_bytes) == (kind, 61 * GIB)
    assert parse_nvidia_smi("NVIDIA GeForce RTX 4090, [N/A], 8.9\n", 61 * GIB) == ()


@pytest.mark.parametrize(
    ("chip", "kind"), [("Apple M4 Max", "metal-m4"), ("Apple M1", "metal-m1"), ("?", "metal-apple")]
)
def test_an_apple_chip_has_a_gpu_that_shares_its_memory(chip: str, kind: str) -> None:
    (gpu,) = apple_gpu(chip, 64 * GIB)
    assert (gpu.kind, gpu.memory_bytes) == (kind, 48 * GIB)


@pytest.mark.parametrize(("machine", "share"), [(24, 16), (36, 27), (128, 96)])
def test_an_apple_gpu_has_the_share_that_budgets_assume(machine: int, share: int) -> None:
    (gpu,) = apple_gpu("Apple M3 Pro", machine * GIB)
    assert gpu.memory_bytes == share * GIB
    assert usable_bytes(find_chip("m3 pro 18"), machine * GIB).bytes == gpu.memory_bytes


@pytest.mark.skipif(os.name != "posix", reason="a script stands for nvidia-smi")
def test_nvidia_smi_on_the_path_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\nprintf '{TABLE}'\n".replace("\n'", "\\n'"))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert [gpu.kind for gpu in list_accelerators("any", GIB)] == ["cuda-sm89", "cuda-sm86"]


def test_a_machine_without_nvidia_smi_has_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert list_accelerators("any", GIB) == ()
