"""Detect the accelerators of this machine by the system's own tools."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence

from grid.hardware.chips import mac_share, possible_chips
from grid.hardware.node import Accelerator
from grid.units import MIB

_NVIDIA = (
    "nvidia-smi",
    "--query-gpu=name,memory.total,compute_cap",
    "--format=csv,noheader,nounits",
)
_TIMEOUT_S = 20


def list_accelerators(chip: str, memory_bytes: int) -> tuple[Accelerator, ...]:
    """NVIDIA GPUs, or the GPU of an Apple chip; empty where no tool reports one."""
    if platform.system() == "Darwin":
        return apple_gpu(chip, memory_bytes) if platform.machine() == "arm64" else ()
    return parse_nvidia_smi(_tool_output(_NVIDIA), memory_bytes)


def parse_nvidia_smi(table: str, main_memory: int = 0) -> tuple[Accelerator, ...]:
    """GPUs from lines of `name, MiB of memory, compute capability`; 9.0 is kind `cuda-sm90`.

    Systems on a chip (GB10, Jetson) report no memory: theirs is the machine's `main_memory`, bytes.
    """
    gpus = []
    for line in table.splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) != 3:
            continue
        name, memory, capability = fields
        size = int(memory) * MIB if memory.isdigit() else _shared_memory(name, main_memory)
        if size:
            kind = f"cuda-sm{capability.replace('.', '')}"
            gpus.append(Accelerator(name=name, kind=kind, memory_bytes=size))
    return tuple(gpus)


def _shared_memory(name: str, main_memory: int) -> int:
    """Bytes of the main memory, 0 for a card that has its own or that nobody knows."""
    possible = possible_chips(name, main_memory)
    return main_memory if possible and all(chip.unified for chip in possible) else 0


def apple_gpu(chip: str, memory_bytes: int) -> tuple[Accelerator, ...]:
    """`Apple M4 Max` is the kind `metal-m4`; its memory is what macOS lets it have of
    the machine's own."""
    words = chip.lower().split()
    generation = next((word for word in words if word[:1] == "m" and word[1:].isdigit()), "apple")
    usable = round(memory_bytes * mac_share(memory_bytes))
    return (Accelerator(name=f"{chip} GPU", kind=f"metal-{generation}", memory_bytes=usable),)


def _tool_output(command: Sequence[str]) -> str:
    """Standard output of a command; empty where it is missing, fails or hangs."""
    try:
        process = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return process.stdout if process.returncode == 0 else ""
