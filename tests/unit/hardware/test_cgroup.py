"""Limits of control groups, on made-up trees and on a real group where this may make one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from grid.hardware.cgroup import Cgroups
from grid.units import GIB, MIB


def tree(folder: Path, membership: str, files: dict[str, str | int]) -> Cgroups:
    """Groups under a folder; `files` are by their path below the mount."""
    (folder / "membership").write_text(membership)
    for name, content in files.items():
        path = folder / "mount" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return Cgroups(folder / "mount", folder / "membership")


def test_without_groups_there_is_no_limit(tmp_path: Path) -> None:
    groups = Cgroups(tmp_path / "none", tmp_path / "none")
    assert (groups.memory_limit(), groups.free_memory(), groups.cpu_limit()) == (None, None, None)


def test_container_of_version_2_shows_its_group_as_the_root(tmp_path: Path) -> None:
    files = {"memory.max": 4 * GIB, "memory.current": 3 * GIB, "cpu.max": "250000 100000"}
    groups = tree(tmp_path, "0::/\n", files)
    assert groups.memory_limit() == 4 * GIB
    assert groups.free_memory() == GIB
    assert groups.cpu_limit() == 2.5


def test_page_cache_counts_as_free(tmp_path: Path) -> None:
    stat = f"anon {GIB}\nfile {2 * GIB}\nactive_file {GIB}\ninactive_file {GIB}"
    files = {"memory.max": 4 * GIB, "memory.current": 3 * GIB + MIB, "memory.stat": stat}
    assert tree(tmp_path, "0::/\n", files).free_memory() == 3 * GIB - MIB


def test_limit_of_a_group_above_counts_for_its_nested_groups(tmp_path: Path) -> None:
    files = {
        "job/memory.max": 2 * GIB,
        "job/memory.current": GIB,
        "job/cpu.max": "max 100000",
        "job/step/memory.max": "max",
        "job/step/memory.current": MIB,
        "job/step/cpu.max": "400000 100000",
    }
    groups = tree(tmp_path, "0::/job/step\n", files)
    assert (groups.memory_limit(), groups.free_memory(), groups.cpu_limit()) == (2 * GIB, GIB, 4.0)


def test_free_memory_is_that_of_the_fullest_level(tmp_path: Path) -> None:
    files = {
        "job/memory.max": 8 * GIB,
        "job/memory.current": 7 * GIB + GIB // 2,  # the neighbours of this step
        "job/step/memory.max": 4 * GIB,
        "job/step/memory.current": GIB,
    }
    groups = tree(tmp_path, "0::/job/step\n", files)
    assert (groups.memory_limit(), groups.free_memory()) == (4 * GIB, GIB // 2)


def test_slurm_under_version_1(tmp_path: Path) -> None:
    job = "slurm/uid_7/job_42"
    files = {
        f"memory/{job}/memory.limit_in_bytes": 16 * GIB,
        f"memory/{job}/memory.usage_in_bytes": 6 * GIB,
        f"memory/{job}/memory.stat": f"inactive_file 0\ntotal_inactive_file {4 * GIB}",
        f"memory/{job}/step_0/memory.limit_in_bytes": 9223372036854771712,
        f"memory/{job}/step_0/memory.usage_in_bytes": MIB,
        f"cpu/{job}/cpu.cfs_quota_us": 300000,
        f"cpu/{job}/cpu.cfs_period_us": 100000,
        f"cpu/{job}/step_0/cpu.cfs_quota_us": -1,
        f"cpu/{job}/step_0/cpu.cfs_period_us": 100000,
    }
    membership = f"4:memory:/{job}/step_0\n1:cpu,cpuacct:/{job}/step_0\n"
    groups = tree(tmp_path, membership, files)
    assert groups.memory_limit() == 16 * GIB
    assert groups.free_memory() == 14 * GIB
    assert groups.cpu_limit() == 3.0


def test_path_of_the_host_that_is_not_mounted_leaves_the_root(tmp_path: Path) -> None:
    files = {"memory/memory.limit_in_bytes": GIB, "memory/memory.usage_in_bytes": MIB}
    groups = tree(tmp_path, "4:memory:/docker/0123abcd\n", files)
    assert (groups.memory_limit(), groups.free_memory()) == (GIB, GIB - MIB)


def test_path_outside_of_the_mounted_groups_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(f"{MIB}\n")
    assert tree(tmp_path, "0::/../..\n", {"memory.max": GIB}).memory_limit() == GIB


def test_soft_limit_counts_because_the_kernel_slows_what_exceeds_it(tmp_path: Path) -> None:
    files = {"memory.max": 4 * GIB, "memory.high": 3 * GIB, "memory.current": GIB}
    assert tree(tmp_path, "0::/\n", files).free_memory() == 2 * GIB


@pytest.mark.parametrize("text", ["", "max", "-1 100000", "50000 0", "0 100000", "x y", "99"])
def test_quota_that_is_none_or_unreadable(tmp_path: Path, text: str) -> None:
    limit = tree(tmp_path, "0::/\n", {"cpu.max": text}).cpu_limit()
    assert limit == (99 / 100000 if text == "99" else None)


def test_time_that_a_quota_stopped_the_process(tmp_path: Path) -> None:
    v1, v2 = tmp_path / "v1", tmp_path / "v2"
    v1.mkdir()
    v2.mkdir()
    files = {"cpu.stat": "nr_throttled 3\nthrottled_usec 1500000"}
    assert tree(v2, "0::/\n", files).throttled_s() == 1.5
    files = {"cpu,cpuacct/cpu.stat": "throttled_time 2500000000"}
    assert tree(v1, "1:cpu,cpuacct:/\n", files).throttled_s() == 2.5


_INSIDE = """
import os, sys
from pathlib import Path
from grid.hardware.cgroup import Cgroups
Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()))
before = Cgroups().free_memory()
Path(sys.argv[2]).write_bytes(bytes(64 * 2**20))
after = Cgroups().free_memory()
ballast = bytearray(128 * 2**20)
print(Cgroups().memory_limit(), before - after, before - Cgroups().free_memory())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's")
def test_real_group_limits_memory_and_its_page_cache_is_free(tmp_path: Path) -> None:
    group, limit_file = _new_group()
    try:
        (group / limit_file).write_text(str(512 * MIB))
        command = [sys.executable, "-c", _INSIDE, str(group), str(tmp_path / "pages")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    finally:
        group.rmdir()
    limit, of_cache, of_ballast = map(int, done.stdout.split())
    assert limit == 512 * MIB
    assert of_cache < 16 * MIB
    assert 120 * MIB < of_ballast < 200 * MIB


def _new_group() -> tuple[Path, str]:
    """A group of its own with the name of its limit's file; skips where none may be made."""
    root = Path("/sys/fs/cgroup")
    for parent, file in ((root, "memory.max"), (root / "memory", "memory.limit_in_bytes")):
        group = parent / f"grid-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / file).exists() and os.access(group / file, os.W_OK):
            return group, file
        group.rmdir()
    pytest.skip("no control group with a memory limit can be made here")
