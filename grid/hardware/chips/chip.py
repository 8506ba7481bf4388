"""Chip: the data-sheet facts of a card, a system on a chip or a kind of memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from grid.errors import InputError

Platform = Literal["metal", "cuda", "vulkan", "rocm", "cpu"]
PLATFORMS: tuple[str, ...] = get_args(Platform)
_POSITIVE = (
    "memory_bytes",
    "flops_half",
    "flops_single",
    "clock_hz",
    "ops_byte",
    "flops_quarter",
    "count",
)


@dataclass(frozen=True, kw_only=True)
class Chip:
    """A chip's data-sheet facts; None where the sheet does not say.

    `bandwidth_bytes_s` is the memory's nominal bandwidth; `flops_half` is the 16-bit matrix rate
    and `flops_single` the 32-bit rate outside of matrix units, both in operations/s (a multiply-add
    is two); `clock_hz` is the boost clock of the part that computes.
    `flops_quarter` is the dense 4-bit float rate where the chip has one, `ops_byte` the 8-bit one.
    `unified` says that the system shares this memory, `memory_type` its kind (`HBM3`), `headless`
    that it is a server's card, which draws no desktop. `generation` is the maker's architecture
    (`Ampere`, `RDNA 3`, `Apple M4`). Of `count` chips alike, the memory is that of all together and
    bandwidth and rates are one chip's, since layers shared out among them compute in turn.
    `source` says where the facts are from, `notes` what its owner should know of them, `aliases`
    by which other words people and drivers name it, `memory_options` with how many bytes it is
    sold where that is no single number.
    Raises InputError for a bandwidth, memory or rate that is not above zero.
    """

    name: str
    vendor: str
    platform: str
    bandwidth_bytes_s: float
    memory_bytes: int | None = None
    flops_half: float | None = None
    flops_single: float | None = None
    unified: bool = False
    clock_hz: float | None = None
    memory_type: str = ""
    headless: bool = False
    source: str = ""
    generation: str | None = None
    ops_byte: float | None = None
    flops_quarter: float | None = None
    count: int = 1
    notes: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    memory_options: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _require_positive(self.name, "bandwidth", self.bandwidth_bytes_s)
        for what in _POSITIVE:
            value = getattr(self, what)
            if value is not None:
                _require_positive(self.name, what, value)
        if self.platform not in PLATFORMS:
            platforms = ", ".join(PLATFORMS)
            raise InputError(f"{self.name}: no platform {self.platform!r}; known: {platforms}")

    @property
    def unified_memory(self) -> bool:
        """Whether the system has its own data in this memory too."""
        return self.unified

    @property
    def fp16_tflops(self) -> float | None:
        """Peak dense 16-bit rate in TFLOP/s, by matrix units where the chip has some."""
        return None if self.flops_half is None else self.flops_half / 1e12


def budget_chip(
    memory_bytes: int | None, bandwidth_bytes_s: float, platform: str = "cpu", name: str = ""
) -> Chip:
    """A chip of which only memory (bytes) and bandwidth (bytes/s) are known.

    Raises InputError where either is not above zero, or the platform is none.
    """
    label = name or f"{platform} with {bandwidth_bytes_s / 1e9:.4g} GB/s"
    return Chip(
        name=label,
        vendor="",
        platform=platform,
        bandwidth_bytes_s=bandwidth_bytes_s,
        memory_bytes=memory_bytes,
        unified=platform in {"cpu", "metal"},
        source="as given",
    )


def _require_positive(name: str, what: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{name}: {what.replace('_', ' ')} {value:g} must be above zero")
