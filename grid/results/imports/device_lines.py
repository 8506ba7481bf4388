"""What llama.cpp's log lines say of the cards that it uses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_CUDA = re.compile(r"Device (\d+): (.+?), (?:compute|gfx)")
_VULKAN = re.compile(r"ggml_vulkan: (\d+) = (.+?) \(")
_METAL = re.compile(
    r"ggml_metal_\w+: (?:found device|picking default device|GPU name):\s*(?:MTL\d+ \()?([^)]+)"
)


@dataclass
class DeviceNames:
    """Names of the cards by the device's number, and what drives them."""

    kind: str = ""
    names: dict[int, str] = field(default_factory=dict)

    def add(self, line: str) -> bool:
        """Take a line in; whether it names a card."""
        if match := _CUDA.search(line):
            self.kind = "rocm" if "gfx" in line else "cuda"
            self.names[int(match[1])] = match[2].strip()
        elif match := _VULKAN.search(line):
            self.kind = "vulkan"
            self.names[int(match[1])] = match[2].strip()
        elif match := _METAL.search(line):
            self.kind = "metal"
            self.names.setdefault(0, match[1].strip())
        return match is not None

    def of(self, device: str) -> str:
        """The cards' names, `A, B`, where they are of the device kind; else empty."""
        same = device == self.kind or {device, self.kind} <= {"rocm", "hip", "cuda"}
        return ", ".join(name for _, name in sorted(self.names.items())) if same else ""


def devices_between(lines: Sequence[str], first: int, last: int) -> DeviceNames:
    """The cards that lines `first` to `last` (from 1 on, the last left out) name."""
    devices = DeviceNames()
    for line in lines[first - 1 : last - 1]:
        devices.add(line)
    return devices
