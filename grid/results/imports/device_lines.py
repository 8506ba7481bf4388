"""What llama.cpp's log lines say of the cards that it uses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_CUDA = re.compile(r"Device (\d+): (.+?), (?:compute|gfx)")
_VULKAN = re.compile(r"ggml_vulkan: (\d+) = (.+?) \(")
_METAL = re.compile(
    r"ggml_metal_\w+: (?:found device|picking default device|GPU name):\s*(?:MTL\d+ \()?([^)]+)"
)


@dataclass
class DeviceNames:
    """Names of the cards by what drives them and the device's number."""

    by_kind: dict[str, dict[int, str]] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What drives the cards; empty for none, and where a build has several that could."""
        return next(iter(self.by_kind)) if len(self.by_kind) == 1 else ""

    def add(self, line: str) -> bool:
        """Take a line in; whether it names a card."""
        named = device_in(line)
        if named is not None:
            kind, number, name = named
            self.by_kind.setdefault(kind, {})[number] = name
        return named is not None

    def has(self, line: str) -> bool:
        """Whether a line names a card whose number is named already, as a second start does;
        Metal's lines come several times of one start."""
        named = device_in(line)
        return (
            named is not None and named[0] != "metal" and named[1] in self.by_kind.get(named[0], ())
        )

    def cards(self, device: str) -> Mapping[int, str]:
        """The cards by number of the device kind; none of another kind."""
        same = {"rocm", "hip", "cuda"} if device in ("rocm", "hip", "cuda") else {device}
        kinds = [kind for kind in self.by_kind if kind in same]
        return self.by_kind[kinds[0]] if len(kinds) == 1 else {}

    def of(self, device: str) -> str:
        """The names of all cards of the device kind, `A, B`; empty for none."""
        return ", ".join(name for _, name in sorted(self.cards(device).items()))


def device_in(line: str) -> tuple[str, int, str] | None:
    """(kind, number, name) of the card that a line names; None where it names none."""
    if match := _CUDA.search(line):
        return "rocm" if "gfx" in line else "cuda", int(match[1]), match[2].strip()
    if match := _VULKAN.search(line):
        return "vulkan", int(match[1]), match[2].strip()
    if match := _METAL.search(line):
        return "metal", 0, match[1].strip()
    return None


def devices_between(lines: Sequence[str], first: int, last: int) -> DeviceNames:
    """The cards that lines `first` to `last` (from 1 on, the last left out) name."""
    devices = DeviceNames()
    for line in lines[first - 1 : last - 1]:
        devices.add(line)
    return devices
