"""What this machine is, without measuring anything: chip, cores, memory, and the arithmetic its CPU
computes with."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
from pathlib import Path

import msgspec

from grid.cache import cache_dir
from grid.hardware.accelerators import list_accelerators
from grid.hardware.cgroup import Cgroups
from grid.hardware.node import Node
from grid.hardware.node_file import apply_node_file

_CPU_KINDS = (
    ("avx512_vnni", "cpu-avx512-vnni"),
    ("avx512f", "cpu-avx512"),
    ("avx2", "cpu-avx2"),
)
"""Highest instruction set first: engines pick their kernels by it. AMX is not told apart,
because llama.cpp is built without it (pyproject.toml says why), so it says nothing of what
computes."""


def identify_node() -> Node:
    """This machine as `probe_node` says it, at once: where its bandwidth was not measured yet that
    is 0. Raises InputError where node.toml is wrong."""
    import psutil

    (chip, kind), memory = _cpu_chip_and_kind(), _memory_bytes()
    usable = _usable_cpus()
    physical = min(psutil.cpu_count(logical=False) or usable, usable)
    probed = Node(
        name=socket.gethostname(),
        system=f"{platform.system()} {platform.machine()}",
        chip=chip,
        cores=physical,
        memory_bytes=memory,
        bandwidth_bytes_s=0.0,
        llc_bytes=_last_level_cache(),
        cpu_kind=kind,
        accelerators=list_accelerators(chip, memory),
    )
    node = apply_node_file(probed)
    if "bandwidth" in node.overridden:
        return node
    return msgspec.structs.replace(node, bandwidth_bytes_s=_cached_bandwidth(node))


def _memory_bytes() -> int:
    import psutil

    total = int(psutil.virtual_memory().total)
    limit = Cgroups().memory_limit()
    return total if limit is None else min(total, limit)


def _usable_cpus() -> int:
    """CPUs that this process may run on; no more than the whole ones of its container's quota, for
    a thread beyond it would only be stopped in turns."""
    count = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else count
    quota = Cgroups().cpu_limit()
    return allowed if quota is None else max(1, min(allowed, int(quota)))


def _cpu_chip_and_kind() -> tuple[str, str]:
    if platform.system() == "Darwin":
        chip = _sysctl("machdep.cpu.brand_string") or platform.machine()
        return chip, "cpu-neon" if platform.machine() == "arm64" else "cpu-avx2"
    fields = _cpuinfo()
    chip = fields.get("model name") or fields.get("Hardware") or platform.machine()
    flags = fields.get("flags", fields.get("Features", "")).split()
    for flag, kind in _CPU_KINDS:
        if flag in flags:
            return " ".join(chip.split()), kind
    arm = platform.machine() in ("aarch64", "arm64")
    return chip, "cpu-neon" if arm else "cpu"


def _cpuinfo() -> dict[str, str]:
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _sysctl(name: str) -> str:
    process = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=False)
    return process.stdout.strip()


def _last_level_cache() -> int:
    """Bytes of the largest cache of CPU 0; 0 where the system does not say."""
    if platform.system() == "Darwin":
        return int(_sysctl("hw.l2cachesize") or 0)
    sizes = [0]
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = path.read_text().strip()
        if text.endswith("K") and text[:-1].isdigit():
            sizes.append(int(text[:-1]) * 1024)
    return max(sizes)


def _cached_bandwidth(node: Node) -> float:
    """What `_measured_bandwidth` kept of a machine; 0 where that is nothing."""
    path = bandwidth_file(node)
    return float(msgspec.json.decode(path.read_bytes(), type=float)) if path.exists() else 0.0


def bandwidth_file(node: Node) -> Path:
    from hashlib import blake2b

    machine = ("bandwidth", node.name, node.chip, node.cores, node.memory_bytes)
    key = blake2b(msgspec.json.encode(machine), digest_size=8).hexdigest()
    return cache_dir() / "nodes" / f"{key}.json"
