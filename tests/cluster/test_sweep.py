"""`ray up cluster.yaml`, then `grid sweep` in the same folder: the whole way, with real engines."""

from __future__ import annotations

import json

import grid
from cluster.checks import alone, exactly_once, shared_on_any, speed_on_each_class
from cluster.clusters import Cluster
from cluster.driving import planned_cells

FAMILY = """
name = "family"
quants = ["F16", "Q8_0", "Q4_0"]
[[models]]
source = "ref:small"
[speed]
prompt = [64]
generate = [16]
repetitions = 3
[latency]
prompt = 16
generate = 16
repetitions = 3
[memory]
context = 256
[quality]
context = 256
chunks = 2
[tasks]
items = 20
"""


def test_the_reference_family_is_measured_over_two_hardware_classes(cluster: Cluster) -> None:
    folder = cluster.file.parent
    (folder / "family.toml").write_text(FAMILY)
    done = cluster.grid("sweep family.toml --store family", timeout=300)
    assert "grid show --store" in done.stdout
    assert "Slow chip" in done.stdout
    assert "Fast chip" in done.stdout

    results = grid.open(folder / "family")
    expected: set[str] = set()
    for host in cluster.hosts[:2]:
        own_folder = host.home / "family"
        own_folder.mkdir()
        (own_folder / "sweep.toml").write_text(FAMILY)
        expected |= planned_cells(host, own_folder).keys()
    exactly_once(results, expected)
    alone(results)
    speed_on_each_class(results, {"Slow chip": {"box"}, "Fast chip": {"gamer", "mini"}})
    assert len(shared_on_any(results)) > 1

    repeated = cluster.grid("sweep family.toml --store family --json", timeout=120)
    assert json.loads(repeated.stdout.splitlines()[-1])["measured"] == 0
    assert grid.open(folder / "family").attempts() == results.attempts()
