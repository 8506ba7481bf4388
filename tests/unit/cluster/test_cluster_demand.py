"""Rented machines are asked for while a executor is there, and no longer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.ray

FILE = """
available_node_types:
  cpu: {resources: {bench_slot: 1, machine-cpu: 1}}
  l4: {resources: {machine-l4: 1}}
"""
VARIABLES = {
    "RAY_enable_autoscaler_v2": "0",  # as on a cluster's head
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",
}
CREW = """
import json, sys
import ray
from ray._raylet import GcsClient
from ray.cluster_utils import Cluster
from grid.cluster.demand import rent
from grid.errors import ClusterLost
from grid.sweep.events import Settings
from grid.sweep.executors.ray_executor import RayExecutor

head = {"num_cpus": 0, "resources": {"machine-cpu": 1}, "include_dashboard": False}
cluster = Cluster(True, head_node_args=head | {"object_store_memory": 80 * 2**20})
known = GcsClient(address=cluster.address)
asked = lambda: json.loads(known.internal_kv_get(b"autoscaler_resource_request", None) or b"null")
executor = RayExecutor(Settings(cell_timeout_s=60), [], cluster.address)
said, seen = [], [asked()]
rent(executor, said.append, sys.argv[1], patience_s=0)
seen.append(asked())
executor.close()
seen.append(asked())
executor.close()  # once more does nothing
print(json.dumps({"said": said, "seen": seen, "connected": ray.is_initialized()}))
cluster.shutdown()
"""


def test_machines_are_asked_for_until_the_crew_closes(tmp_path: Path) -> None:
    file = tmp_path / "bootstrap.yaml"
    file.write_text(FILE)
    done = subprocess.run(
        [sys.executable, "-c", CREW, str(file)],
        env=os.environ | VARIABLES | {"QUANTGRID_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["seen"] == [None, [{"machine-cpu": 1}, {"machine-l4": 1}], []]
    assert result["said"] == [
        "waiting for rented machines: l4",
        "going on without l4: not there after 0 min",
    ]
    assert not result["connected"]
