"""Node: a machine as probed, and the classes its results are grouped by."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from grid.units import GIB, format_bytes


class Accelerator(msgspec.Struct, frozen=True, kw_only=True):
    """One accelerator; `kind` is the arithmetic it computes with, such as `cuda-sm90`."""

    name: str
    kind: str
    memory_bytes: int


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A machine. `bandwidth_bytes_s` is a measured copy rate (read plus written), all cores.

    `llc_bytes` is the last-level cache that one process can use; 0 where it cannot be read.
    `overridden` names what the owner's node.toml says instead of the probe.
    """

    name: str
    system: str
    chip: str
    cores: int
    memory_bytes: int
    bandwidth_bytes_s: float
    llc_bytes: int = 0
    cpu_kind: str = "cpu"
    accelerators: tuple[Accelerator, ...] = ()
    overridden: tuple[str, ...] = ()

    @property
    def device_kind(self) -> str:
        """The arithmetic that computes here; quality is a property of artifact, engine and this."""
        return self.accelerators[0].kind if self.accelerators else self.cpu_kind

    @property
    def short_name(self) -> str:
        """`2x NVIDIA H200 139 GiB`, or `AMD EPYC, 24 GiB` where there is no accelerator."""
        if not self.accelerators:
            return f"{self.chip}, {round(self.memory_bytes / GIB)} GiB"
        first = self.accelerators[0]
        count = f"{len(self.accelerators)}x " if len(self.accelerators) > 1 else ""
        return f"{count}{first.name} {format_bytes(first.memory_bytes)}"

    @property
    def hardware_class(self) -> str:
        """Chip, cores, accelerators, memory and bandwidth bucket; speed rows are grouped by it.

        Memory is rounded to the GiB and bandwidth to a factor of two, so that one machine keeps its
        class from run to run though both are measured.
        """
        parts = [self.chip, f"{self.cores} cores"]
        if self.accelerators:
            first = self.accelerators[0]
            parts.append(
                f"{len(self.accelerators)}x {first.name} {format_bytes(first.memory_bytes)}"
            )
        parts.append(f"{round(self.memory_bytes / GIB)} GiB")
        parts.append(bandwidth_bucket(self.bandwidth_bytes_s))
        return ", ".join(parts)

    def classes_among(self, names: Iterable[str]) -> list[str]:
        """The hardware classes that may be this machine's: its own where that is one of them, else
        all that differ in bandwidth alone, which a machine measures otherwise on a busy day."""
        choices = list(names)
        if self.hardware_class in choices:
            return [self.hardware_class]
        facts = _without_bandwidth(self.hardware_class)
        return [name for name in choices if _without_bandwidth(name) == facts]


def _without_bandwidth(hardware_class: str) -> str:
    return hardware_class.rpartition(", ")[0]


def bandwidth_bucket(bytes_per_s: float) -> str:
    """The factor-of-two bucket of a bandwidth, as text: 13e9 -> '8-16 GB/s'."""
    if bytes_per_s <= 0:
        return "unknown bandwidth"
    low = 2 ** math.floor(math.log2(bytes_per_s / 1e9))
    return f"{low:g}-{2 * low:g} GB/s"
