"""Probe this machine: what it is, and the bandwidth of its memory."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import msgspec

from grid.cache import write_atomically
from grid.hardware.cgroup import Cgroups
from grid.hardware.identify import bandwidth_file, identify_node
from grid.hardware.node import Node

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


def available_memory() -> int:
    """Bytes that could be used now without swapping, the container's limit observed."""
    import psutil

    free = int(psutil.virtual_memory().available)
    within_limit = Cgroups().free_memory()
    return free if within_limit is None else min(free, within_limit)


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
            write_atomically(bandwidth_file(node), msgspec.json.encode(measured))
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
