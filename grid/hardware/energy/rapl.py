"""Energy of processor packages, as Linux shows Intel's and AMD's RAPL counters under powercap.

A package's counter holds its cores and its graphics: those domains are inside it and are left out.
The memory's domain is not in it. Linux's own layout, with `energy_uj` and `max_energy_range_uj` of
each zone: https://docs.kernel.org/power/powercap/powercap.html
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from grid.hardware.energy.counter import EnergySource, EnergyUnreadable, Scope

TREE_VARIABLE = "QUANTGRID_POWERCAP"
"""Names another folder than `TREE`, where a container has it mounted elsewhere."""

TREE = Path("/sys/class/powercap")

MOST_WATTS = 2000.0
"""More than any package draws: how soon a counter can have come around."""

_PACKAGE = re.compile(r"package-\d+(-die-\d+)?")

MEND = "sudo chmod a+r {tree}/*/energy_uj (until the next start; root alone reads them by default)"


class RaplCounter:
    """One zone's counter, which starts anew after `max_energy_range_uj`."""

    error, update_s = 0.0, 0.0

    def __init__(self, folder: Path, name: str, scope: Scope) -> None:
        self.name, self.scope = name, scope
        self._file = folder / "energy_uj"
        self._range = _number(folder / "max_energy_range_uj")
        self._last, self._total = _number(self._file), 0
        self.longest_gap_s = self._range / 1e6 / MOST_WATTS

    def joules(self) -> float:
        try:
            now = _number(self._file)
        except PermissionError as error:
            raise EnergyUnreadable(f"no permission: {error.filename} is for root alone") from error
        step = now - self._last
        if step < 0:  # it came around; the range is its largest value
            step += self._range + 1
        if step < 0:
            raise EnergyUnreadable(f"{self.name}: energy_uj fell by more than its range")
        self._last = now
        self._total += step
        return self._total / 1e6

    def used_bytes(self) -> int | None:
        return None

    def others_reason(self) -> str:
        return ""


def rapl_source(tree: Path | None = None) -> EnergySource:
    """Every package once and its memory apart, or why they cannot be read."""
    tree = tree or Path(os.environ.get(TREE_VARIABLE) or TREE)
    if not tree.is_dir():
        return EnergySource("RAPL", lack=f"no counter: {tree} is not there{_likely_cause()}")
    try:
        counters = [RaplCounter(*zone) for zone in _zones(tree)]
    except PermissionError as error:
        lack = f"no permission: {error.filename} is for root alone"
        return EnergySource("RAPL", lack=lack, mend=MEND.format(tree=tree))
    except (OSError, EnergyUnreadable) as error:
        return EnergySource("RAPL", lack=f"{tree}: {error}")
    if not any(counter.scope == "cpu-package" for counter in counters):
        return EnergySource("RAPL", lack=f"no counter: {tree} has no package{_likely_cause()}")
    return EnergySource("RAPL", counters)


def _zones(tree: Path) -> Iterator[tuple[Path, str, Scope]]:
    """(folder, name, scope) of what is counted. A package that stands there twice, by registers
    and memory-mapped (`intel-rapl-mmio`), counts once."""
    packages: set[str] = set()
    for folder in sorted(tree.iterdir(), key=lambda path: ("mmio" in path.name, path.name)):
        zone = _name(folder)
        if not _PACKAGE.fullmatch(zone) or zone in packages:
            continue
        packages.add(zone)
        yield folder, zone, "cpu-package"
        for part in _parts(tree, folder):
            if _name(part) == "dram":
                yield part, f"dram of {zone}", "dram"


def _parts(tree: Path, package: Path) -> list[Path]:
    """Zones inside a package: beside it as `intel-rapl:0:1`, or in its own folder alone."""
    parts = {path.name: path for path in package.glob(f"{package.name}:*")}
    parts |= {path.name: path for path in tree.glob(f"{package.name}:*")}
    return [parts[name] for name in sorted(parts)]


def _name(folder: Path) -> str:
    """Empty for what is no zone."""
    try:
        return (folder / "name").read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _number(file: Path) -> int:
    """Raises PermissionError, and EnergyUnreadable for anything else that is no whole number."""
    try:
        text = file.read_text()
    except PermissionError:
        raise
    except OSError as error:
        raise EnergyUnreadable(f"{file} cannot be read ({error.strerror})") from error
    if not text.strip().isdigit():
        raise EnergyUnreadable(f"{file} holds {text.strip()[:40]!r}, no whole number")
    return int(text)


def _likely_cause() -> str:
    """Virtual machines hide the counters: the kernel marks them among the CPU's flags."""
    try:
        virtual = " hypervisor " in Path("/proc/cpuinfo").read_text().replace("\n", " \n")
    except OSError:
        return ""
    return ", as on most virtual machines" if virtual else ""
