"""Machines are rented while an executor runs, and no longer."""

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
PROGRAM = """
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
store = GcsClient(address=cluster.address)
key = b"autoscaler_resource_request"
requested = lambda: json.loads(store.internal_kv_get(key, None) or b"null")
executor = RayExecutor(Settings(cell_timeout_s=60), [], cluster.address)
lines, requests = [], [requested()]
rent(executor, lines.append, sys.argv[1], patience_s=0)
requests.append(requested())
executor.close()
requests.append(requested())
executor.close()  # once more does nothing
print(json.dumps({"lines": lines, "requests": requests, "connected": ray.is_initialized()}))
cluster.shutdown()
"""


def test_machines_are_rented_until_the_executor_closes(tmp_path: Path) -> None:
    file = tmp_path / "bootstrap.yaml"
    file.write_text(FILE)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(file)],
        env=os.environ | VARIABLES | {"QUANTGRID_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["requests"] == [None, [{"machine-cpu": 1}, {"machine-l4": 1}], []]
    assert result["lines"] == [
        "waiting for rented machines: l4",
        "going on without l4: not there after 0 min",
    ]
    assert not result["connected"]
