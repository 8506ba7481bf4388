"""Probe this machine: chip, cores, memory, bandwidth, and the arithmetic its CPU computes with."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import msgspec

from grid.cache import cache_dir, write_atomically
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

PROBE_BYTES = 2**30
"""Read and written by all threads together: larger than most last-level caches, and it fits."""


def probe_node(fresh: bool = False) -> Node:
    """This machine as a Node, with what its owner's node.toml says instead. The measured bandwidth
    is kept in the cache folder, so that one machine keeps its hardware class; `fresh` measures
    again. Raises InputError where node.toml is wrong."""
    node = identify_node()
    if "bandwidth" in node.overridden or (node.bandwidth_bytes_s and not fresh):
        return node
    return msgspec.structs.replace(node, bandwidth_bytes_s=_measured_bandwidth(node))


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


def available_memory() -> int:
    """Bytes that could be used now without swapping, the container's limit observed."""
    import psutil

    free = int(psutil.virtual_memory().available)
    within_limit = Cgroups().free_memory()
    return free if within_limit is None else min(free, within_limit)


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
    path = _bandwidth_file(node)
    return float(msgspec.json.decode(path.read_bytes(), type=float)) if path.exists() else 0.0


def _bandwidth_file(node: Node) -> Path:
    from hashlib import blake2b

    machine = ("bandwidth", node.name, node.chip, node.cores, node.memory_bytes)
    key = blake2b(msgspec.json.encode(machine), digest_size=8).hexdigest()
    return cache_dir() / "nodes" / f"{key}.json"


def _measured_bandwidth(node: Node) -> float:
    """Copy bandwidth (bytes read plus written per second), best of five, kept per machine."""
    # A process of its own gives the gigabyte that this takes back to the system.
    process = subprocess.run(
        [sys.executable, "-m", "grid.hardware.probe", str(node.cores)],
        capture_output=True,
        text=True,
        check=False,
    )
    measured = float(process.stdout) if process.returncode == 0 else 0.0
    if measured > 0:
        with suppress(OSError):  # a cache that takes nothing costs a probe each time, no more
            write_atomically(_bandwidth_file(node), msgspec.json.encode(measured))
    return measured


def measure_bandwidth(threads: int, passes: int = 5) -> float:
    """Best rate of copying large arrays in `threads` threads (numpy copies without the GIL)."""
    import numpy as np

    size = PROBE_BYTES // 2 // 8 // threads
    pairs = [(np.ones(size), np.zeros(size)) for _ in range(threads)]
    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(passes):
            start = time.perf_counter()
            list(pool.map(lambda pair: np.copyto(pair[1], pair[0]), pairs))
            best = max(best, 16 * size * threads / (time.perf_counter() - start))
    return best


if __name__ == "__main__":
    sys.stdout.write(f"{measure_bandwidth(int(sys.argv[1]))}\n")
