"""What the control groups of this process leave it: memory and CPUs, in cgroup v1 and v2.

Containers, Slurm and systemd limit a process by its group or by one above it, so every level from
its own up to the mounted root counts. Inside a container the path in /proc/self/cgroup is often the
host's and does not exist; then the levels that do exist count, the mounted root among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MOUNT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")

UNLIMITED = 2**60
"""Bytes from which a limit means none: cgroup v1 says the largest page-aligned 64-bit number."""

_V2_MOUNTS = ("", "unified")
"""`unified` is where hybrid systems mount v2 beside v1."""

_RECLAIMABLE = ("active_file", "inactive_file", "slab_reclaimable")
"""Page cache and its like in memory.stat: counted as used, and given back when memory is wanted."""


class _MemoryFiles(NamedTuple):
    """The names of one cgroup version; `prefix` is that of figures that include lower groups."""

    limits: tuple[str, ...]
    usage: str
    prefix: str


_MEMORY_V1 = _MemoryFiles(("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_")
_MEMORY_V2 = _MemoryFiles(("memory.max", "memory.high"), "memory.current", "")


class Cgroups:
    """The control groups of this process as the system shows them under `mount`."""

    def __init__(self, mount: Path = MOUNT, membership: Path = MEMBERSHIP) -> None:
        self._mount = mount
        self._paths = dict(_memberships(membership))

    def memory_limit(self) -> int | None:
        """Bytes that the process may use at most; None without a limit."""
        return min((limit for limit, _ in self._memory_levels()), default=None)

    def free_memory(self) -> int | None:
        """Bytes that it may still take, page cache counted as free; None without a limit."""
        free = (max(0, limit - used) for limit, used in self._memory_levels())
        return min(free, default=None)

    def cpu_limit(self) -> float | None:
        """CPUs' worth of time that it may use, such as 2.5; None without a quota."""
        shares = [_v2_quota(level) for level in self._levels("", _V2_MOUNTS)]
        shares += [_v1_quota(level) for level in self._levels("cpu", ("cpu", "cpu,cpuacct"))]
        return min((share for share in shares if share is not None), default=None)

    def throttled_s(self) -> float:
        """Seconds that a CPU quota has stopped the process's groups so far."""
        micro = (
            _field(level / "cpu.stat", "throttled_usec") for level in self._levels("", _V2_MOUNTS)
        )
        nano = (
            _field(level / "cpu.stat", "throttled_time")
            for level in self._levels("cpu", ("cpu", "cpu,cpuacct"))
        )
        return max(max(micro, default=0) / 1e6, max(nano, default=0) / 1e9)

    def _memory_levels(self) -> Iterator[tuple[int, int]]:
        """(limit, bytes in use that are not page cache) of each level that has a limit."""
        for level in self._levels("", _V2_MOUNTS):
            yield from _memory_of(level, _MEMORY_V2)
        for level in self._levels("memory", ("memory",)):
            yield from _memory_of(level, _MEMORY_V1)

    def _levels(self, controller: str, mounts: tuple[str, ...]) -> Iterator[Path]:
        """The folders of a controller's groups, from the process's own to the mounted root."""
        own = Path(self._paths.get(controller, "/").lstrip("/"))
        for mount in mounts:
            for path in (own, *own.parents):
                if (level := self._mount / mount / path).is_dir():
                    yield level


def _memberships(file: Path) -> Iterator[tuple[str, str]]:
    """(controller, path) of each line `id:controllers:path`; v2's controller is empty."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if ".." not in path:  # of a group outside this namespace: not shown here
            yield from ((controller, path) for controller in controllers.split(","))


def _memory_of(level: Path, files: _MemoryFiles) -> Iterator[tuple[int, int]]:
    limits = [_number(level / name) for name in files.limits]
    limit = min((limit for limit in limits if limit is not None), default=UNLIMITED)
    if limit >= UNLIMITED:
        return
    stat = level / "memory.stat"
    cache = sum(_field(stat, files.prefix + name) for name in _RECLAIMABLE)
    yield limit, max(0, (_number(level / files.usage) or 0) - cache)


def _v2_quota(level: Path) -> float | None:
    quota, _, period = _text(level / "cpu.max").partition(" ")
    return _share(quota, period or "100000")


def _v1_quota(level: Path) -> float | None:
    return _share(_text(level / "cpu.cfs_quota_us"), _text(level / "cpu.cfs_period_us"))


def _share(quota: str, period: str) -> float | None:
    """Quota over period, both in microseconds; None for `max`, -1 or what is no number."""
    if not (quota.isdecimal() and period.isdecimal() and int(quota) and int(period)):
        return None
    return int(quota) / int(period)


def _number(file: Path) -> int | None:
    text = _text(file)
    return int(text) if text.isdecimal() else None


def _field(file: Path, name: str) -> int:
    """The number behind a name in a file of `name number` lines; 0 where there is none."""
    for line in _text(file).splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.isdecimal():
            return int(value)
    return 0


def _text(file: Path) -> str:
    """The file's text; empty where it is not there or may not be read."""
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
